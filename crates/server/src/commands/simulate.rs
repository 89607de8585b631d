//! `weir simulate akeneo|spryker`: a stand-in by hand. Its first line says where it listens.

use anyhow::Context as _;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use weir_simulators::{Running, akeneo, spryker};

use crate::cli::{Simulate, System};
use crate::exit::Exit;
use crate::output::Output;

pub(crate) async fn run(options: &Simulate, output: Output) -> anyhow::Result<Exit> {
    let (name, running) = match options.system {
        System::Akeneo => ("akeneo", start_akeneo(options).await),
        System::Spryker => ("spryker", start_spryker(options).await),
    };
    let running = running.with_context(|| {
        format!(
            "could not start the {name} simulator on port {}: choose another with --port",
            options.port
        )
    })?;
    let url = running.url();
    output.answer(&json!({ "simulator": name, "url": url }), || {
        let keys = match options.system {
            System::Akeneo => "client weir_client / weir_secret, user weir / weir_password",
            System::Spryker => "API key weir-api-key, or user admin@weir.example / change123",
        };
        format!(
            "{name} listens on {url} ({keys})\n\
             control: {url}/_simulator/report, faults, keys, change, reset\n\
             Ctrl-C ends it"
        )
    });
    if options.until_eof {
        tokio::select! {
            () = end_of_input() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    } else {
        tokio::signal::ctrl_c()
            .await
            .context("could not wait for Ctrl-C")?;
    }
    running.stop().await;
    Ok(Exit::Ok)
}

async fn start_akeneo(options: &Simulate) -> anyhow::Result<Running> {
    let mut chosen = akeneo::Options {
        port: options.port,
        seed: options.seed,
        ..akeneo::Options::default()
    };
    chosen.catalogue.categories = options.categories;
    chosen.catalogue.attributes = options.attributes;
    chosen.catalogue.products = options.products;
    chosen.catalogue.seed = options.seed;
    Ok(akeneo::start(chosen).await?)
}

async fn start_spryker(options: &Simulate) -> anyhow::Result<Running> {
    let mut chosen = spryker::Options {
        port: options.port,
        seed: options.seed,
        ..spryker::Options::default()
    };
    chosen.profile = match options.profile.as_str() {
        "doc2024" => spryker::Profile::Doc2024,
        "code2026" => spryker::Profile::Code2026,
        other => anyhow::bail!("`{other}` is no profile: doc2024, code2026"),
    };
    chosen.inactive.clone_from(&options.inactive);
    Ok(spryker::start(chosen).await?)
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut buffer = [0; 256];
    while input.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}
