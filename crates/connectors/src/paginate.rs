//! Ways through a list of pages. Every one guards against going round in circles.

use serde_json::{Value, json};
use weir_model::{Error, Finding, Kind};

use crate::manifest::types::{self, PaginateKind, Stop};
use crate::template::{Compiler, Formula};

/// Rows of a page unless the manifest says otherwise.
const SIZE: u64 = 100;

pub(crate) struct Paginate {
    kind: Option<PaginateKind>,
    pub(crate) size: u64,
    first: u64,
    next: Option<Formula>,
    stop: Stop,
}

impl Paginate {
    pub(crate) fn compile(
        paginate: Option<&types::Paginate>,
        compiler: &Compiler<'_>,
    ) -> Result<Paginate, Finding> {
        let Some(paginate) = paginate else {
            return Ok(Paginate {
                kind: None,
                size: SIZE,
                first: 1,
                next: None,
                stop: Stop::ShortPage,
            });
        };
        let needs_next = matches!(paginate.kind, PaginateKind::NextLink | PaginateKind::Cursor);
        if needs_next && paginate.next.is_none() {
            let message = "this kind of paginate needs `next`: JSONata that gives the next address or cursor";
            return Err(Finding::error(
                "missing-key",
                compiler.file,
                compiler.line,
                compiler.column,
                message,
            ));
        }
        Ok(Paginate {
            kind: Some(paginate.kind),
            size: paginate.size.unwrap_or(SIZE),
            first: paginate.first.unwrap_or(1),
            next: paginate
                .next
                .as_deref()
                .map(|text| compiler.expression(text))
                .transpose()?,
            stop: paginate.stop.unwrap_or(Stop::ShortPage),
        })
    }

    /// `page` as expressions see it, for a position; `None` is the first page.
    pub(crate) fn page(&self, position: Option<&Value>) -> Value {
        let number = |otherwise: u64| position.and_then(Value::as_u64).unwrap_or(otherwise);
        match self.kind {
            Some(PaginateKind::Offset) => json!({ "size": self.size, "offset": number(0) }),
            Some(PaginateKind::Page) => json!({ "size": self.size, "number": number(self.first) }),
            Some(PaginateKind::Cursor) => {
                json!({ "size": self.size, "cursor": position.cloned().unwrap_or(Value::Null) })
            }
            _ => json!({ "size": self.size, "offset": 0, "number": self.first }),
        }
    }

    /// The address that is asked instead of the manifest's, where the last answer gave one.
    pub(crate) fn address<'a>(&self, position: Option<&'a Value>) -> Option<&'a str> {
        match self.kind {
            Some(PaginateKind::NextLink | PaginateKind::LinkHeader) => position.and_then(Value::as_str),
            _ => None,
        }
    }

    /// The position after this page; `None` at the end. `input` holds `status`, `headers`, `body`.
    pub(crate) fn next(
        &self,
        position: Option<&Value>,
        rows: usize,
        input: &Value,
    ) -> Result<Option<Value>, Error> {
        let full = match self.stop {
            Stop::ShortPage => rows as u64 >= self.size,
            Stop::EmptyPage => rows > 0,
        };
        let next = match self.kind {
            None => None,
            Some(PaginateKind::Offset) => {
                full.then(|| json!(position.and_then(Value::as_u64).unwrap_or(0) + rows as u64))
            }
            Some(PaginateKind::Page) => {
                full.then(|| json!(position.and_then(Value::as_u64).unwrap_or(self.first) + 1))
            }
            Some(PaginateKind::Cursor | PaginateKind::NextLink) => match &self.next {
                Some(next) => next
                    .evaluate(input)?
                    .filter(|value| !value.is_null() && value != ""),
                None => None,
            },
            Some(PaginateKind::LinkHeader) => input["headers"]["link"]
                .as_str()
                .and_then(next_link)
                .map(|link| json!(link)),
        };
        if next.is_some() && next.as_ref() == position {
            let message = "the next page is the same as this one: the list goes round in a circle";
            return Err(
                Error::new(Kind::Configuration, message).with("page", position.unwrap_or(&Value::Null))
            );
        }
        Ok(next)
    }
}

/// `<https://…?page=2>; rel="next", <…>; rel="last"` (RFC 8288).
fn next_link(header: &str) -> Option<String> {
    header.split(',').find_map(|part| {
        let (address, parameters) = part.split_once(';')?;
        let is_next = parameters
            .split(';')
            .any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
        is_next.then(|| address.trim().trim_matches(['<', '>']).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_is_found_among_others() {
        let header = r#"<https://a/x?page=1>; rel="prev", <https://a/x?page=3>; rel="next""#;
        assert_eq!(next_link(header).as_deref(), Some("https://a/x?page=3"));
        assert_eq!(next_link(r#"<https://a/x>; rel="last""#), None);
    }

    #[test]
    fn a_short_page_is_the_last_one() {
        let offset = Paginate {
            kind: Some(PaginateKind::Offset),
            size: 2,
            first: 1,
            next: None,
            stop: Stop::ShortPage,
        };
        let input = json!({});
        assert_eq!(offset.next(None, 2, &input).unwrap_or(None), Some(json!(2)));
        assert_eq!(
            offset.next(Some(&json!(2)), 1, &input).unwrap_or(Some(json!(0))),
            None
        );
    }
}
