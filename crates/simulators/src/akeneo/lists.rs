//! GET: lists and single entities.

use std::collections::BTreeMap;
use std::ops::Bound;

use serde_json::{Value, json};

use super::answer::{PAGED_MAX, Page, Paging, not_found, origin, unprocessable};
use super::render::{self, Wanted, encoded};
use super::search::{self, Search};
use super::state::{Entry, Shelf, State, uuid_number, uuid_text};
use crate::front::{Incoming, Reply};

/// The three ways to see the entries of the two shelves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Products,
    ProductsByUuid,
    Models,
}

impl View {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "products" => Some(Self::Products),
            "products-uuid" => Some(Self::ProductsByUuid),
            "product-models" => Some(Self::Models),
            _ => None,
        }
    }

    pub(super) fn shelf(self, state: &State) -> &Shelf {
        match self {
            Self::Products | Self::ProductsByUuid => &state.products,
            Self::Models => &state.models,
        }
    }

    /// The place of an entry by what stands in the path.
    pub(super) fn find(self, state: &State, key: &str) -> Option<u32> {
        match self {
            Self::ProductsByUuid => state.products.by_uuid.get(&uuid_number(key)?).copied(),
            _ => self.shelf(state).get(key),
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Models => "Product model",
            _ => "Product",
        }
    }

    fn write(self, state: &State, entry: &Entry, origin: &str, wanted: &Wanted, out: &mut Vec<u8>) {
        match self {
            Self::Products => render::product(state, entry, origin, wanted, false, out),
            Self::ProductsByUuid => render::product(state, entry, origin, wanted, true, out),
            Self::Models => render::model(state, entry, origin, wanted, out),
        }
    }
}

pub(super) fn entry(state: &State, request: &Incoming, view: View, key: &str) -> Reply {
    let Some(place) = view.find(state, key) else {
        return not_found(view.what(), key);
    };
    let mut body = Vec::with_capacity(4096);
    let wanted = Wanted::of(&request.pairs());
    let entry = &view.shelf(state).entries[place as usize];
    view.write(state, entry, &origin(request), &wanted, &mut body);
    Reply::json(200, body)
}

pub(super) fn entries(state: &State, request: &Incoming, view: View) -> Reply {
    let pairs = request.pairs();
    let paging = match Paging::of(&pairs, true) {
        Ok(paging) => paging,
        Err(reply) => return reply,
    };
    if !paging.by_key && paging.page.saturating_mul(paging.limit) > PAGED_MAX {
        return unprocessable(&format!(
            "You have reached the maximum number of pages you can retrieve with the \"page\" pagination type ({PAGED_MAX} products). Please use the search after pagination type instead."
        ));
    }
    let text = pairs
        .iter()
        .find(|(name, _)| name == "search")
        .map(|(_, value)| value.as_str());
    let search = match Search::of(state, text) {
        Ok(search) => search,
        Err(message) => return unprocessable(&message),
    };
    let (places, more, total) = select(state, view, &search, &paging);
    let shelf = view.shelf(state);
    let (origin, wanted) = (origin(request), Wanted::of(&pairs));
    let mut items = Vec::with_capacity(places.len() * 4096);
    for (position, place) in places.iter().enumerate() {
        if position > 0 {
            items.push(b',');
        }
        view.write(
            state,
            &shelf.entries[*place as usize],
            &origin,
            &wanted,
            &mut items,
        );
    }
    let last = places.last().map(|place| {
        let entry = &shelf.entries[*place as usize];
        match view {
            View::ProductsByUuid => uuid_text(entry.uuid),
            _ => entry.key.to_string(),
        }
    });
    Page {
        request,
        paging: &paging,
        items,
        more,
        last,
        total,
    }
    .reply()
}

