//! Changes on demand, past the rules of the API where a demonstration needs broken content.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::render::{own_list, shown_list};
use super::state::{Patch, State, time_text};
use super::writes::merge;

/// Longer than any column for names.
const NAME_TOO_LONG: usize = 300;

/// One change, chosen by `kind`; the answer names what was changed.
pub(super) fn change(state: &mut State, change: &Value) -> Result<Value, String> {
    let text = |name: &str| change[name].as_str();
    let need = |name: &str| text(name).ok_or_else(|| format!("The change needs `{name}`."));
    match text("kind").unwrap_or_default() {
        "set_value" => {
            let (key, attribute) = (entry_key(change)?, need("attribute")?);
            if change["data"].is_null() {
                return Err("The change needs `data`.".to_owned());
            }
            let value =
                json!({ "locale": change["locale"], "scope": change["scope"], "data": change["data"] });
            set_value(state, key, attribute, |list| merge(list, &value))?;
            Ok(json!({ "identifiers": [key] }))
        }
        "set_enabled" => {
            let key = entry_key(change)?;
            let place = state.products.get(key).ok_or_else(|| missing(key))?;
            state.products.entries[place as usize].enabled = change["enabled"].as_bool().unwrap_or(true);
            state.touch_product(place);
            Ok(json!({ "identifiers": [key] }))
        }
        "move_category" => {
            let code = need("code")?;
            move_category(state, code, text("parent"))?;
            Ok(json!({ "code": code, "parent": change["parent"] }))
        }
        "change_variants" => {
            let count = change["count"].as_u64().unwrap_or(10) as usize;
            let attribute = text("attribute").unwrap_or("stock");
            change_variants(state, count, attribute)
        }
        "break_price" => {
            let key = chosen(state, text("identifier"), "price")?;
            break_price(state, &key)?;
            Ok(json!({ "identifier": key, "identifiers": [key], "attribute": "price" }))
        }
        "refuse" => {
            let key = chosen(state, text("identifier"), "name")?;
            let long = "x".repeat(NAME_TOO_LONG);
            set_value(state, &key, "name", |list| {
                for value in list.iter_mut() {
                    value["data"] = format!("{long} {}", value["locale"].as_str().unwrap_or_default()).into();
                }
            })?;
            state
                .broken
                .entry(key.clone())
                .or_default()
                .push("name".to_owned());
            Ok(json!({ "identifier": key, "identifiers": [key], "attribute": "name" }))
        }
        "repair" => repair(state, text("identifier")),
        "add_axis" => {
            let (family, variant, axis) = (need("family")?, need("variant")?, need("axis")?);
            let level = change["level"].as_u64().unwrap_or(1) as usize;
            add_axis(state, family, variant, axis, level)?;
            Ok(json!({ "family": family, "variant": variant, "axis": axis, "level": level }))
        }
        other => Err(format!(
            "`{other}` is no change of this simulator; it knows set_value, set_enabled, move_category, change_variants, break_price, refuse, repair, add_axis."
        )),
    }
}

fn missing(key: &str) -> String {
    format!("There is no product or product model `{key}`.")
}

fn entry_key(change: &Value) -> Result<&str, String> {
    change["identifier"]
        .as_str()
        .or_else(|| change["code"].as_str())
        .ok_or_else(|| "The change needs `identifier` (product) or `code` (model).".to_owned())
}

/// Changes the value list that an entry itself holds, and its time.
fn set_value(
    state: &mut State,
    key: &str,
    attribute: &str,
    edit: impl FnOnce(&mut Vec<Value>),
) -> Result<(), String> {
    if !state
        .collection("attributes")
        .is_some_and(|all| all.contains_key(attribute))
    {
        return Err(format!("There is no attribute `{attribute}`."));
    }
    let (product, model) = (state.products.get(key), state.models.get(key));
    let entry = match (product, model) {
        (Some(place), _) => &state.products.entries[place as usize],
        (None, Some(place)) => &state.models.entries[place as usize],
        (None, None) => return Err(missing(key)),
    };
    let mut list = shown_list(state, entry, attribute);
    edit(&mut list);
    let entry = match (product, model) {
        (Some(place), _) => &mut state.products.entries[place as usize],
        (None, Some(place)) => &mut state.models.entries[place as usize],
        (None, None) => return Err(missing(key)),
    };
    let patch = entry.patch.get_or_insert_with(|| Box::new(Patch::default()));
    patch.values.insert(attribute.to_owned(), list.into());
    match (product, model) {
        (Some(place), _) => state.touch_product(place),
        (None, Some(place)) => state.touch_model(place),
        (None, None) => {}
    }
    Ok(())
}

fn move_category(state: &mut State, code: &str, parent: Option<&str>) -> Result<(), String> {
    let known = |state: &State, code: &str| {
        state
            .collection("categories")
            .is_some_and(|all| all.contains_key(code))
    };
    if !known(state, code) {
        return Err(format!("There is no category `{code}`."));
    }
    let mut above = parent.map(str::to_owned);
    while let Some(place) = above {
        if !known(state, &place) {
            return Err(format!("There is no category `{place}`."));
        }
        if place == code {
            return Err(format!("`{code}` cannot hang below itself."));
        }
        above = state
            .collection("categories")
            .and_then(|all| all[&place]["parent"].as_str())
            .map(str::to_owned);
    }
    let now = time_text(state.tick());
    if let Some(category) = state
        .collections
        .get_mut("categories")
        .and_then(|all| all.get_mut(code))
    {
        category["parent"] = parent.into();
        category["updated"] = now.into();
    }
    Ok(())
}

