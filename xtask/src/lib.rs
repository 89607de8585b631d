//! The house keeper: checks what a compiler does not (walls between crates, file sizes, licences, links),
//! scaffolds new components and regenerates what is derived from the code.
//!
//! Read first: [`workspace::Workspace`] (what the checks look at), [`tidy::CHECKS`] (the list of checks) and
//! [`report::Report`] (how every measuring subcommand ends).

pub mod bench;
pub mod ci;
pub mod documents;
pub mod generate;
pub mod harness;
pub mod kill_test;
pub mod new;
pub mod report;
pub mod scenarios;
pub mod simulate;
pub mod tidy;
pub mod workspace;
