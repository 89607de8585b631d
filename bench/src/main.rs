//! Everything beside Weir that `cargo xtask bench tasks` needs, in one cheap process each: the systems at both ends with
//! the load generator, the bare forwarder that Weir is compared with, and the disk's own ceiling.
//!
//! A program of its own, so that it is built as Weir is built and its processor time is told apart.

mod disk;
mod far;
mod forward;
mod load;
mod order;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "What `cargo xtask bench tasks` measures Weir against")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A system with orders to read, a sink that counts what arrives, and a load generator, all over HTTP.
    Far {
        /// Orders that exist: at the source, and at most at the sink.
        #[arg(long)]
        orders: usize,
    },
    /// Hands each posted body on and then answers; stores nothing.
    Forward {
        /// Where to.
        #[arg(long)]
        to: String,
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
    },
    /// Appends a block and syncs it, one after the other.
    Disk {
        /// On this folder's disk.
        #[arg(long)]
        folder: PathBuf,
        #[arg(long, default_value_t = 400)]
        writes: u32,
    },
}

fn main() -> anyhow::Result<()> {
    let command = Arguments::parse().command;
    if let Command::Disk { folder, writes } = command {
        return disk::run(&folder, writes);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match command {
        Command::Far { orders } => runtime.block_on(far::run(orders)),
        Command::Forward { to, listen } => runtime.block_on(forward::run(to, listen)),
        Command::Disk { .. } => Ok(()),
    }
}
