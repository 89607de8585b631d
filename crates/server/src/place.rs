//! Where the project and its data are: from the command line, then the environment, then the usual places.

use std::path::{Path, PathBuf};

use crate::cli::Place;
use crate::config;

/// The folders and addresses that a command works with.
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) project: PathBuf,
    pub(crate) environment: Option<String>,
    pub(crate) data: PathBuf,
    /// The data folder was named, not guessed.
    pub(crate) data_named: bool,
    pub(crate) server: Option<String>,
    pub(crate) token: Option<String>,
}

impl Places {
    pub(crate) fn of(place: &Place) -> Places {
        let project = place
            .project
            .clone()
            .or_else(config::project)
            .unwrap_or_else(|| PathBuf::from("."));
        let named = place.data.clone().or_else(config::data);
        let data_named = named.is_some();
        let data = named.unwrap_or_else(|| project.join(".weir"));
        Places {
            project,
            environment: place.env.clone(),
            data,
            data_named,
            server: place.server.clone().or_else(config::server),
            token: place.token.clone().or_else(config::token),
        }
    }

    /// The socket of the server that uses the data folder.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.data)
    }
}

/// The socket in a data folder.
pub(crate) fn socket(data: &Path) -> PathBuf {
    data.join("weir.sock")
}
