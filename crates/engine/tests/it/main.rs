//! The engine with the real store, real steps and scripted systems on both ends.

#![expect(clippy::unwrap_used, reason = "tests")]

mod accept;
mod actions;
mod again;
mod clock;
mod delivery;
mod dependencies;
mod failures;
mod gate;
mod kept;
mod operations;
mod reading;
mod reply;
mod runs;
mod schedule;
mod systems;
mod world;