/// The places of one page in the order of keys, whether there may be more, and the number of all
/// where it was asked for.
fn select(state: &State, view: View, search: &Search, paging: &Paging) -> (Vec<u32>, bool, Option<usize>) {
    let shelf = view.shelf(state);
    let accepts = |place: &u32| search.accepts(state, &shelf.entries[*place as usize]);
    let collected = search.candidates(state, shelf, view != View::Models);
    let after = paging.after.as_deref().filter(|_| paging.by_key);
    let skip = if paging.by_key {
        0
    } else {
        (paging.page - 1) * paging.limit
    };
    let wanted = paging.limit + 1;
    let mut found: Vec<u32> = match (&collected, view) {
        (Some(places), View::ProductsByUuid) => {
            let after = after.and_then(uuid_number);
            let key = |place: &u32| shelf.entries[*place as usize].uuid;
            let mut places: Vec<u32> = places.iter().copied().filter(accepts).collect();
            places.sort_by_key(key);
            places.dedup();
            places.retain(|place| after.is_none_or(|after| key(place) > after));
            places.into_iter().skip(skip).take(wanted).collect()
        }
        (Some(places), _) => {
            let key = |place: &u32| &*shelf.entries[*place as usize].key;
            let mut places: Vec<u32> = places.iter().copied().filter(accepts).collect();
            places.sort_by(|left, right| key(left).cmp(key(right)));
            places.dedup();
            places.retain(|place| after.is_none_or(|after| key(place) > after));
            places.into_iter().skip(skip).take(wanted).collect()
        }
        (None, View::ProductsByUuid) => {
            let start = after
                .and_then(uuid_number)
                .map_or(Bound::Unbounded, Bound::Excluded);
            let all = shelf.by_uuid.range((start, Bound::Unbounded));
            all.map(|(_, place)| *place)
                .filter(accepts)
                .skip(skip)
                .take(wanted)
                .collect()
        }
        (None, _) => {
            let start = after.map_or(Bound::Unbounded, Bound::Excluded);
            let all = shelf.by_key.range::<str, _>((start, Bound::Unbounded));
            all.map(|(_, place)| *place)
                .filter(accepts)
                .skip(skip)
                .take(wanted)
                .collect()
        }
    };
    let more = found.len() > paging.limit;
    found.truncate(paging.limit);
    let total = paging.with_count.then(|| {
        if search.is_empty() {
            return shelf.entries.len();
        }
        match &collected {
            Some(places) => places.iter().filter(|place| accepts(place)).count(),
            None => (0..shelf.entries.len() as u32)
                .filter(|place| accepts(place))
                .count(),
        }
    });
    (found, more, total)
}

/// A list of one of the small collections.
pub(super) fn collection(items: &BTreeMap<String, Value>, request: &Incoming, path: &str) -> Reply {
    let pairs = request.pairs();
    let paging = match Paging::of(&pairs, false) {
        Ok(paging) => paging,
        Err(reply) => return reply,
    };
    let text = pairs
        .iter()
        .find(|(name, _)| name == "search")
        .map(|(_, value)| value.as_str());
    // Without a search the page is taken from the ordered map without looking at the rest.
    let filtered: Result<Vec<&Value>, String> = match text {
        None => Ok(items.values().collect()),
        Some(_) => items
            .values()
            .filter_map(|item| match search::accepts_item(text, item) {
                Ok(true) => Some(Ok(item)),
                Ok(false) => None,
                Err(message) => Some(Err(message)),
            })
            .collect(),
    };
    let filtered = match filtered {
        Ok(filtered) => filtered,
        Err(message) => return unprocessable(&message),
    };
    let skip = (paging.page - 1).saturating_mul(paging.limit);
    let origin = origin(request);
    let mut out = Vec::new();
    for (position, item) in filtered.iter().skip(skip).take(paging.limit).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        out.extend_from_slice(linked(&origin, path, item).to_string().as_bytes());
    }
    Page {
        request,
        paging: &paging,
        items: out,
        more: filtered.len() > skip.saturating_add(paging.limit),
        last: None,
        total: Some(filtered.len()),
    }
    .reply()
}

/// An item with the link to itself in front.
pub(super) fn linked(origin: &str, path: &str, item: &Value) -> Value {
    let code = encoded(item["code"].as_str().unwrap_or_default());
    let href = format!("{origin}/api/rest/v1/{path}/{code}");
    let mut with_link = json!({ "_links": { "self": { "href": href } } });
    for (name, value) in item.as_object().into_iter().flatten() {
        with_link[name.as_str()] = value.clone();
    }
    with_link
}