/// One variant each of different root models gets another number.
fn change_variants(state: &mut State, count: usize, attribute: &str) -> Result<Value, String> {
    let mut roots = BTreeSet::new();
    let mut keys = Vec::new();
    for entry in &state.products.entries {
        if keys.len() == count {
            break;
        }
        let chain = state.parents(entry.parent);
        let Some(root) = chain.first() else {
            continue;
        };
        if entry.enabled && roots.insert(root.key.clone()) {
            keys.push(entry.key.to_string());
        }
    }
    if keys.len() < count {
        return Err(format!("There are only {} models with variants.", keys.len()));
    }
    for key in &keys {
        set_value(state, key, attribute, |list| {
            let old = list.first().map_or(0, |value| match &value["data"] {
                Value::String(text) => text.parse::<f64>().unwrap_or(0.0) as i64,
                other => other.as_i64().unwrap_or(0),
            });
            *list = vec![json!({ "locale": null, "scope": null, "data": old + 1000 })];
        })?;
    }
    Ok(json!({ "attribute": attribute, "identifiers": keys }))
}

/// The product asked for, or the first simple enabled one that holds the attribute and is whole.
fn chosen(state: &State, asked: Option<&str>, attribute: &str) -> Result<String, String> {
    if let Some(key) = asked {
        let place = state.products.get(key).ok_or_else(|| missing(key))?;
        let own = own_list(state, &state.products.entries[place as usize], attribute);
        if own.is_empty() {
            return Err(format!(
                "`{key}` itself holds no `{attribute}`; choose a simple product."
            ));
        }
        return Ok(key.to_owned());
    }
    state
        .products
        .entries
        .iter()
        .find(|entry| {
            entry.parent.is_none()
                && entry.enabled
                && !state.broken.contains_key(&*entry.key)
                && !own_list(state, entry, attribute).is_empty()
        })
        .map(|entry| entry.key.to_string())
        .ok_or_else(|| format!("There is no simple product with `{attribute}`."))
}

fn break_price(state: &mut State, key: &str) -> Result<(), String> {
    set_value(state, key, "price", |list| {
        for value in list.iter_mut() {
            for price in value["data"].as_array_mut().into_iter().flatten() {
                price["amount"] = "abc".into();
            }
        }
    })?;
    state
        .broken
        .entry(key.to_owned())
        .or_default()
        .push("price".to_owned());
    Ok(())
}

/// Gives one broken product, or all of them, the values they had.
fn repair(state: &mut State, key: Option<&str>) -> Result<Value, String> {
    let keys: Vec<String> = match key {
        Some(key) if !state.broken.contains_key(key) => {
            return Err(format!("`{key}` is not broken."));
        }
        Some(key) => vec![key.to_owned()],
        None => state.broken.keys().cloned().collect(),
    };
    for key in &keys {
        let attributes = state.broken.remove(key).unwrap_or_default();
        let place = state.products.get(key).ok_or_else(|| missing(key))?;
        if let Some(patch) = &mut state.products.entries[place as usize].patch {
            for attribute in attributes {
                patch.values.shift_remove(&attribute);
            }
        }
        state.touch_product(place);
    }
    Ok(json!({ "identifiers": keys }))
}

/// A family variant gets one more axis, and the family the attribute.
fn add_axis(state: &mut State, family: &str, variant: &str, axis: &str, level: usize) -> Result<(), String> {
    if !state
        .collection("attributes")
        .is_some_and(|all| all.contains_key(axis))
    {
        return Err(format!("There is no attribute `{axis}`."));
    }
    let now = time_text(state.tick());
    let item = state
        .collections
        .get_mut(&format!("families/{family}/variants"))
        .and_then(|all| all.get_mut(variant))
        .ok_or_else(|| format!("There is no variant `{variant}` of a family `{family}`."))?;
    let set = item["variant_attribute_sets"]
        .as_array_mut()
        .and_then(|sets| sets.get_mut(level.max(1) - 1))
        .ok_or_else(|| format!("`{variant}` has no level {level}."))?;
    for name in ["axes", "attributes"] {
        if let Some(list) = set[name].as_array_mut()
            && !list.iter().any(|have| have == axis)
        {
            list.push(axis.into());
        }
    }
    if let Some(common) = item["common_attributes"].as_array_mut() {
        common.retain(|have| have != axis);
    }
    if let Some(family) = state
        .collections
        .get_mut("families")
        .and_then(|all| all.get_mut(family))
    {
        if let Some(list) = family["attributes"].as_array_mut()
            && !list.iter().any(|have| have == axis)
        {
            list.push(axis.into());
        }
        family["updated"] = now.into();
    }
    Ok(())
}
