//! What the PIM holds now: the generated catalogue, what was changed since, and the indexes for
//! lists in the order of keys and for changes since a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::structure;
use crate::catalogue::{Catalogue, EPOCH, Node, Options};
use crate::random::Random;

/// What an entity has that its generated form has not.
#[derive(Debug, Clone, Default)]
pub(super) struct Patch {
    /// Whole value lists by attribute.
    pub(super) values: Map<String, Value>,
    pub(super) categories: Option<Vec<String>>,
    /// Fields that the simulator only keeps and gives back, such as associations.
    pub(super) kept: Map<String, Value>,
}

/// A product or a product model.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Arc<str>,
    pub(super) family: Option<Arc<str>>,
    /// Of models only.
    pub(super) family_variant: Option<Arc<str>>,
    pub(super) parent: Option<u32>,
    pub(super) enabled: bool,
    pub(super) created: i64,
    /// The field `updated`.
    pub(super) updated: i64,
    /// What the filter `updated` looks at: a change of a parent counts, too.
    pub(super) counted: i64,
    pub(super) uuid: u128,
    pub(super) base: Option<Node>,
    pub(super) patch: Option<Box<Patch>>,
    /// Of models only: what hangs below.
    pub(super) models: Vec<u32>,
    pub(super) products: Vec<u32>,
}

/// One kind of entry with its indexes.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) entries: Vec<Entry>,
    pub(super) by_key: BTreeMap<Arc<str>, u32>,
    pub(super) by_uuid: BTreeMap<u128, u32>,
    pub(super) by_time: BTreeSet<(i64, u32)>,
}

impl Shelf {
    pub(super) fn add(&mut self, entry: Entry) -> u32 {
        let place = self.entries.len() as u32;
        self.by_key.insert(entry.key.clone(), place);
        self.by_uuid.insert(entry.uuid, place);
        self.by_time.insert((entry.counted, place));
        self.entries.push(entry);
        place
    }

    pub(super) fn get(&self, key: &str) -> Option<u32> {
        self.by_key.get(key).copied()
    }

    /// Moves the time that the filter looks at.
    fn touch(&mut self, place: u32, now: i64) {
        let entry = &mut self.entries[place as usize];
        self.by_time.remove(&(entry.counted, place));
        entry.counted = now;
        self.by_time.insert((now, place));
    }
}

/// Everything that is not a product: `categories`, `attributes/color/options`, and so on, by path.
pub(super) type Collections = BTreeMap<String, BTreeMap<String, Value>>;

pub(super) struct State {
    pub(super) base: Catalogue,
    pub(super) products: Shelf,
    pub(super) models: Shelf,
    pub(super) collections: Collections,
    /// Attributes that a control request has broken, by product.
    pub(super) broken: BTreeMap<String, Vec<String>>,
    /// The time of the last change; it only moves forward, so that every change has its own second.
    clock: i64,
    wall: bool,
}

impl State {
    /// `wall`: changes carry the time of day, else they count on from the end of the generated past.
    pub(super) fn new(options: &Options, wall: bool) -> Self {
        let base = Catalogue::new(options);
        let mut state = Self {
            collections: structure::collections(&base),
            products: Shelf::default(),
            models: Shelf::default(),
            broken: BTreeMap::new(),
            clock: EPOCH + crate::catalogue::SPREAD,
            wall,
            base,
        };
        state.fill();
        state
    }

