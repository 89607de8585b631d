//! `weir links`: remembered pairs of keys and ids.

use serde_json::{Value, json};

use crate::cli::Links;
use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::{Output, table};
use crate::place::Places;
use crate::runtime::Start;

pub(crate) async fn run(places: &Places, what: Links, output: Output) -> anyhow::Result<Exit> {
    let Links::Search { text, of, limit } = what;
    let client = Client::open(places, Start::Store, output).await?;
    let of = of.map(|of| format!("&of={}", quoted(&of))).unwrap_or_default();
    let links = client
        .get(&format!("/links?limit={limit}&text={}{of}", quoted(&text)))
        .await;
    client.close().await;
    let links = links?;
    output.answer(&links, || {
        let all = links.as_array().cloned().unwrap_or_default();
        if all.is_empty() {
            return "no such links".to_owned();
        }
        let rows: Vec<Vec<Value>> = all
            .iter()
            .map(|link| {
                let word = |name: &str| link["address"][name].as_str().unwrap_or_default();
                let address = format!("{}/{}", word("connection"), word("entity"));
                vec![
                    json!(address),
                    link["key"].clone(),
                    json!(link["ids"].to_string()),
                    link["at"].clone(),
                ]
            })
            .collect();
        table(&["of", "key", "ids", "since"], &rows)
    });
    Ok(Exit::Ok)
}
