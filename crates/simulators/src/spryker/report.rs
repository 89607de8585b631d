//! The judgement of the shop's own content: nothing points nowhere, nothing is there twice, nothing
//! was created twice, nothing is half done.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::cell::Cell;
use super::definition::Definitions;
use super::store::{Store, natural_text};

/// How many findings of one kind are named.
const NAMED_MAX: usize = 20;

/// Rows of the first without any row of the second: half-done work.
/// (resource, child, field of the child, what is missing)
const PARTS: &[(&str, &str, &str, &str)] = &[
    (
        "categories",
        "category-nodes",
        "fk_category",
        "a place in the tree",
    ),
    ("categories", "category-attributes", "fk_category", "a name"),
    ("categories", "category-stores", "fk_category", "a store"),
    (
        "product-abstracts",
        "product-abstract-localized-attributes",
        "fk_product_abstract",
        "a name",
    ),
    (
        "product-abstracts",
        "product-abstract-stores",
        "fk_product_abstract",
        "a store",
    ),
    (
        "product-abstracts",
        "products",
        "fk_product_abstract",
        "a concrete product",
    ),
    ("products", "product-localized-attributes", "fk_product", "a name"),
    (
        "price-products",
        "price-product-stores",
        "fk_price_product",
        "an amount",
    ),
    (
        "price-product-stores",
        "price-product-defaults",
        "fk_price_product_store",
        "a default",
    ),
    (
        "product-attribute-keys",
        "product-management-attributes",
        "fk_product_attribute_key",
        "an input type",
    ),
    (
        "product-images",
        "product-image-set-to-product-images",
        "fk_product_image",
        "an image set",
    ),
    (
        "product-image-sets",
        "product-image-set-to-product-images",
        "fk_product_image_set",
        "an image",
    ),
];

/// The report; `clean` speaks about wrong rows, `gaps` about missing ones.
pub(crate) fn report(store: &mut Store, definitions: &Definitions) -> Value {
    let (dangling, dangling_total) = dangling(store, definitions);
    let (duplicates, duplicates_total) = duplicates(store, definitions);
    let gaps = gaps(store, definitions);
    let twice: Vec<Value> = store
        .twice
        .iter()
        .map(|(table, key)| json!({ "resource": definitions.resources[*table].name, "key": key }))
        .collect();
    let mut sentences = Vec::new();
    if dangling_total > 0 {
        sentences.push(format!(
            "{dangling_total} foreign keys point to rows that do not exist."
        ));
    }
    if duplicates_total > 0 {
        sentences.push(format!(
            "{duplicates_total} rows repeat the natural key of another row."
        ));
    }
    if store.twice_total > 0 {
        sentences.push(format!("{} rows were created a second time.", store.twice_total));
    }
    let clean = sentences.is_empty();
    if clean {
        sentences.push("Every foreign key has its row, and nothing exists or was created twice.".to_owned());
    }
    let complete = gaps.is_empty();
    sentences.extend(
        gaps.iter()
            .filter_map(|gap| gap["sentence"].as_str().map(str::to_owned)),
    );
    let counts: Map<String, Value> = counted(definitions, |table| store.tables[table].len() as u64);
    let created: Map<String, Value> = counted(definitions, |table| store.created_total[table]);
    let count = |name: &str| counts.get(name).cloned().unwrap_or_else(|| 0.into());
    json!({
        "simulator": "spryker",
        "clean": clean,
        "complete": complete,
        "sentences": sentences,
        "totals": {
            "categories": count("categories"),
            "attributes": count("product-attribute-keys"),
            "abstracts": count("product-abstracts"),
            "concretes": count("products"),
        },
        "dangling": { "total": dangling_total, "rows": dangling },
        "duplicates": { "total": duplicates_total, "rows": duplicates },
        "created_twice": { "total": store.twice_total, "rows": twice },
        "gaps": gaps,
        "created": created,
        "counts": counts,
    })
}

