//! Deliveries, read sets and links.

use weir_model::{Address, Scope};
use weir_sdk::expressions::Want;
use weir_sdk::store::{Delivered, Link};

use super::change::Desk;
use super::{Place, Tables};

/// Versions of a key only go up: an older delivery is ignored, read set and all.
pub(super) fn put_delivered(
    desk: &mut Desk<'_>,
    key: (Place, String),
    mut delivered: Delivered,
    reads: Option<Vec<Want>>,
) {
    if let Some(stored) = desk.tables.delivered.get(&key) {
        if stored.version > delivered.version {
            return;
        }
        // A filter dropped the key: what was delivered before is still what the other side has.
        if delivered.filtered && delivered.entity.is_none() {
            (delivered.hash, delivered.entity) = (stored.hash, stored.entity.clone());
        }
    }
    desk.set(|tables| &mut tables.delivered, key.clone(), Some(delivered));
    if let Some(reads) = reads {
        let reads = reads.into_iter().collect();
        desk.set(|tables| &mut tables.reads, key, Some(reads));
    }
}

pub(super) fn put_link(desk: &mut Desk<'_>, link: Link) {
    let address = (link.scope.clone(), link.address.clone());
    let number = match desk.tables.addresses.get(&address) {
        Some(number) => *number,
        None => {
            let number = desk.number("address");
            desk.set(|tables| &mut tables.addresses, address, Some(number));
            number
        }
    };
    let key = (number, link.key.clone());
    desk.set(|tables| &mut tables.links, key, Some(link));
}

/// By address in the order of their first link, then by key.
pub(super) fn links_search(
    tables: &Tables,
    scope: &Scope,
    address: Option<&Address>,
    text: &str,
    limit: usize,
) -> Vec<Link> {
    let text = text.to_ascii_lowercase();
    let has_text = |link: &Link| {
        let ids = serde_json::to_string(&link.ids).unwrap_or_default();
        link.key.to_ascii_lowercase().contains(&text) || ids.to_ascii_lowercase().contains(&text)
    };
    tables
        .links
        .values()
        .filter(|link| link.scope == *scope && address.is_none_or(|address| *address == link.address))
        .filter(|link| has_text(link))
        .take(limit)
        .cloned()
        .collect()
}
