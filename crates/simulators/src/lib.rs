//! Stand-ins for the two systems that cannot be run here: a Spryker Data Exchange API (with the two
//! Backend API resources) and an Akeneo PIM REST API. Both are written from stated
//! facts only and know nothing of the connectors, so that a mistake in a connector
//! cannot hide in its own stand-in. Each rule they follow has a number in `RULES.md` and a test.
//!
//! Read first: [`front::System`] (what a simulator is to the server in front of it),
//! [`spryker::Options`] and [`akeneo::Options`] (what can be chosen when one is started).

pub mod akeneo;
pub mod catalogue;
pub mod faults;
pub mod front;
pub(crate) mod random;
pub mod spryker;

pub use front::Running;
