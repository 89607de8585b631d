//! Weir's own functions. Each is one entry of a table: what it is called, what it promises, examples (which are its
//! tests and its reference page) and the code.

mod lists;
mod money;
mod references;
mod text;
mod time;
mod values;

use jlens_core::{Callable, HostCall};
use serde_json::Value;

use crate::session::Session;

/// One of Weir's own functions.
pub struct Function {
    /// Without the `$`.
    pub name: &'static str,
    /// How it is called: `$money(amount, currency)`; what stands in brackets may be left out.
    pub signature: &'static str,
    /// What it gives, in a sentence or two.
    pub summary: &'static str,
    /// Fewest and most arguments.
    pub(crate) arguments: (usize, usize),
    /// Tests and documentation at once.
    pub examples: &'static [Example],
    pub(crate) body: fn(&Call<'_>) -> Result<Option<Value>, Fault>,
}

impl Function {
    /// What to say about a call with so many arguments, if anything.
    pub(crate) fn wrong_count(&self, count: usize) -> Option<String> {
        let (fewest, most) = self.arguments;
        (count < fewest || count > most).then(|| {
            format!(
                "`${}` is called as `{}`, not with {count} arguments",
                self.name, self.signature
            )
        })
    }
}

/// An expression and what it gives, as JSON; `nothing` for a missing value, `error: …` for a part of the message.
pub struct Example {
    pub expression: &'static str,
    pub gives: &'static str,
}

pub(crate) const fn example(expression: &'static str, gives: &'static str) -> Example {
    Example { expression, gives }
}

/// All of them, by subject.
pub fn all() -> impl Iterator<Item = (&'static str, &'static Function)> {
    let groups: [(&str, &[Function]); 6] = [
        ("References", references::FUNCTIONS),
        ("Numbers and money", money::FUNCTIONS),
        ("Time", time::FUNCTIONS),
        ("Text", text::FUNCTIONS),
        ("Values", values::FUNCTIONS),
        ("Lists and objects", lists::FUNCTIONS),
    ];
    groups
        .into_iter()
        .flat_map(|(group, functions)| functions.iter().map(move |function| (group, function)))
}

/// Why a function gives up.
pub(crate) enum Fault {
    /// The rest of a sentence that begins with the function's name, and the value it is about.
    Says(String, Option<Value>),
    /// A whole sentence by the author of the map.
    Own(String),
    /// An error within a function that was passed as an argument.
    Inner(jlens_core::Error),
}

impl From<jlens_core::Error> for Fault {
    fn from(error: jlens_core::Error) -> Self {
        Fault::Inner(error)
    }
}

pub(crate) fn says(message: impl Into<String>, value: &Value) -> Fault {
    Fault::Says(message.into(), Some(value.clone()))
}

/// One call: its arguments and what the evaluation knows.
pub(crate) struct Call<'a> {
    pub(crate) arguments: Vec<Option<Value>>,
    pub(crate) host: &'a HostCall<'a>,
    pub(crate) session: &'a Session<'a>,
}

impl Call<'_> {
    pub(crate) fn get(&self, index: usize) -> Option<&Value> {
        self.arguments.get(index)?.as_ref()
    }

    /// The argument unless it is missing or null.
    pub(crate) fn present(&self, index: usize) -> Option<&Value> {
        self.get(index).filter(|value| !value.is_null())
    }

    pub(crate) fn function(&self, index: usize) -> Option<Callable<'_>> {
        self.host.function(index)
    }

    /// A text; `what` names the argument in the error.
    pub(crate) fn text(&self, index: usize, what: &str) -> Result<Option<&str>, Fault> {
        match self.present(index) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(says(
                format!("needs a text as {what}, not {}", kind_of(other)),
                other,
            )),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&self, index: usize, what: &str) -> Result<&str, Fault> {
        self.text(index, what)?
            .ok_or_else(|| Fault::Says(format!("needs a text as {what}; it is missing"), None))
    }
}

/// A list as it is, anything else as a list of one, as everywhere in JSONata.
pub(crate) fn rows(value: &Value) -> &[Value] {
    match value {
        Value::Array(items) => items,
        other => std::slice::from_ref(other),
    }
}

/// "the text \"abc\"", "the number 5", "a list", short enough for a sentence.
pub(crate) fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() > 60 => {
            format!("the text \"{}…\"", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}
