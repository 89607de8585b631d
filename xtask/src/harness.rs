//! What the proofs stand on: both simulators and `weir serve` as children of this process, talked to as a person or
//! a program from outside would. Every child ends with the value that holds it; every wait has a limit.

mod child;
mod dice;
mod http;
mod process;
mod program;
mod server;
mod simulator;
mod verdict;
mod world;

pub use dice::Dice;
pub use http::{Answer, Connection, ask};
pub use program::Program;
pub use server::Server;
pub use simulator::Simulator;
pub use verdict::{KINDS, Verdict};
pub use world::{Outcome, Size, World, copy, replace};
