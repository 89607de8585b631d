//! `weir doctor`: the installation and every connection, in plain sentences.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::{Output, counted};
use crate::place::Places;
use crate::runtime::Start;

pub(crate) async fn run(
    places: &Places,
    only: Option<&str>,
    dry_run_write: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    let client = Client::open(places, Start::Connections, output).await?;
    let result = look(&client, only, dry_run_write).await;
    let here = client.is_here();
    client.close().await;
    let (health, checks) = result?;
    let bad = checks
        .values()
        .flatten()
        .filter(|check| check["ok"] == false)
        .count();
    let answer = json!({ "ok": bad == 0, "server": !here, "store": health, "connections": checks });
    output.answer(&answer, || {
        let mut lines = vec![if here {
            "no server runs on this data folder; the store opens and answers".to_owned()
        } else {
            "the server answers".to_owned()
        }];
        let facts: Vec<String> = health
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        lines.push(format!("store: {}", facts.join(", ")));
        for (name, checks) in &checks {
            for check in checks {
                let mark = if check["ok"] == true { "ok    " } else { "FAILED" };
                let word = |field: &str| check[field].as_str().unwrap_or_default().to_owned();
                lines.push(format!(
                    "{mark} {name} · {}: {} ({} ms)",
                    word("what"),
                    word("message"),
                    check["duration_ms"]
                ));
            }
        }
        lines.push(if bad == 0 {
            "everything works".to_owned()
        } else {
            format!(
                "{} failed: correct what the sentences name and run `weir doctor` again",
                counted(bad, "check")
            )
        });
        lines.join("\n")
    });
    Ok(Exit::of(bad == 0))
}

type Checks = BTreeMap<String, Vec<Value>>;

async fn look(client: &Client, only: Option<&str>, dry_run_write: bool) -> anyhow::Result<(Value, Checks)> {
    let health = client.get("/health").await?;
    let names: Vec<String> = match only {
        Some(name) => vec![name.to_owned()],
        None => {
            let all = client.get("/connections").await?;
            all.as_array()
                .into_iter()
                .flatten()
                .filter_map(|row| row["name"].as_str().map(str::to_owned))
                .collect()
        }
    };
    let mut checks = BTreeMap::new();
    for name in names {
        let path = format!(
            "/connections/{}/check?dry_run_write={dry_run_write}",
            quoted(&name)
        );
        let results = client.send("POST", &path, None).await?;
        checks.insert(name, results.as_array().cloned().unwrap_or_default());
    }
    Ok((health, checks))
}
