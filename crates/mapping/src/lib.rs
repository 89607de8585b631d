//! Expressions and maps: the language behind [`weir_sdk::expressions`], which is JSONata with functions of our own, maps
//! that call each other and errors that point into the file a person wrote. Inside works `jlens-core`; nothing of it is
//! seen from outside, so that another engine can take its place.
//!
//! Read first: [`Jsonata`] (makes the library of a project), `Program` in `program.rs` (a compiled text and where its
//! parts stand) and [`Function`] (one of our functions with its examples).

mod cases;
mod compose;
mod decimal;
mod digits;
mod functions;
mod library;
mod lint;
mod place;
mod program;
mod reference;
mod session;
mod template;
mod tokens;
mod trace;

pub use cases::{CaseResult, Difference, run_cases};
pub use functions::{Example, Function, all as functions};
pub use library::Jsonata;
pub use lint::lint;
pub use reference::reference;
