//! `weir serve`: the engine, the API over TCP and over the socket of the data folder, until it is told to stop.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::json;
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use weir_api::{Api, Door, Gate};

use crate::cli::Serve;
use crate::exit::Exit;
use crate::output::Output;
use crate::place::Places;
use crate::runtime::{self, Start};

pub(crate) async fn run(places: &Places, options: &Serve, output: Output) -> anyhow::Result<Exit> {
    // The port first: while the engine starts, who sends here is told to come back.
    let entrance = Entrance::open(&options.listen).await?;
    let running = runtime::start(places, Start::Serving, output).await?;
    let doors = entrance.doors(&running.api, &places.socket()).await?;
    output.answer(&json!({ "url": doors.url, "setup": doors.setup }), || {
        doors.words()
    });
    stopped().await?;
    output.say("stopping: sources end at their page, tasks under way are finished");
    doors.shut();
    running.stop().await;
    doors.close().await;
    Ok(Exit::Ok)
}

/// A port that is open before there is anything behind it.
pub(crate) struct Entrance {
    url: String,
    gate: Gate,
    close: watch::Sender<bool>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Entrance {
    /// Listens on an address. Port 0 lets the system choose.
    pub(crate) async fn open(listen: &str) -> anyhow::Result<Entrance> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("could not listen on {listen}: name another address with --listen"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let gate = Gate::new(Door::Network);
        let (close, closed) = watch::channel(false);
        let network = axum::serve(listener, gate.router()).with_graceful_shutdown(until(closed));
        let task = tokio::spawn(std::future::IntoFuture::into_future(network));
        Ok(Entrance {
            url,
            gate,
            close,
            task,
        })
    }

    /// What was started comes to the door; who sits at this machine finds it by a socket.
    pub(crate) async fn doors(self, api: &Arc<Api>, socket: &Path) -> anyhow::Result<Doors> {
        let Entrance {
            url,
            gate,
            close,
            task,
        } = self;
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
        let trusted_gate = Gate::new(Door::Socket);
        let trusted =
            axum::serve(local, trusted_gate.router()).with_graceful_shutdown(until(close.subscribe()));
        let tasks = vec![task, tokio::spawn(std::future::IntoFuture::into_future(trusted))];
        let gates = [gate, trusted_gate];
        gates.iter().for_each(|gate| gate.open(api.clone()));
        Ok(Doors {
            url,
            setup,
            gates,
            close,
            tasks,
            socket: socket.to_owned(),
        })
    }
}

async fn until(mut closed: watch::Receiver<bool>) {
    let _ = closed.wait_for(|closed| *closed).await;
}

/// The listening doors of a process.
pub(crate) struct Doors {
    pub(crate) url: String,
    /// The one-time link, while there is no administrator.
    pub(crate) setup: Option<String>,
    gates: [Gate; 2],
    close: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<std::io::Result<()>>>,
    socket: std::path::PathBuf,
}

impl Doors {
    /// Tells everybody who comes from now on to come back later.
    pub(crate) fn shut(&self) {
        self.gates.iter().for_each(Gate::shut);
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