fn counted(definitions: &Definitions, count: impl Fn(usize) -> u64) -> Map<String, Value> {
    definitions
        .resources
        .iter()
        .enumerate()
        .filter(|(table, _)| count(*table) > 0)
        .map(|(table, resource)| (resource.name.clone(), count(table).into()))
        .collect()
}

fn dangling(store: &Store, definitions: &Definitions) -> (Vec<Value>, u64) {
    let (mut named, mut total) = (Vec::new(), 0);
    for (table, resource) in definitions.resources.iter().enumerate() {
        for (position, field) in resource.fields.iter().enumerate() {
            let Some(parent) = field.references else {
                continue;
            };
            for (_, row) in store.tables[table].rows() {
                let cell = &row[position];
                let found = match cell {
                    Cell::Null => true,
                    cell => cell
                        .as_int()
                        .is_some_and(|id| store.tables[parent].by_id(id).is_some()),
                };
                if found {
                    continue;
                }
                total += 1;
                if named.len() < NAMED_MAX {
                    named.push(json!({
                        "resource": resource.name,
                        "id": row[resource.id].to_value(),
                        "field": field.name,
                        "value": cell.to_value(),
                    }));
                }
            }
        }
    }
    (named, total)
}

fn duplicates(store: &Store, definitions: &Definitions) -> (Vec<Value>, u64) {
    let (mut named, mut total) = (Vec::new(), 0);
    for (table, resource) in definitions.resources.iter().enumerate() {
        if resource.natural.is_empty() {
            continue;
        }
        let mut seen: HashMap<Vec<&Cell>, ()> = HashMap::new();
        for (_, row) in store.tables[table].rows() {
            let key: Vec<&Cell> = resource.natural.iter().map(|field| &row[*field]).collect();
            if seen.insert(key, ()).is_none() {
                continue;
            }
            total += 1;
            if named.len() < NAMED_MAX {
                named.push(json!({
                    "resource": resource.name,
                    "id": row[resource.id].to_value(),
                    "key": natural_text(definitions, table, row),
                }));
            }
        }
    }
    (named, total)
}

fn gaps(store: &mut Store, definitions: &Definitions) -> Vec<Value> {
    let mut gaps = Vec::new();
    for (resource, child, field, missing) in PARTS {
        let (Some(table), Some(child)) = (definitions.position(resource), definitions.position(child)) else {
            continue;
        };
        let Some(column) = definitions.resources[child].column(field) else {
            continue;
        };
        store.tables[child].ensure_index(column);
        let definition = &definitions.resources[table];
        let lonely: Vec<String> = store.tables[table]
            .rows()
            .filter(|(_, row)| store.tables[child].slots(column, &row[definition.id]).is_none())
            .map(|(_, row)| natural_text(definitions, table, row))
            .collect();
        if lonely.is_empty() {
            continue;
        }
        let sentence = format!(
            "{} rows of {resource} lack {missing}, for example {}.",
            lonely.len(),
            lonely[0]
        );
        gaps.push(json!({
            "resource": resource,
            "missing": missing,
            "total": lonely.len(),
            "rows": lonely.iter().take(NAMED_MAX).collect::<Vec<_>>(),
            "sentence": sentence,
        }));
    }
    gaps
}

/// The keys of one kind, sorted.
pub(crate) fn keys(store: &Store, definitions: &Definitions, kind: &str) -> Option<Vec<String>> {
    let (resource, field) = match kind {
        "categories" => ("categories", "category_key"),
        "attributes" => ("product-attribute-keys", "key"),
        "abstracts" => ("product-abstracts", "sku"),
        "concretes" => ("products", "sku"),
        _ => return None,
    };
    let table = definitions.position(resource)?;
    let column = definitions.resources[table].column(field)?;
    let mut keys: Vec<String> = store.tables[table]
        .rows()
        .map(|(_, row)| row[column].shown())
        .collect();
    keys.sort_unstable();
    Some(keys)
}
