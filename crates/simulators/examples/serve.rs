//! Starts one simulator by hand, until Ctrl-C:
//! `cargo run -p weir-simulators --example serve -- spryker --port 8081 [--profile doc2024]`
//! `cargo run -p weir-simulators --example serve -- akeneo --port 8082 [--products 5000]`.

use std::error::Error;

use weir_simulators::{akeneo, spryker};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let system = words.next().unwrap_or_default();
    let (mut shop, mut pim) = (spryker::Options::default(), akeneo::Options::default());
    (shop.port, pim.port) = (8081, 8082);
    while let Some(name) = words.next() {
        let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--port" => {
                shop.port = value.parse()?;
                pim.port = shop.port;
            }
            "--seed" => {
                shop.seed = value.parse()?;
                pim.seed = shop.seed;
            }
            "--profile" => shop.profile = serde_json::from_value(value.into())?,
            "--products" => pim.catalogue.products = value.parse()?,
            "--categories" => pim.catalogue.categories = value.parse()?,
            "--attributes" => pim.catalogue.attributes = value.parse()?,
            other => return Err(format!("there is no option {other}").into()),
        }
    }
    let running = match system.as_str() {
        "spryker" => spryker::start(shop).await?,
        "akeneo" => akeneo::start(pim).await?,
        other => return Err(format!("`{other}` is no simulator: spryker, akeneo").into()),
    };
    println!("{system} listens on {}", running.url());
    tokio::signal::ctrl_c().await?;
    running.stop().await;
    Ok(())
}
