//! `weir serve`: the engine, the API over TCP and over the socket of the data folder, until it is told to stop.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use weir_api::{Api, Door, router};

use crate::cli::Serve;
use crate::exit::Exit;
use crate::output::Output;
use crate::place::Places;
use crate::runtime::{self, Start};

pub(crate) async fn run(places: &Places, options: &Serve, output: Output) -> anyhow::Result<Exit> {
    let running = runtime::start(places, Start::Serving, output).await?;
    let doors = Doors::open(&running.api, &options.listen, &places.socket()).await?;
    output.answer(&json!({ "url": doors.url, "setup": doors.setup }), || {
        doors.words()
    });
    stopped().await?;
    output.say("stopping: sources end at their page, tasks under way are finished");
    doors.close().await;
    running.stop().await;
    Ok(Exit::Ok)
}

/// The listening doors of a process.
pub(crate) struct Doors {
    pub(crate) url: String,
    /// The one-time link, while there is no administrator.
    pub(crate) setup: Option<String>,
    close: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<std::io::Result<()>>>,
    socket: std::path::PathBuf,
}

impl Doors {
    /// Listens on an address and on a socket. Port 0 lets the system choose.
    pub(crate) async fn open(api: &Arc<Api>, listen: &str, socket: &Path) -> anyhow::Result<Doors> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("could not listen on {listen}: name another address with --listen"))?;
        let url = format!("http://{}", listener.local_addr()?);
        // The store's lock says that no other process of ours uses this folder, so a socket there is a left-over.
        let _ = std::fs::remove_file(socket);
        let local = UnixListener::bind(socket).with_context(|| {
            format!(
                "could not make the socket {}: is its path too long?",
                socket.display()
            )
        })?;
        std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o600))?;
        let setup = api
            .access
            .setup_token()
            .await?
            .map(|token| format!("{url}/setup?token={token}"));
        let (close, closed) = watch::channel(false);
        let until = |mut closed: watch::Receiver<bool>| async move {
            let _ = closed.wait_for(|closed| *closed).await;
        };
        let network = axum::serve(listener, router(api.clone(), Door::Network))
            .with_graceful_shutdown(until(closed.clone()));
        let trusted =
            axum::serve(local, router(api.clone(), Door::Socket)).with_graceful_shutdown(until(closed));
        let tasks = vec![
            tokio::spawn(std::future::IntoFuture::into_future(network)),
            tokio::spawn(std::future::IntoFuture::into_future(trusted)),
        ];
        Ok(Doors {
            url,
            setup,
            close,
            tasks,
            socket: socket.to_owned(),
        })
    }

    pub(crate) fn words(&self) -> String {
        match &self.setup {
            Some(link) => format!(
                "{} · set up the administrator with this link, once: {link}",
                self.url
            ),
            None => format!("{} · sign in at {}/sign-in", self.url, self.url),
        }
    }

    pub(crate) async fn close(self) {
        let _ = self.close.send(true);
        for task in self.tasks {
            // A browser may hold its connection open for ever.
            let _ = tokio::time::timeout(std::time::Duration::from_secs(2), task).await;
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Ctrl-C, or the signal that service managers send.
pub(crate) async fn stopped() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not wait for signals")?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.context("could not wait for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
