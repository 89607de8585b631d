//! Cases as data under `cases/`, and what needs more than one evaluation.
#![allow(clippy::unwrap_used, reason = "tests")]

mod compiling;
mod expressions;
mod flagship;
mod functions;
mod numbers;
mod project;
mod references;
mod suite;
mod templates;
