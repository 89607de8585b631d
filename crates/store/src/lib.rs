//! The embedded store: the contract `weir_sdk::store::Store` on SQLite. One folder holds `main.db` (the truth: live
//! tasks and everything remembered) and `history/` (one file a day and class of finished tasks). One thread writes, in
//! groups; any number of readers look at short snapshots; a third thread carries the write-ahead log into the file.
//!
//! Read first: [`SqliteStore`] (the folder, the threads, the contract), `writer::Writer` (group commit) and
//! `history::DayFile` (what becomes of a finished task).

mod apply;
mod checkpoint;
mod column;
mod counters;
mod failure;
mod folder;
mod health;
mod history;
mod names;
mod read;
mod readers;
mod schema;
mod store;
mod tidy;
mod writer;

pub use store::SqliteStore;
