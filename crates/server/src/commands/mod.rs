//! What each command does, one file each.

pub(crate) mod attempt;
pub(crate) mod bulk;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod init;
pub(crate) mod links;
pub(crate) mod openapi;
pub(crate) mod operations;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod simulate;
pub(crate) mod tasks;
pub(crate) mod templates;
pub(crate) mod test;
pub(crate) mod tokens;
