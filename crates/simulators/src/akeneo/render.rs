//! A product or model as JSON, written straight from its made values.

use serde_json::Value;

use super::state::{Entry, State, time_text, uuid_text};
use crate::catalogue::{Data, Datum, Node};

/// Which values a client wants to see.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    attributes: Option<Vec<String>>,
    locales: Option<Vec<String>>,
    scope: Option<String>,
}

impl Wanted {
    pub(super) fn of(pairs: &[(String, String)]) -> Self {
        let find = |name: &str| {
            pairs
                .iter()
                .find(|(have, _)| have == name)
                .map(|(_, value)| value)
        };
        let list =
            |name: &str| -> Option<Vec<String>> { Some(find(name)?.split(',').map(str::to_owned).collect()) };
        Self {
            attributes: list("attributes"),
            locales: list("locales"),
            scope: find("scope").cloned(),
        }
    }

    fn attribute(&self, code: &str) -> bool {
        self.attributes
            .as_ref()
            .is_none_or(|list| list.iter().any(|have| have == code))
    }

    fn dimensions(&self, locale: Option<&str>, scope: Option<&str>) -> bool {
        let of_locale = locale.is_none_or(|locale| {
            self.locales
                .as_ref()
                .is_none_or(|list| list.iter().any(|have| have == locale))
        });
        let of_scope = scope.is_none_or(|scope| self.scope.as_ref().is_none_or(|wanted| wanted == scope));
        of_locale && of_scope
    }
}

fn text(value: &str, out: &mut Vec<u8>) {
    // Writing into a vector cannot fail.
    let _ = serde_json::to_writer(out, value);
}

fn raw(value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(value.as_bytes());
}

fn optional(value: Option<&str>, out: &mut Vec<u8>) {
    match value {
        Some(value) => text(value, out),
        None => raw("null", out),
    }
}

/// A product; `by_uuid` leaves the identifier to the values, as `/products-uuid` does.
pub(super) fn product(
    state: &State,
    entry: &Entry,
    origin: &str,
    wanted: &Wanted,
    by_uuid: bool,
    out: &mut Vec<u8>,
) {
    let uuid = uuid_text(entry.uuid);
    let path = if by_uuid {
        format!("products-uuid/{uuid}")
    } else {
        format!("products/{}", encoded(&entry.key))
    };
    link(origin, &path, out);
    raw(",\"uuid\":", out);
    text(&uuid, out);
    if !by_uuid {
        raw(",\"identifier\":", out);
        text(&entry.key, out);
    }
    raw(
        if entry.enabled {
            ",\"enabled\":true"
        } else {
            ",\"enabled\":false"
        },
        out,
    );
    raw(",\"family\":", out);
    optional(entry.family.as_deref(), out);
    let chain = state.parents(entry.parent);
    categories(state, &chain, entry, out);
    raw(",\"groups\":", out);
    kept(entry, "groups", "[]", out);
    raw(",\"parent\":", out);
    optional(chain.last().map(|parent| &*parent.key), out);
    raw(",\"values\":{", out);
    let mut first = true;
    if by_uuid {
        raw("\"sku\":[{\"locale\":null,\"scope\":null,\"data\":", out);
        text(&entry.key, out);
        raw(",\"attribute_type\":\"pim_catalog_identifier\"}]", out);
        first = false;
    }
    values(state, &chain, entry, origin, wanted, first, out);
    ending(entry, out);
}

pub(super) fn model(state: &State, entry: &Entry, origin: &str, wanted: &Wanted, out: &mut Vec<u8>) {
    link(origin, &format!("product-models/{}", encoded(&entry.key)), out);
    raw(",\"code\":", out);
    text(&entry.key, out);
    raw(",\"family\":", out);
    optional(entry.family.as_deref(), out);
    raw(",\"family_variant\":", out);
    optional(entry.family_variant.as_deref(), out);
    let chain = state.parents(entry.parent);
    raw(",\"parent\":", out);
    optional(chain.last().map(|parent| &*parent.key), out);
    categories(state, &chain, entry, out);
    raw(",\"values\":{", out);
    values(state, &chain, entry, origin, wanted, true, out);
    ending(entry, out);
}

