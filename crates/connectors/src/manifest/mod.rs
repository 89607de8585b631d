//! `connector.yaml`: read strictly, then compiled so that nothing is parsed while records pass.

mod compile;
pub(crate) mod types;

pub(crate) use compile::{ChildPlan, EntityPlan, ReadPlan, ReferencePlan, WriteMode, WritePlan, compile};
