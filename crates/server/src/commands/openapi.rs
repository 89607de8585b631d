//! `weir openapi`: what docs/openapi.json is made from.

use crate::exit::Exit;
use crate::output::print;

pub(crate) fn run() -> anyhow::Result<Exit> {
    print(&serde_json::to_string_pretty(&weir_api::openapi())?);
    Ok(Exit::Ok)
}
