//! The engine with the real store, real steps and scripted systems on both ends.

#![expect(clippy::unwrap_used, reason = "tests")]

mod accept;
mod actions;
mod again;
mod call;
mod clock;
mod collect;
mod delivery;
mod dependencies;
mod failures;
mod gate;
mod kept;
mod operations;
mod pause;
mod reading;
mod reply;
mod runs;
mod schedule;
mod split;
mod systems;
mod world;