fn link(origin: &str, path: &str, out: &mut Vec<u8>) {
    raw("{\"_links\":{\"self\":{\"href\":", out);
    text(&format!("{origin}/api/rest/v1/{path}"), out);
    raw("}}", out);
}

pub(super) fn encoded(key: &str) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}

fn ending(entry: &Entry, out: &mut Vec<u8>) {
    raw("},\"created\":", out);
    text(&time_text(entry.created), out);
    raw(",\"updated\":", out);
    text(&time_text(entry.updated), out);
    raw(",\"associations\":", out);
    kept(entry, "associations", "{}", out);
    raw(",\"quantified_associations\":", out);
    kept(entry, "quantified_associations", "{}", out);
    raw("}", out);
}

fn kept(entry: &Entry, name: &str, default: &str, out: &mut Vec<u8>) {
    match entry.patch.as_ref().and_then(|patch| patch.kept.get(name)) {
        Some(value) => raw(&value.to_string(), out),
        None => raw(default, out),
    }
}

/// The codes of the categories of an entry and of everything above it.
pub(super) fn category_codes<'a>(state: &'a State, chain: &[&'a Entry], entry: &'a Entry) -> Vec<&'a str> {
    let mut codes: Vec<&str> = Vec::new();
    for node in chain.iter().copied().chain([entry]) {
        match node.patch.as_ref().and_then(|patch| patch.categories.as_ref()) {
            Some(list) => codes.extend(list.iter().map(String::as_str)),
            None => {
                if let Some(base) = node.base {
                    let own = state.base.own_categories(base);
                    codes.extend(
                        own.iter()
                            .map(|place| state.base.categories[*place].code.as_str()),
                    );
                }
            }
        }
    }
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn categories(state: &State, chain: &[&Entry], entry: &Entry, out: &mut Vec<u8>) {
    raw(",\"categories\":[", out);
    for (position, code) in category_codes(state, chain, entry).into_iter().enumerate() {
        if position > 0 {
            raw(",", out);
        }
        text(code, out);
    }
    raw("]", out);
}

/// Whether a change has given the entry itself a list for an attribute; it hides what is above.
fn holds(entry: &Entry, code: &str) -> bool {
    entry
        .patch
        .as_ref()
        .is_some_and(|patch| patch.values.contains_key(code))
}

/// Own and inherited values, root first.
fn values(
    state: &State,
    chain: &[&Entry],
    entry: &Entry,
    origin: &str,
    wanted: &Wanted,
    mut first: bool,
    out: &mut Vec<u8>,
) {
    let nodes: Vec<&Entry> = chain.iter().copied().chain([entry]).collect();
    for (place, node) in nodes.iter().enumerate() {
        let patch = node.patch.as_ref();
        let own = node.base.map(|base| state.base.own_values(base));
        let mut rest = own.as_deref().unwrap_or_default();
        while let Some(datum) = rest.first() {
            let attribute = datum.attribute;
            let count = rest
                .iter()
                .take_while(|datum| datum.attribute == attribute)
                .count();
            let (group, after) = rest.split_at(count);
            rest = after;
            let definition = &state.base.attributes[attribute];
            let patched = nodes[place..].iter().any(|node| holds(node, &definition.code));
            if patched || !wanted.attribute(&definition.code) {
                continue;
            }
            made(
                &definition.code,
                definition.kind.name(),
                group,
                origin,
                wanted,
                &mut first,
                out,
            );
        }
        for (code, list) in patch.into_iter().flat_map(|patch| &patch.values) {
            let hidden = nodes[place + 1..].iter().any(|node| holds(node, code));
            if wanted.attribute(code) && !hidden {
                changed(state, code, list, wanted, &mut first, out);
            }
        }
    }
}

