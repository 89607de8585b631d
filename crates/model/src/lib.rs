//! The ground of the house: plain data and pure decisions. No IO, no async, no clock, no randomness; whoever calls
//! brings the time and the dice.
//!
//! Read first: [`Error`] (the one error that crosses crates), [`task::State`] with [`task::next`] (what may happen to a
//! task) and [`config::Route`] (what a user writes).

pub mod base;
pub mod config;
pub mod cron;
pub mod cursor;
pub mod dependency;
mod error;
mod finding;
mod ids;
pub mod json;
pub mod operation;
pub mod order;
pub mod reasons;
pub mod retry;
pub mod runs;
pub mod schedule;
pub mod task;

pub use error::{Error, Kind};
pub use finding::{Finding, Severity, did_you_mean};
pub use ids::{Address, OperationId, RunId, Scope, TaskId};
