//! The connector runtime: turns a manifest (`connector.yaml`) into connections that read, look up and write, and the HTTP
//! transport behind them.
//!
//! Read first: [`load`] (a folder becomes a connector), [`http::Client`] (the transport) and, inside, `write.rs` (how
//! natural keys become differences on the wire).

mod errors;
mod follow_up;
pub mod http;
mod ids;
mod limits;
mod load;
mod lookup;
mod manifest;
mod operation;
mod paginate;
mod read;
mod request;
mod runtime;
mod send;
mod session;
mod shape;
mod shipped;
mod template;
mod write;

pub use load::{Loaded, Source, load, manifest_schema};
pub use shipped::shipped;
