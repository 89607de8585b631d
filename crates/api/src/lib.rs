//! The doors over HTTP: a REST API under `/api/v1`, a set-up and a sign-in page, a plain status page, health. Closed by
//! default: `guard.rs` lets in what `weir_access::permissions` lists, and nothing else. Webhooks come in at `/hooks`, where
//! each route says itself who may send.
//!
//! Read first: [`Api`] (what is served), [`router`] (one line an endpoint) and [`openapi`] (the description, from the
//! same functions that answer).

mod connections;
mod entities;
mod gate;
mod guard;
mod health;
mod hooks;
mod links;
mod openapi;
mod operations;
mod pages;
mod problem;
mod router;
mod routes;
mod runs;
mod scopes;
mod secrets;
mod signature;
mod state;
mod tasks;
mod tokens;

pub use gate::Gate;
pub use openapi::openapi;
pub use router::{Door, router};
pub use signature::Verify;
pub use state::{Api, Served};
