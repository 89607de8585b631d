//! The files of a project folder as types. Unknown keys are refused; the doc comments are the user's documentation and
//! go into the published JSON Schemas.

mod connection;
mod lookup;
mod project;
mod quantity;
mod route;
mod shape;
mod webhook;

pub use connection::{Connection, Limits, Network};
pub use lookup::Lookup;
pub use project::{
    Defaults, Environment, Project, Retention, Retry, RouteLimits, SecretSource, Switch, Trace,
};
pub use quantity::{Bytes, Rate, Span};
pub use route::{After, Entity, Link, OnError, Read, Route, Source, Step, WaitsFor, Write, WriteMode};
pub use shape::OneOrMany;
pub use webhook::{Algorithm, Encoding, HeaderIs, Hmac, Reply, Verify, Webhook};
