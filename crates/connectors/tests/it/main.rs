//! Shipped connectors against the simulators, in both version profiles where they differ.

#![expect(clippy::unwrap_used, reason = "tests")]

mod akeneo;
mod backend;
mod manifests;
mod operations;
mod spryker;
mod stage;
