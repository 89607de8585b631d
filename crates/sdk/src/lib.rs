//! The stairs: contracts that rooms implement and the engine calls, and what strangers build on. Behaviour here is
//! limited to reading configuration documents and resolving references; everything else is a trait.
//!
//! Read first: [`connector::Connection`] (one system), [`store::Store`] with [`store::Change`] (the truth on disk) and
//! [`step::Step`] (one thing done to entities).

pub mod checker;
pub mod codec;
pub mod connector;
pub mod context;
pub mod document;
pub mod expressions;
pub mod http;
pub mod step;
pub mod store;

mod catalog;

pub use catalog::Catalog;
pub use context::Context;
