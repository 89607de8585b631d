//! The values of one product or model, made from seed and position each time they are asked for.

use super::shape::Kind;
use super::words::{ADJECTIVES, NOUNS, SENTENCES};
use super::{Catalogue, Node};
use crate::random::Random;

/// One value with its dimensions.
#[derive(Debug)]
pub(crate) struct Datum<'a> {
    pub(crate) attribute: usize,
    pub(crate) locale: Option<&'static str>,
    pub(crate) scope: Option<&'static str>,
    pub(crate) data: Data<'a>,
}

#[derive(Debug)]
pub(crate) enum Data<'a> {
    Text(String),
    Whole(i64),
    /// A decimal, which the API gives as text.
    Decimal(String),
    Flag(bool),
    Option(&'a str),
    Options(Vec<&'a str>),
    /// Amount and currency.
    Prices(Vec<(String, &'static str)>),
    Metric(String, &'static str),
    Media(String),
}

/// The position of a node among its unit's levels decides which attributes it holds.
struct Place {
    node: Node,
    unit: u32,
    family: usize,
    variant: Option<usize>,
    /// 0 for a root model, 1 and 2 for what hangs below; simple products hold everything.
    level: usize,
    combination: usize,
}

impl Catalogue {
    /// Family, family variant, level and combination of a node.
    fn place(&self, node: Node) -> Place {
        let level_of = |parent: Option<u32>| match parent {
            None => 0,
            Some(parent) => match self.models[parent as usize].parent {
                None => 1,
                Some(_) => 2,
            },
        };
        match node {
            Node::Model(model) => {
                let head = &self.models[model as usize];
                Place {
                    node,
                    unit: head.unit,
                    family: usize::from(head.family),
                    variant: Some(usize::from(head.variant)),
                    level: level_of(head.parent),
                    combination: usize::from(head.combination),
                }
            }
            Node::Product(product) => {
                let head = &self.products[product as usize];
                let variant = head
                    .parent
                    .map(|parent| usize::from(self.models[parent as usize].variant));
                Place {
                    node,
                    unit: head.unit,
                    family: usize::from(head.family),
                    variant,
                    level: level_of(head.parent),
                    combination: usize::from(head.combination),
                }
            }
        }
    }

    /// The values that a node itself holds, attribute by attribute; inherited ones are its parents'.
    pub(crate) fn own_values(&self, node: Node) -> Vec<Datum<'_>> {
        let place = self.place(node);
        let family = &self.families[place.family];
        let mut values = Vec::with_capacity(32);
        let mut random = Random::new(
            self.seed,
            match node {
                Node::Model(model) => 0x1_0000_0000 + u64::from(model),
                Node::Product(product) => 0x2_0000_0000 + u64::from(product),
            },
        );
        match place.variant {
            Some(variant) => {
                let variant = &family.variants[variant];
                match place.level {
                    0 => {
                        for attribute in &family.attributes {
                            if !variant.levels.iter().any(|level| level.contains(attribute)) {
                                self.value(&place, *attribute, &mut random, &mut values);
                            }
                        }
                    }
                    level => {
                        let axes = self.axis_options(
                            place.family,
                            place.variant.unwrap_or_default(),
                            level - 1,
                            place.unit,
                            place.combination,
                        );
                        for (attribute, option) in axes {
                            values.push(plain(attribute, Data::Option(option)));
                        }
                        for attribute in &variant.levels[level - 1] {
                            if !variant.axes[level - 1].contains(attribute) {
                                self.value(&place, *attribute, &mut random, &mut values);
                            }
                        }
                    }
                }
            }
            None => {
                for attribute in &family.attributes {
                    self.value(&place, *attribute, &mut random, &mut values);
                }
            }
        }
        values
    }

    /// The categories that a node itself is in; variants inherit.
    pub(crate) fn own_categories(&self, node: Node) -> Vec<usize> {
        let place = self.place(node);
        if place.level > 0 || self.categories.len() < 2 {
            return Vec::new();
        }
        let mut random = Random::new(self.seed, 0x3_0000_0000 + u64::from(place.unit));
        // Some products are in very many categories.
        let count = if place.unit % 47 == 5 {
            40
        } else {
            random.between(1, 3)
        };
        let mut list: Vec<usize> = (0..count)
            .map(|_| 1 + random.below(self.categories.len() - 1))
            .collect();
        list.sort_unstable();
        list.dedup();
        list
    }

    fn value<'a>(
        &'a self,
        place: &Place,
        attribute: usize,
        random: &mut Random,
        values: &mut Vec<Datum<'a>>,
    ) {
        let definition = &self.attributes[attribute];
        match definition.code.as_str() {
            // The identifier has a place of its own.
            "sku" => {}
            "name" => localized(attribute, place, values, |german| name(place, german)),
            "description" => localized(attribute, place, values, |german| {
                description(self.seed, place, german)
            }),
            "teaser" => {
                for scope in ["web", "print"] {
                    let (english, german) = random.pick(SENTENCES);
                    for (locale, text) in [("de_DE", german), ("en_US", english)] {
                        values.push(Datum {
                            attribute,
                            locale: Some(locale),
                            scope: Some(scope),
                            data: Data::Text((*text).to_owned()),
                        });
                    }
                }
            }
            "price" => prices(attribute, place, random, values),
            // Without it the receiver has to fall back on its standard.
            "tax_class" if place.unit % 31 == 4 => {}
            "stock" => {
                let stock = random.below(500) as i64;
                values.push(plain(attribute, Data::Whole(stock)));
            }
            "image" if place.unit % 13 == 6 => {}
            "ean" => {
                let ean = 4_000_000_000_000 + random.below(999_999_999) as u64;
                values.push(plain(attribute, Data::Text(ean.to_string())));
            }
            "eco" | "brand" | "tax_class" | "image" => {
                let data = any(definition, place, random);
                values.push(plain(attribute, data));
            }
            _ if random.percent(35) => {}
            _ if definition.localizable => {
                localized(attribute, place, values, |german| {
                    let word = if german { "Wert" } else { "Value" };
                    format!("{word} {}", place.unit % 50)
                });
            }
            _ => {
                let data = any(definition, place, random);
                values.push(plain(attribute, data));
            }
        }
    }
}

fn plain(attribute: usize, data: Data<'_>) -> Datum<'_> {
    Datum {
        attribute,
        locale: None,
        scope: None,
        data,
    }
}

/// Both languages, or one of them where the translation is missing.
fn localized(attribute: usize, place: &Place, values: &mut Vec<Datum<'_>>, text: impl Fn(bool) -> String) {
    let only = match place.unit % 53 {
        9 => Some("de_DE"),
        21 => Some("en_US"),
        _ => None,
    };
    for locale in ["de_DE", "en_US"] {
        if only.is_none_or(|only| only == locale) {
            values.push(Datum {
                attribute,
                locale: Some(locale),
                scope: None,
                data: Data::Text(text(locale == "de_DE")),
            });
        }
    }
}

fn name(place: &Place, german: bool) -> String {
    let noun = &NOUNS[place.family];
    let (english_word, german_word) = ADJECTIVES[place.unit as usize % ADJECTIVES.len()];
    let plain = if german {
        format!("{} {german_word} {}", noun.german, place.unit)
    } else {
        format!("{english_word} {} {}", noun.english, place.unit)
    };
    match place.unit % 97 {
        3 => format!("{plain} 🚲✨ “№1”"),
        17 => format!("{plain} <b>new</b> & more"),
        29 if !german => format!("كرسي مريح {}", place.unit),
        41 if german => format!("כיסא {} נוח", place.unit),
        61 => format!("  {plain}\u{a0}/\u{200b} 50% \\ \"x\" 'y'"),
        _ => plain,
    }
}

fn description(seed: u64, place: &Place, german: bool) -> String {
    let mut random = Random::new(seed, 0x4_0000_0000 + u64::from(place.unit));
    let sentence = |random: &mut Random| {
        let (english, translated) = random.pick(SENTENCES);
        if german { *translated } else { *english }
    };
    let count = random.between(2, 5);
    let mut text: Vec<&str> = (0..count).map(|_| sentence(&mut random)).collect();
    // Up to 60 kB, which columns and batches must bear.
    if place.unit % 211 == 100 {
        while text.len() < 2600 {
            text.push(sentence(&mut random));
        }
        let mut long = text.join(" ");
        let end = (0..=long.len().min(60_000))
            .rev()
            .find(|end| long.is_char_boundary(*end))
            .unwrap_or(0);
        long.truncate(end);
        return long;
    }
    match place.unit % 101 {
        7 => format!(
            "<p>{}</p>\n<ul><li>1 &lt; 2</li></ul><script>alert('x')</script>",
            text.join("</p><p>")
        ),
        19 => format!("{}\r\n\t😀 👩‍👩‍👧 \u{1d11e}", text.join("\n")),
        _ => text.join(" "),
    }
}

/// Amounts as text, for both channels.
fn prices(attribute: usize, place: &Place, random: &mut Random, values: &mut Vec<Datum<'_>>) {
    // A price is not a duty.
    if place.unit % 61 == 2 {
        return;
    }
    let cents = random.between(199, 99_900);
    let amount = |cents: usize| format!("{}.{:02}", cents / 100, cents % 100);
    for (scope, factor) in [("web", 100), ("print", 105)] {
        let euro = cents * factor / 100;
        values.push(Datum {
            attribute,
            locale: None,
            scope: Some(scope),
            data: Data::Prices(vec![
                (amount(euro), "EUR"),
                (amount(euro * 108 / 100), "CHF"),
                (amount(euro * 110 / 100), "USD"),
            ]),
        });
    }
}

fn any<'a>(definition: &'a super::Attribute, place: &Place, random: &mut Random) -> Data<'a> {
    let options = &definition.options;
    match definition.kind {
        Kind::Identifier | Kind::Text | Kind::Textarea => {
            Data::Text(format!("{} {}", definition.code, random.below(1000)))
        }
        Kind::Number { decimals: true } => {
            Data::Decimal(format!("{}.{:04}", random.below(500), random.below(10_000)))
        }
        Kind::Number { decimals: false } => Data::Whole(random.below(1000) as i64),
        Kind::Flag => Data::Flag(random.percent(50)),
        Kind::Date => Data::Text(format!(
            "20{:02}-{:02}-{:02}T00:00:00+00:00",
            random.between(20, 27),
            random.between(1, 12),
            random.between(1, 28)
        )),
        Kind::Price => Data::Prices(Vec::new()),
        Kind::Metric => Data::Metric(
            format!("{}.{:04}", random.below(90), random.below(10_000)),
            "KILOGRAM",
        ),
        Kind::Select => Data::Option(&options[random.below(options.len())].code),
        Kind::Multiselect => {
            let first = random.below(options.len());
            let count = random.between(1, 3).min(options.len());
            let mut picked: Vec<&str> = (first..first + count)
                .map(|place| options[place % options.len()].code.as_str())
                .collect();
            picked.sort_unstable();
            Data::Options(picked)
        }
        Kind::Image | Kind::File => Data::Media(media_code(place.node, definition.kind, random)),
    }
}

/// `0/1/2/3/<hex>_p17.png`; the end says whose it is.
fn media_code(node: Node, kind: Kind, random: &mut Random) -> String {
    let hash = format!("{:016x}{:016x}", random.next(), random.next());
    let (letter, number) = match node {
        Node::Model(model) => ('m', model),
        Node::Product(product) => ('p', product),
    };
    let ending = if kind == Kind::Image { "png" } else { "pdf" };
    let folders: String = hash.chars().take(4).flat_map(|c| [c, '/']).collect();
    format!("{folders}{hash}_{letter}{number}.{ending}")
}
