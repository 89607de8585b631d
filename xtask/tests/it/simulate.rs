//! The simulation: its store keeps the contract, seeds replay, and the engine keeps what makes them replay.

use std::sync::Arc;

use weir_sdk::store::Store;
use xtask::simulate::{MemoryStore, play};

#[path = "../../../crates/store/tests/it/conformance/mod.rs"]
mod conformance;

/// The suite that SQLite runs.
#[tokio::test]
async fn the_store_in_memory_keeps_the_contract() {
    for (name, case) in conformance::CASES {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        println!("case: {name}");
        case(store).await;
    }
}

#[test]
fn a_seed_replays_exactly_and_others_differ() {
    let of = |seed| {
        let outcome = play(seed, false).unwrap();
        assert_eq!(outcome.wrong, None, "seed {seed}");
        (outcome.events, outcome.hash)
    };
    let first: Vec<_> = (1..=12).map(of).collect();
    let again: Vec<_> = (1..=12).map(of).collect();
    assert_eq!(first, again);
    let hashes: std::collections::BTreeSet<u64> = first.iter().map(|(_, hash)| *hash).collect();
    assert_eq!(hashes.len(), 12);
}

/// `select!` throws dice of its own that no seed reaches.
#[test]
fn every_select_of_the_engine_is_biased() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/engine/src");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for part in text.split("select! {").skip(1) {
            assert!(part.trim_start().starts_with("biased;"), "{}", path.display());
        }
    }
}
