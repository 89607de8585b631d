//! The house stands, and each rule of tidy goes red where it should.

mod house;
mod report;
mod rules;
mod scaffold;
