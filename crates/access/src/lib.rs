//! Who may do what: the one-time set-up link, the administrator, sessions, API tokens, and secrets that are encrypted at
//! rest. Everything is kept as small documents of the store; nothing that opens a door is kept in the clear.
//!
//! Read first: [`Access`] (what the doors ask), [`permissions::ENDPOINTS`] (one line an endpoint) and [`Secrets`] (values
//! that are never shown again).

mod access;
mod attempts;
mod data_key;
mod password;
pub mod permissions;
mod secrets;
mod token;

pub use access::{Access, Identity, MadeToken, TokenRow};
pub use data_key::DataKey;
pub use secrets::Secrets;
