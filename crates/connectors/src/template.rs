//! Values of a manifest with expressions in their strings, compiled once.

use std::sync::Arc;

use serde_json::{Map, Value};
use weir_model::{Error, Finding, Kind};
use weir_sdk::expressions::{Expression, Expressions, NoReferences, Scope, Snippet};

/// A value whose strings may hold `{{ … }}`.
#[derive(Clone)]
pub(crate) enum Template {
    Literal(Value),
    Text(Arc<dyn Expression>, String),
    List(Vec<Template>),
    Fields(Vec<(String, Template)>),
}

/// Compiles pieces of one manifest.
pub(crate) struct Compiler<'a> {
    pub(crate) file: &'a str,
    pub(crate) expressions: &'a dyn Expressions,
    /// Line and column where the part stands.
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Compiler<'_> {
    fn snippet(&self, text: &str) -> Snippet {
        Snippet {
            file: self.file.to_owned(),
            line: self.line,
            column: self.column,
            text: text.to_owned(),
        }
    }

    pub(crate) fn template(&self, value: &Value) -> Result<Template, Finding> {
        match value {
            Value::String(text) if text.contains("{{") => Ok(Template::Text(
                self.expressions.template(&self.snippet(text))?,
                text.clone(),
            )),
            Value::Array(items) => Ok(Template::List(
                items.iter().map(|v| self.template(v)).collect::<Result<_, _>>()?,
            )),
            Value::Object(fields) => Ok(Template::Fields(
                fields
                    .iter()
                    .map(|(name, v)| Ok((name.clone(), self.template(v)?)))
                    .collect::<Result<_, Finding>>()?,
            )),
            other => Ok(Template::Literal(other.clone())),
        }
    }

    pub(crate) fn text(&self, text: &str) -> Result<Template, Finding> {
        self.template(&Value::String(text.to_owned()))
    }

    pub(crate) fn expression(&self, text: &str) -> Result<Formula, Finding> {
        Ok(Formula {
            expression: self.expressions.expression(&self.snippet(text))?,
            text: text.to_owned(),
        })
    }
}

impl Template {
    /// `null` stays; an expression that gives nothing is an error that names it.
    pub(crate) fn evaluate(&self, input: &Value) -> Result<Value, Error> {
        match self {
            Template::Literal(value) => Ok(value.clone()),
            Template::Text(expression, text) => evaluate(expression.as_ref(), input)?.ok_or_else(|| {
                Error::new(
                    Kind::Configuration,
                    format!("`{text}` of the manifest gives nothing; give it a default"),
                )
            }),
            Template::List(items) => items
                .iter()
                .map(|item| item.evaluate(input))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Template::Fields(fields) => {
                let mut object = Map::new();
                for (name, field) in fields {
                    object.insert(name.clone(), field.evaluate(input)?);
                }
                Ok(Value::Object(object))
            }
        }
    }

    /// As text for a header, a path or a query; `None` for `null`, which is left out.
    pub(crate) fn text(&self, input: &Value) -> Result<Option<String>, Error> {
        Ok(match self.evaluate(input)? {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        })
    }
}

/// An expression of a manifest.
#[derive(Clone)]
pub(crate) struct Formula {
    expression: Arc<dyn Expression>,
    pub(crate) text: String,
}

impl Formula {
    pub(crate) fn evaluate(&self, input: &Value) -> Result<Option<Value>, Error> {
        evaluate(self.expression.as_ref(), input)
    }

    pub(crate) fn is_true(&self, input: &Value) -> Result<bool, Error> {
        Ok(self.evaluate(input)? == Some(Value::Bool(true)))
    }

    /// The result as a list: nothing is the empty one, one value a list of one.
    pub(crate) fn list(&self, input: &Value) -> Result<Vec<Value>, Error> {
        Ok(match self.evaluate(input)? {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(one) => vec![one],
        })
    }
}

fn evaluate(expression: &dyn Expression, input: &Value) -> Result<Option<Value>, Error> {
    let scope = Scope {
        bindings: &[],
        references: &NoReferences,
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    expression.evaluate(input, &scope)
}
