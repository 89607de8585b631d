//! The kinds of steps. Each is a folder with its parameters (their doc comments are the user's documentation), its
//! behaviour and its cases, and a line in `all.rs`; maps, checks and connectors are reached through contracts only.
//!
//! Read first: [`all`] (the list), [`weir_sdk::step::Step`] (the contract) and the folder `filter` (the shortest kind).

mod all;
mod branch;
mod call;
mod collect;
mod convert;
mod dedupe;
mod each;
mod elements;
mod fail;
mod filter;
mod keep;
mod link;
mod log;
mod lookup;
mod map;
mod missing;
mod parameters;
mod pause;
mod remove;
mod rename;
mod script;
mod set;
mod skip;
mod sort;
mod split;
mod unchanged;
mod validate;
mod write;

pub use all::all;
