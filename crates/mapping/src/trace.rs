//! Where in the result an error happened, when the text alone does not say it: in a function that the map calls, the
//! way to the call is what matters. Found by evaluating once more and looking on.

use jlens_core::ast::{Node, NodeId, NodeKind};
use jlens_core::audit::{Outcome, Tracer, ValueRef};

/// Follows an evaluation and keeps the fields that were being made when the first error came up.
#[derive(Default)]
pub(crate) struct FieldTrace {
    open: Vec<Frame>,
    failed: Option<Vec<String>>,
}

#[derive(Default)]
struct Frame {
    /// The field that this node makes.
    field: Option<String>,
    /// The fields that the nodes below make.
    fields: Vec<(NodeId, String)>,
}

impl FieldTrace {
    /// `prices`, `localized.name`
    pub(crate) fn field(self) -> Option<String> {
        self.failed
            .filter(|fields| !fields.is_empty())
            .map(|fields| fields.join("."))
    }
}

impl Tracer for FieldTrace {
    fn enter(&mut self, node: &Node, _: ValueRef<'_>) {
        let mut frame = Frame::default();
        if let Some(above) = self.open.last() {
            let mut fields = above.fields.iter();
            frame.field = fields
                .find(|(id, _)| *id == node.id)
                .map(|(_, name)| name.clone());
        }
        if let NodeKind::Object { pairs } = &node.kind {
            for (key, value) in pairs {
                if let NodeKind::String { value: name } = &key.kind {
                    frame.fields.push((value.id, name.clone()));
                }
            }
        }
        self.open.push(frame);
    }

    fn exit(&mut self, _: &Node, outcome: Outcome<'_>) {
        if matches!(outcome, Outcome::Error(_)) && self.failed.is_none() {
            self.failed = Some(self.open.iter().filter_map(|frame| frame.field.clone()).collect());
        }
        self.open.pop();
    }
}
