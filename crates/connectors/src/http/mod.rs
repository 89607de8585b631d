//! The HTTP transport.

mod client;

pub use client::Client;
