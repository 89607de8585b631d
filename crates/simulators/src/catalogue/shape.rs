//! The structure of the catalogue: category tree, attributes with options, families with variants.

use super::words::{BRANDS, CATEGORY_WORDS, COLORS, FEATURES, MATERIALS, NOUNS, SIZES};
use super::{EPOCH, SPREAD};
use crate::random::Random;

/// Names in the two locales; either may be missing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labels {
    pub(crate) german: Option<String>,
    pub(crate) english: Option<String>,
}

impl Labels {
    fn both(english: &str, german: &str) -> Self {
        Self {
            german: Some(german.to_owned()),
            english: Some(english.to_owned()),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Category {
    pub(crate) code: String,
    pub(crate) parent: Option<usize>,
    pub(crate) labels: Labels,
    pub(crate) updated: i64,
}

/// The types of attributes that occur.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Identifier,
    Text,
    Textarea,
    Number { decimals: bool },
    Flag,
    Date,
    Price,
    Metric,
    Select,
    Multiselect,
    Image,
    File,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Identifier => "pim_catalog_identifier",
            Self::Text => "pim_catalog_text",
            Self::Textarea => "pim_catalog_textarea",
            Self::Number { .. } => "pim_catalog_number",
            Self::Flag => "pim_catalog_boolean",
            Self::Date => "pim_catalog_date",
            Self::Price => "pim_catalog_price_collection",
            Self::Metric => "pim_catalog_metric",
            Self::Select => "pim_catalog_simpleselect",
            Self::Multiselect => "pim_catalog_multiselect",
            Self::Image => "pim_catalog_image",
            Self::File => "pim_catalog_file",
        }
    }
}

#[derive(Debug)]
pub(crate) struct AttributeOption {
    pub(crate) code: String,
    pub(crate) labels: Labels,
}

#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) code: String,
    pub(crate) kind: Kind,
    pub(crate) localizable: bool,
    pub(crate) scopable: bool,
    pub(crate) labels: Labels,
    pub(crate) options: Vec<AttributeOption>,
    pub(crate) updated: i64,
}

#[derive(Debug)]
pub(crate) struct FamilyVariant {
    pub(crate) code: String,
    /// Axes of one or two levels.
    pub(crate) axes: Vec<Vec<usize>>,
    /// Attributes of one or two levels, axes included.
    pub(crate) levels: Vec<Vec<usize>>,
}

#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) code: String,
    pub(crate) labels: Labels,
    pub(crate) attributes: Vec<usize>,
    pub(crate) variants: Vec<FamilyVariant>,
    pub(crate) updated: i64,
}

fn some_time(random: &mut Random) -> i64 {
    EPOCH + random.below(SPREAD as usize) as i64
}

/// A tree under `master`; the first seven hang below each other, so that it is deep at any size.
pub(crate) fn categories(count: usize, seed: u64) -> Vec<Category> {
    let mut random = Random::new(seed, 0xca7e);
    let mut list = vec![Category {
        code: "master".to_owned(),
        parent: None,
        labels: Labels::both("Master catalogue", "Hauptkatalog"),
        updated: some_time(&mut random),
    }];
    let mut depth = vec![0];
    for number in 1..count.max(1) {
        let parent = if number <= 7 {
            number - 1
        } else {
            loop {
                let candidate = random.below(number);
                if depth[candidate] < 9 {
                    break candidate;
                }
            }
        };
        let (code, english, german) = random.pick(CATEGORY_WORDS);
        let mut labels = Labels::both(&format!("{english} {number}"), &format!("{german} {number}"));
        // Gaps as in real catalogues: one language, or none at all.
        match number % 40 {
            11 => labels.german = None,
            23 => labels.english = None,
            37 => labels = Labels::default(),
            _ => {}
        }
        depth.push(depth[parent] + 1);
        list.push(Category {
            code: format!("{code}_{number}"),
            parent: Some(parent),
            labels,
            updated: some_time(&mut random),
        });
    }
    list
}

type Words = &'static [(&'static str, &'static str, &'static str)];

/// Attributes with a meaning, in front of those that only fill up the number.
const KNOWN: &[(&str, Kind, bool, bool, &str, &str, Words)] = &[
    ("sku", Kind::Identifier, false, false, "SKU", "Artikelnummer", &[]),
    ("name", Kind::Text, true, false, "Name", "Name", &[]),
    (
        "description",
        Kind::Textarea,
        true,
        false,
        "Description",
        "Beschreibung",
        &[],
    ),
    ("price", Kind::Price, false, true, "Price", "Preis", &[]),
    (
        "tax_class",
        Kind::Select,
        false,
        false,
        "Tax class",
        "Steuerklasse",
        &[("full", "Full", "Voll"), ("reduced", "Reduced", "Ermäßigt")],
    ),
    (
        "stock",
        Kind::Number { decimals: false },
        false,
        false,
        "Stock",
        "Bestand",
        &[],
    ),
    ("image", Kind::Image, false, false, "Image", "Bild", &[]),
    ("color", Kind::Select, false, false, "Color", "Farbe", COLORS),
    ("size", Kind::Select, false, false, "Size", "Größe", SIZES),
    (
        "material",
        Kind::Select,
        false,
        false,
        "Material",
        "Material",
        MATERIALS,
    ),
    ("brand", Kind::Select, false, false, "Brand", "Marke", BRANDS),
    (
        "features",
        Kind::Multiselect,
        false,
        false,
        "Features",
        "Eigenschaften",
        FEATURES,
    ),
    ("ean", Kind::Text, false, false, "EAN", "EAN", &[]),
    ("weight", Kind::Metric, false, false, "Weight", "Gewicht", &[]),
    (
        "width",
        Kind::Number { decimals: true },
        false,
        false,
        "Width",
        "Breite",
        &[],
    ),
    (
        "release_date",
        Kind::Date,
        false,
        false,
        "Release date",
        "Erscheinungstag",
        &[],
    ),
    ("eco", Kind::Flag, false, false, "Ecological", "Ökologisch", &[]),
    ("teaser", Kind::Text, true, true, "Teaser", "Anreißer", &[]),
    ("manual", Kind::File, false, false, "Manual", "Anleitung", &[]),
];