fn made(
    code: &str,
    kind: &str,
    group: &[Datum<'_>],
    origin: &str,
    wanted: &Wanted,
    first: &mut bool,
    out: &mut Vec<u8>,
) {
    let mut opened = false;
    for datum in group {
        if !wanted.dimensions(datum.locale, datum.scope) {
            continue;
        }
        if opened {
            raw(",", out);
        } else {
            open(code, first, out);
            opened = true;
        }
        raw("{\"locale\":", out);
        optional(datum.locale, out);
        raw(",\"scope\":", out);
        optional(datum.scope, out);
        raw(",\"data\":", out);
        data(&datum.data, out);
        raw(",\"attribute_type\":\"", out);
        raw(kind, out);
        raw("\"", out);
        if let Data::Media(media) = &datum.data {
            raw(",\"_links\":{\"download\":{\"href\":", out);
            text(&format!("{origin}/api/rest/v1/media-files/{media}/download"), out);
            raw("}}", out);
        }
        raw("}", out);
    }
    if opened {
        raw("]", out);
    }
}

fn open(code: &str, first: &mut bool, out: &mut Vec<u8>) {
    if !*first {
        raw(",", out);
    }
    *first = false;
    text(code, out);
    raw(":[", out);
}

fn changed(state: &State, code: &str, list: &Value, wanted: &Wanted, first: &mut bool, out: &mut Vec<u8>) {
    let kind = state
        .collection("attributes")
        .and_then(|all| all.get(code))
        .and_then(|attribute| attribute["type"].as_str())
        .unwrap_or("pim_catalog_text");
    let mut opened = false;
    for value in list.as_array().into_iter().flatten() {
        if !wanted.dimensions(value["locale"].as_str(), value["scope"].as_str()) {
            continue;
        }
        if opened {
            raw(",", out);
        } else {
            open(code, first, out);
            opened = true;
        }
        let mut value = value.clone();
        value["attribute_type"] = kind.into();
        raw(&value.to_string(), out);
    }
    if opened {
        raw("]", out);
    }
}

fn data(data: &Data<'_>, out: &mut Vec<u8>) {
    match data {
        Data::Text(value) | Data::Decimal(value) | Data::Media(value) => text(value, out),
        Data::Whole(number) => raw(&number.to_string(), out),
        Data::Flag(flag) => raw(if *flag { "true" } else { "false" }, out),
        Data::Option(code) => text(code, out),
        Data::Options(codes) => {
            raw("[", out);
            for (position, code) in codes.iter().enumerate() {
                if position > 0 {
                    raw(",", out);
                }
                text(code, out);
            }
            raw("]", out);
        }
        Data::Prices(prices) => {
            raw("[", out);
            for (position, (amount, currency)) in prices.iter().enumerate() {
                if position > 0 {
                    raw(",", out);
                }
                raw("{\"amount\":\"", out);
                raw(amount, out);
                raw("\",\"currency\":\"", out);
                raw(currency, out);
                raw("\"}", out);
            }
            raw("]", out);
        }
        Data::Metric(amount, unit) => {
            raw("{\"amount\":\"", out);
            raw(amount, out);
            raw("\",\"unit\":\"", out);
            raw(unit, out);
            raw("\"}", out);
        }
    }
}

/// The value list of one attribute that an entry itself holds, for changes.
pub(super) fn own_list(state: &State, entry: &Entry, code: &str) -> Vec<Value> {
    if let Some(list) = entry.patch.as_ref().and_then(|patch| patch.values.get(code)) {
        return list.as_array().cloned().unwrap_or_default();
    }
    entry
        .base
        .map(|base| generated_list(state, base, code))
        .unwrap_or_default()
}

/// The list that an entry shows: its own, or the nearest one above.
pub(super) fn shown_list(state: &State, entry: &Entry, code: &str) -> Vec<Value> {
    let chain = state.parents(entry.parent);
    std::iter::once(entry)
        .chain(chain.into_iter().rev())
        .map(|node| own_list(state, node, code))
        .find(|list| !list.is_empty())
        .unwrap_or_default()
}

fn generated_list(state: &State, base: Node, code: &str) -> Vec<Value> {
    let mut out = Vec::new();
    for datum in state.base.own_values(base) {
        if state.base.attributes[datum.attribute].code != code {
            continue;
        }
        let mut written = Vec::new();
        data(&datum.data, &mut written);
        let data: Value = serde_json::from_slice(&written).unwrap_or_default();
        out.push(serde_json::json!({ "locale": datum.locale, "scope": datum.scope, "data": data }));
    }
    out
}
