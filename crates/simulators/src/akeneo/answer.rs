//! Answers of the PIM: errors, HAL pages, links.

use serde_json::{Value, json};

use crate::front::{Incoming, Reply};

/// Most items of a page.
pub(super) const LIMIT_MAX: usize = 100;

/// Most products that can be reached by page numbers.
pub(super) const PAGED_MAX: usize = 10_000;

/// `{"code", "message"}`.
pub(super) fn error(status: u16, message: &str) -> Reply {
    Reply::value(status, &json!({ "code": status, "message": message }))
}

pub(super) fn unprocessable(message: &str) -> Reply {
    error(422, message)
}

pub(super) fn not_found(what: &str, code: &str) -> Reply {
    error(404, &format!("{what} '{code}' does not exist."))
}

/// The origin that links begin with: the one the client used.
pub(super) fn origin(request: &Incoming) -> String {
    format!("http://{}", request.header("host").unwrap_or("localhost"))
}

/// The paging part of a query string.
#[derive(Debug)]
pub(super) struct Paging {
    pub(super) limit: usize,
    pub(super) page: usize,
    pub(super) with_count: bool,
    pub(super) by_key: bool,
    pub(super) after: Option<String>,
}

fn get<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs
        .iter()
        .find(|(have, _)| have == name)
        .map(|(_, value)| value.as_str())
}

impl Paging {
    /// Only some lists can be paged by key.
    pub(super) fn of(pairs: &[(String, String)], by_key_allowed: bool) -> Result<Self, Reply> {
        let number = |name: &str, default: usize| match get(pairs, name) {
            None => Ok(default),
            Some(text) => text
                .parse::<usize>()
                .ok()
                .filter(|number| *number > 0)
                .ok_or_else(|| unprocessable(&format!("\"{text}\" is not a valid {name} number."))),
        };
        let limit = number("limit", 10)?;
        if limit > LIMIT_MAX {
            return Err(unprocessable(&format!(
                "You cannot request more than {LIMIT_MAX} items."
            )));
        }
        let by_key = get(pairs, "pagination_type") == Some("search_after");
        if by_key && !by_key_allowed {
            return Err(unprocessable("This list can be paged by page numbers only."));
        }
        Ok(Self {
            limit,
            page: number("page", 1)?,
            with_count: get(pairs, "with_count") == Some("true"),
            by_key,
            after: get(pairs, "search_after").map(str::to_owned),
        })
    }
}

/// Writes a page around items that are already JSON.
pub(super) struct Page<'a> {
    pub(super) request: &'a Incoming,
    pub(super) paging: &'a Paging,
    pub(super) items: Vec<u8>,
    /// Whether another page follows.
    pub(super) more: bool,
    /// The key of the last item, for pages by key.
    pub(super) last: Option<String>,
    pub(super) total: Option<usize>,
}

impl Page<'_> {
    pub(super) fn reply(self) -> Reply {
        let link = |changes: &[(&str, Option<String>)]| self.link(changes);
        let mut links = json!({});
        let paging = self.paging;
        if paging.by_key {
            links["self"] = link(&[("search_after", paging.after.clone())]);
            links["first"] = link(&[("search_after", None)]);
            if self.more {
                links["next"] = link(&[("search_after", self.last.clone())]);
            }
        } else {
            let page = |number: usize| link(&[("page", Some(number.to_string()))]);
            links["self"] = page(paging.page);
            links["first"] = page(1);
            if paging.page > 1 {
                links["previous"] = page(paging.page - 1);
            }
            if self.more {
                links["next"] = page(paging.page + 1);
            }
        }
        let mut body = Vec::with_capacity(self.items.len() + 512);
        body.extend_from_slice(b"{\"_links\":");
        body.extend_from_slice(links.to_string().as_bytes());
        if !paging.by_key {
            body.extend_from_slice(format!(",\"current_page\":{}", paging.page).as_bytes());
            if let Some(total) = self.total.filter(|_| paging.with_count) {
                body.extend_from_slice(format!(",\"items_count\":{total}").as_bytes());
            }
        }
        body.extend_from_slice(b",\"_embedded\":{\"items\":[");
        body.extend_from_slice(&self.items);
        body.extend_from_slice(b"]}}");
        Reply::json(200, body)
    }

    /// The URL of this request with some of its parameters replaced.
    fn link(&self, changes: &[(&str, Option<String>)]) -> Value {
        use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
        let changed = |name: &str| changes.iter().any(|(other, _)| *other == name);
        let kept = self
            .request
            .pairs()
            .into_iter()
            .filter(|(name, _)| !(changed(name) || (self.paging.by_key && name == "page")));
        let added = changes
            .iter()
            .filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
        let query: Vec<String> = kept
            .chain(added)
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)))
            .collect();
        let href = format!(
            "{}{}?{}",
            origin(self.request),
            self.request.path,
            query.join("&")
        );
        json!({ "href": href })
    }
}
