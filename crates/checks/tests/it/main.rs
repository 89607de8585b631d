//! Schemas and files of values, as tables of what goes in and what is said.
#![allow(clippy::unwrap_used, reason = "tests")]

mod csv;
mod schemas;