pub(crate) fn attributes(count: usize, seed: u64) -> Vec<Attribute> {
    let mut random = Random::new(seed, 0xa77);
    let mut list: Vec<Attribute> = KNOWN
        .iter()
        .map(
            |(code, kind, localizable, scopable, english, german, options)| Attribute {
                code: (*code).to_owned(),
                kind: *kind,
                localizable: *localizable,
                scopable: *scopable,
                labels: Labels::both(english, german),
                options: options
                    .iter()
                    .map(|(code, english, german)| AttributeOption {
                        code: (*code).to_owned(),
                        labels: Labels::both(english, german),
                    })
                    .collect(),
                updated: some_time(&mut random),
            },
        )
        .collect();
    for number in list.len()..count.max(list.len()) {
        list.push(filler(number, &mut random));
    }
    list
}

fn filler(number: usize, random: &mut Random) -> Attribute {
    let (kind, localizable) = match number % 8 {
        0 => (Kind::Select, false),
        1 => (Kind::Text, false),
        2 => (Kind::Multiselect, false),
        3 => (
            Kind::Number {
                decimals: number % 16 == 3,
            },
            false,
        ),
        4 => (Kind::Flag, false),
        5 => (Kind::Text, true),
        6 => (Kind::Metric, false),
        _ => (Kind::Date, false),
    };
    let options = match kind {
        Kind::Select | Kind::Multiselect => random.between(3, 12),
        _ => 0,
    };
    let options = (1..=options).map(|option| {
        let mut labels = Labels::both(&format!("Option {option}"), &format!("Auswahl {option}"));
        if (number + option).is_multiple_of(13) {
            labels = Labels::default();
        }
        AttributeOption {
            code: format!("o{number}_{option}"),
            labels,
        }
    });
    let mut labels = Labels::both(&format!("Property {number}"), &format!("Merkmal {number}"));
    match number % 20 {
        9 => labels.german = None,
        17 => labels = Labels::default(),
        _ => {}
    }
    Attribute {
        code: format!("attribute_{number}"),
        kind,
        localizable,
        scopable: false,
        labels,
        options: options.collect(),
        updated: some_time(random),
    }
}

pub(crate) fn families(attributes: &[Attribute], seed: u64) -> Vec<Family> {
    let mut random = Random::new(seed, 0xfa3);
    let known = KNOWN.len();
    NOUNS
        .iter()
        .enumerate()
        .map(|(number, noun)| {
            let mut list: Vec<usize> = (0..known).collect();
            // Every filler belongs to one family at least; a few more come by chance.
            list.extend(
                (known..attributes.len())
                    .filter(|filler| filler % NOUNS.len() == number || random.percent(4)),
            );
            Family {
                code: noun.code.to_owned(),
                labels: Labels::both(noun.english, noun.german),
                variants: variants(noun.code, number, attributes),
                attributes: list,
                updated: some_time(&mut random),
            }
        })
        .collect()
}

fn variants(family: &str, number: usize, attributes: &[Attribute]) -> Vec<FamilyVariant> {
    let at = |code: &str| {
        attributes
            .iter()
            .position(|attribute| attribute.code == code)
            .expect("known attributes come first")
    };
    let (color, size, material) = (at("color"), at("size"), at("material"));
    // In every second family the price depends on the variant.
    let mut own = vec![at("sku"), at("stock"), at("ean"), at("weight")];
    if number % 2 == 1 {
        own.push(at("price"));
    }
    let second = if number.is_multiple_of(3) { material } else { size };
    let level = |axes: &[usize], more: &[usize]| -> Vec<usize> { axes.iter().chain(more).copied().collect() };
    let image = [at("image")];
    let with_image: Vec<usize> = own.iter().chain(&image).copied().collect();
    let one = |code: String, axes: Vec<usize>| FamilyVariant {
        code,
        levels: vec![level(&axes, &with_image)],
        axes: vec![axes],
    };
    vec![
        one(format!("{family}_by_color"), vec![color]),
        one(format!("{family}_by_two"), vec![color, second]),
        FamilyVariant {
            code: format!("{family}_by_color_then_two"),
            levels: vec![level(&[color], &image), level(&[second], &own)],
            axes: vec![vec![color], vec![second]],
        },
    ]
}
