//! The conformance tests of the simulators, by the numbers of RULES.md. Everything is asked over
//! HTTP, as a client would ask it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod akeneo_reads;
mod akeneo_writes;
mod catalogue_rules;
mod client;
mod control_rules;
mod fault_rules;
mod rules;
mod spryker_backend;
mod spryker_reads;
mod spryker_writes;
