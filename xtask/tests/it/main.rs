//! The house stands, and each rule of tidy goes red where it should.

mod documents;
mod house;
mod report;
mod rules;
mod scaffold;
mod simulate;
