//! A seeded product catalogue: structure and keys in memory, values made on demand from seed and
//! position, so that 50,000 products cost little more than their keys.

mod shape;
mod units;
mod values;
mod words;

use serde::{Deserialize, Serialize};

pub(crate) use shape::{Attribute, Category, Family, FamilyVariant, Kind, Labels};
pub(crate) use units::{ModelHead, ProductHead};
pub(crate) use values::{Data, Datum};

/// 2024-01-01T00:00:00Z: nothing in a catalogue is older.
pub(crate) const EPOCH: i64 = 1_704_067_200;
/// Length in seconds of the past over which changes are spread, to the end of June 2026.
pub(crate) const SPREAD: i64 = 911 * 86_400;

/// The size of a catalogue.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Categories, the root included. Default 1200.
    pub categories: usize,
    /// Attributes; not less than the 19 that have a meaning. Default 150.
    pub attributes: usize,
    /// Products: variants and simple ones together. Default 5000.
    pub products: usize,
    /// Equal seeds give equal catalogues. Default 1.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            categories: 1200,
            attributes: 150,
            products: 5000,
            seed: 1,
        }
    }
}

/// A product or a product model of the generated catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Node {
    Model(u32),
    Product(u32),
}

/// The catalogue as generated; changes are kept elsewhere.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) seed: u64,
    pub(crate) categories: Vec<Category>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) families: Vec<Family>,
    pub(crate) models: Vec<ModelHead>,
    pub(crate) products: Vec<ProductHead>,
}

impl Catalogue {
    pub(crate) fn new(options: &Options) -> Self {
        let attributes = shape::attributes(options.attributes, options.seed);
        let families = shape::families(&attributes, options.seed);
        let mut catalogue = Self {
            seed: options.seed,
            categories: shape::categories(options.categories, options.seed),
            attributes,
            families,
            models: Vec::new(),
            products: Vec::new(),
        };
        units::fill(&mut catalogue, options.products);
        catalogue
    }
}
