//! The engine: sources make tasks, workers carry them through steps, writes are journalled, dependencies park and wake.
//! It names no connector and no step; it is handed a [`Configuration`](configuration::Configuration) in which everything
//! is ready.
//!
//! It replays under a seed (`cargo xtask simulate`): time, chance and systems come through the context, every `select!` is
//! `biased`, and nothing walks a hash map in its own order.
//!
//! Read first: [`Engine`] (what the doors call), [`configuration::Route`] (what it carries out), and along the main path
//! the files `source.rs`, `dispatch.rs`, `worker.rs`, `pipeline.rs`, `write.rs`.

mod accept;
mod actions;
mod again;
mod answer;
mod breaker;
mod call;
mod carry;
mod collect;
pub mod configuration;
mod correct;
mod dispatch;
mod engine;
mod family;
mod kept;
mod loops;
pub mod operations;
mod order;
mod parking;
pub mod payload;
mod pipeline;
mod plan;
mod references;
mod reply;
mod schedule;
mod services;
mod settling;
mod shared;
mod source;
mod start;
mod state;
mod status;
mod stripes;
pub mod trial;
mod worker;
mod write;

pub use accept::{Accepted, Arrival};
pub use actions::{Action, Deed, Under};
pub use again::{Ask, Range};
pub use answer::Answer;
pub use correct::{Correction, Set};
pub use engine::Engine;
pub use family::{Relations, relations};
pub use reply::{Ended, Replied};
pub use status::{ConnectionStatus, RouteStatus, Status};
pub use trial::Trial;
