//! Everything besides products as JSON, made once: it is small, and written as it is read.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::state::{Collections, time_text};
use crate::catalogue::{Attribute, Catalogue, Family, FamilyVariant, Kind, Labels};

pub(super) fn labels(labels: &Labels) -> Value {
    let mut map = Map::new();
    for (locale, text) in [("en_US", &labels.english), ("de_DE", &labels.german)] {
        if let Some(text) = text {
            map.insert(locale.to_owned(), text.as_str().into());
        }
    }
    map.into()
}

fn collection(items: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    items
        .into_iter()
        .map(|item| (item["code"].as_str().unwrap_or_default().to_owned(), item))
        .collect()
}

pub(super) fn collections(base: &Catalogue) -> Collections {
    let mut all = Collections::new();
    let mut add = |path: &str, items: Vec<Value>| {
        all.insert(path.to_owned(), collection(items));
    };
    let categories = base.categories.iter().enumerate().map(|(position, category)| {
        json!({
            "code": category.code,
            "parent": category.parent.map(|parent| base.categories[parent].code.as_str()),
            "updated": time_text(category.updated),
            "position": position + 1,
            "labels": labels(&category.labels),
            "values": {},
        })
    });
    add("categories", categories.collect());
    let attributes = base.attributes.iter().enumerate();
    add(
        "attributes",
        attributes
            .map(|(order, attribute)| attribute_json(order, attribute))
            .collect(),
    );
    for attribute in &base.attributes {
        if !matches!(attribute.kind, Kind::Select | Kind::Multiselect) {
            continue;
        }
        let options = attribute.options.iter().enumerate().map(|(order, option)| {
            json!({
                "code": option.code,
                "attribute": attribute.code,
                "sort_order": order + 1,
                "labels": labels(&option.labels),
            })
        });
        add(
            &format!("attributes/{}/options", attribute.code),
            options.collect(),
        );
    }
    let families = base.families.iter();
    add(
        "families",
        families.map(|family| family_json(base, family)).collect(),
    );
    for family in &base.families {
        let variants = family
            .variants
            .iter()
            .map(|variant| variant_json(base, family, variant));
        add(&format!("families/{}/variants", family.code), variants.collect());
    }
    let channel = |code: &str, english: &str, german: &str, currencies: &[&str]| {
        json!({
            "code": code,
            "currencies": currencies,
            "locales": ["de_DE", "en_US"],
            "category_tree": "master",
            "conversion_units": {},
            "labels": { "en_US": english, "de_DE": german },
        })
    };
    add(
        "channels",
        vec![
            channel("web", "Web shop", "Webshop", &["EUR", "CHF", "USD"]),
            channel("print", "Print", "Druck", &["EUR", "CHF", "USD"]),
        ],
    );
    let on = |code: &str, enabled: bool| json!({ "code": code, "enabled": enabled });
    add(
        "locales",
        vec![on("de_DE", true), on("en_US", true), on("fr_FR", false)],
    );
    add(
        "currencies",
        vec![
            on("EUR", true),
            on("CHF", true),
            on("USD", true),
            on("GBP", false),
        ],
    );
    add(
        "attribute-groups",
        vec![group("general", 1), group("technical", 2), group("other", 100)],
    );
    add(
        "association-types",
        vec![
            json!({ "code": "X_SELL", "labels": { "en_US": "Cross sell" }, "is_quantified": false, "is_two_way": false }),
        ],
    );
    all.insert("measurement-families".to_owned(), measurements());
    all
}

fn group(code: &str, order: u32) -> Value {
    json!({ "code": code, "sort_order": order, "attributes": [], "labels": { "en_US": code } })
}

fn measurements() -> BTreeMap<String, Value> {
    let unit = |code: &str, symbol: &str, factor: &str| {
        json!({
            "code": code,
            "labels": { "en_US": code },
            "convert_from_standard": [{ "operator": "mul", "value": factor }],
            "symbol": symbol,
        })
    };
    let family = json!({
        "code": "Weight",
        "labels": { "en_US": "Weight", "de_DE": "Gewicht" },
        "standard_unit_code": "KILOGRAM",
        "units": { "KILOGRAM": unit("KILOGRAM", "kg", "1"), "GRAM": unit("GRAM", "g", "0.001") },
    });
    collection([family])
}

fn attribute_json(order: usize, attribute: &Attribute) -> Value {
    let kind = attribute.kind;
    let media = matches!(kind, Kind::Image | Kind::File);
    json!({
        "code": attribute.code,
        "type": kind.name(),
        "group": if order < 19 { "general" } else { "technical" },
        "unique": kind == Kind::Identifier,
        "useable_as_grid_filter": true,
        "allowed_extensions": if kind == Kind::Image { json!(["png"]) } else if media { json!(["pdf"]) } else { json!([]) },
        "metric_family": (kind == Kind::Metric).then_some("Weight"),
        "default_metric_unit": (kind == Kind::Metric).then_some("KILOGRAM"),
        "reference_data_name": null,
        "available_locales": [],
        "max_characters": null,
        "validation_rule": null,
        "validation_regexp": null,
        "wysiwyg_enabled": (kind == Kind::Textarea).then_some(true),
        "number_min": null,
        "number_max": null,
        "decimals_allowed": match kind {
            Kind::Number { decimals } => Some(decimals),
            Kind::Price | Kind::Metric => Some(true),
            _ => None,
        },
        "negative_allowed": matches!(kind, Kind::Number { .. } | Kind::Metric).then_some(false),
        "date_min": null,
        "date_max": null,
        "max_file_size": null,
        "minimum_input_length": null,
        "sort_order": order,
        "localizable": attribute.localizable,
        "scopable": attribute.scopable,
        "labels": labels(&attribute.labels),
        "auto_option_sorting": null,
        "default_value": null,
        "updated": time_text(attribute.updated),
    })
}

fn codes(base: &Catalogue, attributes: &[usize]) -> Vec<String> {
    attributes
        .iter()
        .map(|attribute| base.attributes[*attribute].code.clone())
        .collect()
}

fn family_json(base: &Catalogue, family: &Family) -> Value {
    json!({
        "code": family.code,
        "attributes": codes(base, &family.attributes),
        "attribute_as_label": "name",
        "attribute_as_image": "image",
        "attribute_requirements": { "web": ["sku", "name"], "print": ["sku"] },
        "labels": labels(&family.labels),
        "updated": time_text(family.updated),
    })
}

fn variant_json(base: &Catalogue, family: &Family, variant: &FamilyVariant) -> Value {
    let sets: Vec<Value> = variant
        .axes
        .iter()
        .zip(&variant.levels)
        .enumerate()
        .map(|(level, (axes, attributes))| {
            json!({
                "level": level + 1,
                "axes": codes(base, axes),
                "attributes": codes(base, attributes),
            })
        })
        .collect();
    let common: Vec<usize> = family
        .attributes
        .iter()
        .copied()
        .filter(|attribute| !variant.levels.iter().any(|level| level.contains(attribute)))
        .collect();
    json!({
        "code": variant.code,
        "labels": labels(&family.labels),
        "common_attributes": codes(base, &common),
        "variant_attribute_sets": sets,
    })
}
