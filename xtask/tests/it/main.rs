//! The house stands, and each rule of tidy goes red where it should.
#![expect(clippy::unwrap_used, reason = "tests")]

mod documents;
mod house;
mod report;
mod rules;
mod scaffold;
mod simulate;
