//! Models and products: which there are, with what keys, under which parents. A unit is a simple
//! product, a model with variants, or a model with models with variants.

use super::words::NOUNS;
use super::{Catalogue, EPOCH, SPREAD};
use crate::random::Random;

#[derive(Debug, Clone)]
pub(crate) struct ModelHead {
    pub(crate) code: Box<str>,
    pub(crate) unit: u32,
    pub(crate) family: u8,
    pub(crate) variant: u8,
    pub(crate) parent: Option<u32>,
    /// Which combination of axes it stands for; 0 for a root.
    pub(crate) combination: u16,
    pub(crate) updated: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct ProductHead {
    pub(crate) identifier: Box<str>,
    pub(crate) unit: u32,
    pub(crate) family: u8,
    pub(crate) parent: Option<u32>,
    pub(crate) combination: u16,
    pub(crate) enabled: bool,
    pub(crate) updated: i64,
}

pub(super) fn fill(catalogue: &mut Catalogue, products: usize) {
    let mut random = Random::new(catalogue.seed, 0x0417);
    let mut unit = 0;
    while catalogue.products.len() < products {
        let left = products - catalogue.products.len();
        unit += 1;
        let family = random.below(NOUNS.len());
        let roll = random.below(100);
        let root = root_key(NOUNS[family].code, unit);
        if left < 2 || roll < 30 {
            product(catalogue, &mut random, root, unit, family, None, 0);
        } else if roll < 70 {
            let variant = random.below(2);
            let model = model(catalogue, &mut random, root, unit, family, variant, None, 0);
            let count = random.between(2, 8).min(left);
            variants(catalogue, &mut random, model, 0, count);
        } else {
            let top = model(catalogue, &mut random, root, unit, family, 2, None, 0);
            let mut left = left;
            for combination in 0..random.between(2, 4) {
                if left == 0 {
                    break;
                }
                let key = child_key(catalogue, top, 0, combination);
                let under = model(
                    catalogue,
                    &mut random,
                    key,
                    unit,
                    family,
                    2,
                    Some(top),
                    combination,
                );
                let count = random.between(2, 4).min(left);
                left -= count;
                variants(catalogue, &mut random, under, 1, count);
            }
        }
    }
}

/// Now and then a key with characters that are legal and unusual.
fn root_key(code: &str, unit: u32) -> String {
    if !unit.is_multiple_of(89) {
        return format!("{code}-{unit:05}");
    }
    match unit / 89 % 5 {
        0 => format!("{code}/{unit:05}"),
        1 => format!("{code} {unit:05} (alt)"),
        2 => format!("Größe-{code}-{unit:05}"),
        3 => format!("{code}+{unit:05}&co#1"),
        _ => format!("{code}'{unit:05}\"x\"%41"),
    }
}

fn some_time(random: &mut Random) -> i64 {
    EPOCH + random.below(SPREAD as usize) as i64
}

#[expect(clippy::too_many_arguments, reason = "the columns of one row")]
fn model(
    catalogue: &mut Catalogue,
    random: &mut Random,
    code: String,
    unit: u32,
    family: usize,
    variant: usize,
    parent: Option<u32>,
    combination: usize,
) -> u32 {
    catalogue.models.push(ModelHead {
        code: code.into(),
        unit,
        family: family as u8,
        variant: variant as u8,
        parent,
        combination: combination as u16,
        updated: some_time(random),
    });
    (catalogue.models.len() - 1) as u32
}

fn product(
    catalogue: &mut Catalogue,
    random: &mut Random,
    identifier: String,
    unit: u32,
    family: usize,
    parent: Option<u32>,
    combination: usize,
) {
    let number = catalogue.products.len();
    catalogue.products.push(ProductHead {
        identifier: identifier.into(),
        unit,
        family: family as u8,
        parent,
        combination: combination as u16,
        enabled: number % 23 != 7,
        updated: some_time(random),
    });
}

fn variants(catalogue: &mut Catalogue, random: &mut Random, parent: u32, level: usize, count: usize) {
    let head = catalogue.models[parent as usize].clone();
    for combination in 0..count {
        let key = child_key(catalogue, parent, level, combination);
        product(
            catalogue,
            random,
            key,
            head.unit,
            usize::from(head.family),
            Some(parent),
            combination,
        );
    }
}

/// The key of the parent and the options of the axes: `tee-00042-red-m`.
fn child_key(catalogue: &Catalogue, parent: u32, level: usize, combination: usize) -> String {
    let head = &catalogue.models[parent as usize];
    let options = catalogue.axis_options(
        usize::from(head.family),
        usize::from(head.variant),
        level,
        head.unit,
        combination,
    );
    let mut key = head.code.to_string();
    for (_, option) in options {
        key.push('-');
        key.push_str(option);
    }
    key
}

impl Catalogue {
    /// The option of each axis that a combination stands for; combinations of one parent differ.
    pub(crate) fn axis_options(
        &self,
        family: usize,
        variant: usize,
        level: usize,
        unit: u32,
        combination: usize,
    ) -> Vec<(usize, &str)> {
        let axes = &self.families[family].variants[variant].axes[level];
        let mut rest = combination;
        axes.iter()
            .map(|axis| {
                let options = &self.attributes[*axis].options;
                let place = (rest + unit as usize) % options.len();
                // With two axes the first takes two values and the second runs through all.
                if axes.len() > 1 && *axis == axes[0] {
                    let place = (combination % 2 + unit as usize) % options.len();
                    rest = combination / 2;
                    return (*axis, options[place].code.as_str());
                }
                (*axis, options[place].code.as_str())
            })
            .collect()
    }
}
