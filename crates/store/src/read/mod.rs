//! Questions to `main.db`, a file a subject. Each function sees one snapshot.

pub(crate) mod memory;
pub(crate) mod run;
pub(crate) mod search;
pub(crate) mod task;
