//! `weir secrets`: values go in, names come out.

use std::io::Read as _;

use anyhow::Context as _;
use serde_json::json;

use crate::cli::Secrets;
use crate::exit::Exit;
use crate::online::{Client, quoted};
use crate::output::{Output, is_terminal};
use crate::place::Places;
use crate::runtime::Start;

pub(crate) async fn run(places: &Places, what: Secrets, output: Output) -> anyhow::Result<Exit> {
    let client = Client::open(places, Start::Store, output).await?;
    let result = act(&client, what, output).await;
    client.close().await;
    result
}

async fn act(client: &Client, what: Secrets, output: Output) -> anyhow::Result<Exit> {
    match what {
        Secrets::List => {
            let names = client.get("/secrets").await?;
            output.answer(&names, || {
                let all: Vec<&str> = names
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|n| n.as_str())
                    .collect();
                if all.is_empty() {
                    "no secrets are stored".to_owned()
                } else {
                    all.join("\n")
                }
            });
        }
        Secrets::Set { name } => {
            if is_terminal() {
                eprintln!(
                    "value of {name}, then Enter and Ctrl-D (it is shown as you type; a pipe is better):"
                );
            }
            let mut value = String::new();
            std::io::stdin()
                .read_to_string(&mut value)
                .context("could not read the value from standard input")?;
            let value = value.trim_end_matches(['\n', '\r']);
            client
                .send(
                    "PUT",
                    &format!("/secrets/{}", quoted(&name)),
                    Some(&json!({ "value": value })),
                )
                .await?;
            let running = if client.is_here() {
                ""
            } else {
                "; a running server takes it at its next start"
            };
            output.answer(&json!({ "stored": name }), || {
                format!("{name} is stored, encrypted{running}")
            });
        }
        Secrets::Remove { name } => {
            client
                .send("DELETE", &format!("/secrets/{}", quoted(&name)), None)
                .await?;
            output.answer(&json!({ "removed": name }), || format!("{name} is forgotten"));
        }
    }
    Ok(Exit::Ok)
}
