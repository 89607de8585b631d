//! What the process is told by its environment. The one file that reads it: everything else is handed what it needs.

use std::path::PathBuf;

/// The project folder, where `--project` names none.
pub(crate) fn project() -> Option<PathBuf> {
    path("WEIR_PROJECT")
}

/// The data folder, where `--data` names none.
pub(crate) fn data() -> Option<PathBuf> {
    path("WEIR_DATA")
}

/// Address of a running server, where `--server` names none.
pub(crate) fn server() -> Option<String> {
    text("WEIR_SERVER")
}

/// API token for that server, where `--token` names none.
pub(crate) fn token() -> Option<String> {
    text("WEIR_TOKEN")
}

/// What is logged, in the words of `tracing` (`info`, `weir_engine=debug`); default `warn`.
pub(crate) fn log() -> Option<String> {
    text("WEIR_LOG")
}

/// Base64 of the data key, instead of the key file in the data folder.
pub(crate) fn data_key() -> Option<String> {
    text("WEIR_DATA_KEY")
}

/// A secret that an environment file fetches from here: `{ env: NAME }`.
pub(crate) fn secret(name: &str) -> Option<String> {
    text(name)
}

fn path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
