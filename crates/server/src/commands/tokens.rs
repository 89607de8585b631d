//! `weir tokens`: API tokens, shown once.

use serde_json::{Value, json};

use crate::cli::Tokens;
use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::{Output, table};
use crate::place::Places;
use crate::runtime::Start;

pub(crate) async fn run(places: &Places, what: Tokens, output: Output) -> anyhow::Result<Exit> {
    let client = Client::open(places, Start::Store, output).await?;
    let result = act(&client, what, output).await;
    client.close().await;
    result
}

async fn act(client: &Client, what: Tokens, output: Output) -> anyhow::Result<Exit> {
    match what {
        Tokens::List => {
            let tokens = client.call("GET", "/api/v1/tokens", None).await?;
            output.answer(&tokens, || {
                let rows: Vec<Vec<Value>> = tokens
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|token| {
                        vec![
                            token["name"].clone(),
                            token["role"].clone(),
                            token["expires_at"].clone(),
                        ]
                    })
                    .collect();
                if rows.is_empty() {
                    "no tokens".to_owned()
                } else {
                    table(&["name", "role", "until"], &rows)
                }
            });
        }
        Tokens::Create { name, role, days } => {
            let body = json!({ "name": name, "role": role.word(), "days": days });
            let made = client.call("POST", "/api/v1/tokens", Some(&body)).await?;
            output.answer(&made, || {
                let text = made["token"].as_str().unwrap_or_default();
                format!("{text}\nshown this once; use it as `Authorization: Bearer …` or WEIR_TOKEN")
            });
        }
        Tokens::Revoke { name } => {
            client
                .call("DELETE", &format!("/api/v1/tokens/{}", quoted(&name)), None)
                .await?;
            output.answer(&json!({ "revoked": name }), || {
                format!("{name} opens nothing any more")
            });
        }
    }
    Ok(Exit::Ok)
}