    fn fill(&mut self) {
        let families: Vec<Arc<str>> = self
            .base
            .families
            .iter()
            .map(|family| family.code.as_str().into())
            .collect();
        let variants: Vec<Vec<Arc<str>>> = self
            .base
            .families
            .iter()
            .map(|family| {
                let codes = family.variants.iter();
                codes.map(|variant| variant.code.as_str().into()).collect()
            })
            .collect();
        for (number, head) in self.base.models.iter().enumerate() {
            let counted = head.updated.max(counted(&self.models, head.parent));
            let place = self.models.add(Entry {
                key: (*head.code).into(),
                family: Some(families[usize::from(head.family)].clone()),
                family_variant: Some(variants[usize::from(head.family)][usize::from(head.variant)].clone()),
                parent: head.parent,
                enabled: true,
                created: EPOCH,
                updated: head.updated,
                counted,
                uuid: number as u128,
                base: Some(Node::Model(number as u32)),
                patch: None,
                models: Vec::new(),
                products: Vec::new(),
            });
            if let Some(parent) = head.parent {
                self.models.entries[parent as usize].models.push(place);
            }
        }
        for (number, head) in self.base.products.iter().enumerate() {
            let counted = head.updated.max(counted(&self.models, head.parent));
            let place = self.products.add(Entry {
                key: (*head.identifier).into(),
                family: Some(families[usize::from(head.family)].clone()),
                family_variant: None,
                parent: head.parent,
                enabled: head.enabled,
                created: EPOCH,
                updated: head.updated,
                counted,
                uuid: uuid(self.base.seed, number as u64),
                base: Some(Node::Product(number as u32)),
                patch: None,
                models: Vec::new(),
                products: Vec::new(),
            });
            if let Some(parent) = head.parent {
                self.models.entries[parent as usize].products.push(place);
            }
        }
    }

    /// The time of a change that happens now.
    pub(super) fn tick(&mut self) -> i64 {
        self.clock += 1;
        if self.wall {
            self.clock = self.clock.max(jiff::Timestamp::now().as_second());
        }
        self.clock
    }

    pub(super) fn touch_product(&mut self, place: u32) {
        let now = self.tick();
        self.products.entries[place as usize].updated = now;
        self.products.touch(place, now);
    }

    /// A changed model counts for everything below it; the field `updated` there stays old.
    pub(super) fn touch_model(&mut self, place: u32) {
        let now = self.tick();
        self.models.entries[place as usize].updated = now;
        let mut models = vec![place];
        while let Some(place) = models.pop() {
            self.models.touch(place, now);
            let entry = &self.models.entries[place as usize];
            models.extend(&entry.models);
            for product in &entry.products {
                self.products.touch(*product, now);
            }
        }
    }

    /// The models above, root first.
    pub(super) fn parents(&self, mut parent: Option<u32>) -> Vec<&Entry> {
        let mut chain = Vec::new();
        while let Some(place) = parent {
            let entry = &self.models.entries[place as usize];
            chain.push(entry);
            parent = entry.parent;
        }
        chain.reverse();
        chain
    }

    pub(super) fn collection(&self, path: &str) -> Option<&BTreeMap<String, Value>> {
        self.collections.get(path)
    }

    /// Counts of what a complete synchronisation has to produce.
    pub(super) fn totals(&self) -> Value {
        json!({
            "categories": self.collection("categories").map_or(0, BTreeMap::len),
            "attributes": self.collection("attributes").map_or(0, BTreeMap::len),
            "abstracts": self.abstracts().count(),
            "concretes": self.products.entries.len(),
        })
    }

    /// Root models and simple products.
    pub(super) fn abstracts(&self) -> impl Iterator<Item = &Entry> {
        let models = self.models.entries.iter();
        let products = self.products.entries.iter();
        models.chain(products).filter(|entry| entry.parent.is_none())
    }
}

fn counted(models: &Shelf, parent: Option<u32>) -> i64 {
    parent.map_or(0, |parent| models.entries[parent as usize].counted)
}

/// A version 4 UUID that depends on seed and number only.
pub(super) fn uuid(seed: u64, number: u64) -> u128 {
    let mut random = Random::new(seed, 0x5_0000_0000 + number);
    let bits = (u128::from(random.next()) << 64) | u128::from(random.next());
    (bits & !(0xf000 << 64) & !(0xc << 60)) | (0x4000 << 64) | (0x8 << 60)
}

pub(super) fn uuid_text(uuid: u128) -> String {
    let hex = format!("{uuid:032x}");
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}

pub(super) fn uuid_number(text: &str) -> Option<u128> {
    u128::from_str_radix(&text.replace('-', ""), 16).ok()
}

/// `2026-06-30T00:00:00+00:00`.
pub(super) fn time_text(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        Err(_) => String::new(),
    }
}
