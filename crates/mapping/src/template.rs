//! Text with `{{ JSONata }}` in it.

use std::sync::Arc;

use serde_json::Value;
use weir_model::{Error, Finding, Kind};
use weir_sdk::expressions::{Expression, Expressions, Scope, Snippet};

use crate::place::{finding, part};
use crate::tokens::{Kind as TokenKind, Tokens};

pub(crate) enum Template {
    /// One `{{ … }}` and nothing else: the result keeps its type.
    Value(Arc<dyn Expression>),
    Text(Vec<Piece>),
}

pub(crate) enum Piece {
    Text(String),
    Expression(Snippet, Arc<dyn Expression>),
}

impl Template {
    pub(crate) fn compile(snippet: &Snippet, expressions: &dyn Expressions) -> Result<Template, Finding> {
        let text = &snippet.text;
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{") {
            let open = at + open;
            if open > at {
                pieces.push(Piece::Text(text[at..open].to_owned()));
            }
            let end = end_of_expression(snippet, open)?;
            let inner = part(snippet, open + 2..end);
            if inner.text.trim().is_empty() {
                return Err(finding(
                    snippet,
                    open,
                    "template",
                    "there is no expression between `{{` and `}}`",
                ));
            }
            let compiled = expressions.expression(&inner)?;
            pieces.push(Piece::Expression(inner, compiled));
            at = end + 2;
        }
        if at < text.len() {
            pieces.push(Piece::Text(text[at..].to_owned()));
        }
        Ok(match pieces.as_slice() {
            [Piece::Expression(_, expression)] => Template::Value(expression.clone()),
            _ => Template::Text(pieces),
        })
    }
}

/// Where the `}}` stands that ends the expression begun at `open`.
fn end_of_expression(snippet: &Snippet, open: usize) -> Result<usize, Finding> {
    let text = &snippet.text;
    let mut depth = 0_u32;
    for token in Tokens::new(text, open + 2) {
        let token = token.map_err(|unclosed| {
            let message = format!("a {} begins here and never ends", unclosed.what);
            finding(snippet, unclosed.at, "template", message)
        })?;
        if token.kind != TokenKind::Operator {
            continue;
        }
        match &text[token.range.clone()] {
            "{" => depth += 1,
            "}" if depth > 0 => depth -= 1,
            "}" if text[token.range.end..].starts_with('}') => return Ok(token.range.start),
            "}" => {
                return Err(finding(
                    snippet,
                    token.range.start,
                    "template",
                    "this `}` closes nothing; an expression ends with `}}`",
                ));
            }
            _ => {}
        }
    }
    Err(finding(snippet, open, "template", "the `{{` here has no `}}`"))
}

impl Expression for Template {
    fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Option<Value>, Error> {
        let pieces = match self {
            Template::Value(expression) => return expression.evaluate(input, scope),
            Template::Text(pieces) => pieces,
        };
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(part) => text.push_str(part),
                Piece::Expression(snippet, expression) => match expression.evaluate(input, scope)? {
                    Some(Value::String(part)) => text.push_str(&part),
                    Some(Value::Null) => return Err(missing(snippet, "null")),
                    Some(value) => text.push_str(&value.to_string()),
                    None => return Err(missing(snippet, "missing")),
                },
            }
        }
        Ok(Some(Value::String(text)))
    }

    fn is_plain(&self) -> bool {
        match self {
            Template::Value(expression) => expression.is_plain(),
            Template::Text(pieces) => pieces.iter().all(|piece| match piece {
                Piece::Text(_) => true,
                Piece::Expression(_, expression) => expression.is_plain(),
            }),
        }
    }
}

fn missing(snippet: &Snippet, what: &str) -> Error {
    let place = match snippet.line {
        0 => snippet.file.clone(),
        line => format!("{}:{line}:{}", snippet.file, snippet.column),
    };
    let expression = snippet.text.trim();
    Error::new(
        Kind::Invalid,
        format!("{place}: the value of `{{{{ {expression} }}}}` is {what}, so there is nothing to put into the text"),
    )
    .with("file", &snippet.file)
    .with("line", snippet.line)
    .with("column", snippet.column)
    .with("expression", expression)
}
