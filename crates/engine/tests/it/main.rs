//! The engine with the real store, real steps and scripted systems on both ends.

#![expect(clippy::unwrap_used, reason = "tests")]

mod accept;
mod actions;
mod call;
mod collect;
mod delivery;
mod dependencies;
mod failures;
mod kept;
mod pause;
mod reading;
mod split;
mod systems;
mod world;
