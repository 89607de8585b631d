//! Checks of data: entities against JSON Schema, and files of comma separated values; codecs for what is written down in
//! some way within entities.
//!
//! Read first: [`JsonSchema`] (compiles schemas), `violation.rs` (turns what the validator finds into sentences) and
//! [`csv::read`] (lookup files).

pub mod codecs;
pub mod csv;
mod schema;
mod violation;

pub use schema::{JsonSchema, Resolve};
