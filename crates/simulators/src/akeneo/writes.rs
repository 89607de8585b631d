//! POST and PATCH: one entity, or one JSON object per line with a status per line.

use serde_json::{Map, Value, json};

use super::answer::{error, origin};
use super::lists::View;
use super::render::{encoded, shown_list};
use super::state::{Entry, Patch, State, time_text, uuid, uuid_number, uuid_text};
use crate::front::{Incoming, Reply};

/// Most lines of a collection.
const LINES_MAX: usize = 100;
/// Most bytes of a line.
const LINE_MAX: usize = 1_000_000;

/// What is written to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    Entry(View),
    /// A small collection and its path.
    Item(&'a str),
}

/// Why an entity is refused.
pub(super) struct Refused {
    status: u16,
    message: String,
    /// Property and message.
    errors: Vec<(String, String)>,
}

fn refused(property: &str, message: impl Into<String>) -> Refused {
    Refused {
        status: 422,
        message: "Validation failed.".to_owned(),
        errors: vec![(property.to_owned(), message.into())],
    }
}

impl Refused {
    fn value(&self) -> Value {
        let mut value = json!({ "code": self.status, "message": self.message });
        if !self.errors.is_empty() {
            value["errors"] = self
                .errors
                .iter()
                .map(|(property, message)| json!({ "property": property, "message": message }))
                .collect();
        }
        value
    }
}

/// Whether the entity is new, and its key.
type Written = Result<(bool, String), Refused>;

impl Target<'_> {
    fn key_name(self) -> &'static str {
        match self {
            Self::Entry(View::Products) => "identifier",
            Self::Entry(View::ProductsByUuid) => "uuid",
            _ => "code",
        }
    }

    fn path(self) -> String {
        match self {
            Self::Entry(View::Products) => "products".to_owned(),
            Self::Entry(View::ProductsByUuid) => "products-uuid".to_owned(),
            Self::Entry(View::Models) => "product-models".to_owned(),
            Self::Item(path) => path.to_owned(),
        }
    }

    fn exists(self, state: &State, key: &str) -> bool {
        match self {
            Self::Entry(view) => view.find(state, key).is_some(),
            Self::Item(path) => state
                .collection(path)
                .is_some_and(|items| items.contains_key(key)),
        }
    }

    fn write(self, state: &mut State, key: Option<&str>, sent: &Map<String, Value>) -> Written {
        match self {
            Self::Entry(view) => write_entry(state, view, key, sent),
            Self::Item(path) => write_item(state, path, key, sent),
        }
    }
}

/// `POST /products` and so on: creates, never changes.
pub(super) fn create(state: &mut State, target: Target<'_>, request: &Incoming) -> Reply {
    let sent = match object(&request.body) {
        Ok(sent) => sent,
        Err(reply) => return reply,
    };
    let key = sent.get(target.key_name()).and_then(Value::as_str);
    if let Some(key) = key.filter(|key| target.exists(state, key)) {
        let taken = refused(
            target.key_name(),
            format!("The value {key} is already set on another entity."),
        );
        return Reply::value(422, &taken.value());
    }
    match target.write(state, key, &sent) {
        Ok((_, key)) => located(request, target, &key, 201),
        Err(refused) => Reply::value(refused.status, &refused.value()),
    }
}

/// `PATCH /products/{key}`: creates (201) or changes (204).
pub(super) fn patch(state: &mut State, target: Target<'_>, key: &str, request: &Incoming) -> Reply {
    let sent = match object(&request.body) {
        Ok(sent) => sent,
        Err(reply) => return reply,
    };
    let other = sent.get(target.key_name()).and_then(Value::as_str);
    if let Some(other) = other.filter(|other| *other != key) {
        return error(
            422,
            &format!(
                "The {} \"{other}\" provided in the request body must match the {} \"{key}\" provided in the url.",
                target.key_name(),
                target.key_name()
            ),
        );
    }
    match target.write(state, Some(key), &sent) {
        Ok((new, key)) => located(request, target, &key, if new { 201 } else { 204 }),
        Err(refused) => Reply::value(refused.status, &refused.value()),
    }
}

fn located(request: &Incoming, target: Target<'_>, key: &str, status: u16) -> Reply {
    let location = format!(
        "{}/api/rest/v1/{}/{}",
        origin(request),
        target.path(),
        encoded(key)
    );
    Reply::empty(status).with("location", location)
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Reply> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        _ => Err(error(400, "Invalid json message received")),
    }
}

/// `PATCH /products`: each line has its own fate inside a 200.
pub(super) fn patch_lines(state: &mut State, target: Target<'_>, request: &Incoming) -> Reply {
    let lines: Vec<&[u8]> = request
        .body
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .collect();
    if lines.len() > LINES_MAX {
        return error(
            413,
            &format!("Too many resources to process, {LINES_MAX} is the maximum allowed."),
        );
    }
    let mut body = String::new();
    for (position, line) in lines.iter().enumerate() {
        if position > 0 {
            body.push('\n');
        }
        let answer = one_line(state, target, position + 1, line);
        body.push_str(&answer.to_string());
    }
    Reply::json(200, body).typed("application/vnd.akeneo.collection+json")
}

fn one_line(state: &mut State, target: Target<'_>, number: usize, line: &[u8]) -> Value {
    let fail =
        |status: u16, message: &str| json!({ "line": number, "status_code": status, "message": message });
    if line.len() > LINE_MAX {
        return fail(413, "Line is too long.");
    }
    let Ok(Value::Object(sent)) = serde_json::from_slice(line) else {
        return fail(400, "Invalid json message received");
    };
    let name = target.key_name();
    let key = sent.get(name).and_then(Value::as_str);
    if key.is_none() && name != "uuid" {
        return fail(422, &format!("{name} is missing."));
    }
    match target.write(state, key, &sent) {
        Ok((new, key)) => {
            let status = if new { 201 } else { 204 };
            json!({ "line": number, name: key, "status_code": status })
        }
        Err(refused) => {
            let mut answer = json!({ "line": number, name: key, "status_code": refused.status });
            let value = refused.value();
            answer["message"] = value["message"].clone();
            if !value["errors"].is_null() {
                answer["errors"] = value["errors"].clone();
            }
            answer
        }
    }
}

/// What an entry is to become; checked as a whole before anything is changed.
struct Draft {
    place: Option<u32>,
    parent: Option<u32>,
    values: Map<String, Value>,
}

fn write_entry(state: &mut State, view: View, key: Option<&str>, sent: &Map<String, Value>) -> Written {
    let place = key.and_then(|key| view.find(state, key));
    let draft = check_entry(state, view, place, sent)?;
    let place = match draft.place {
        Some(place) => place,
        None => new_entry(state, view, key, sent, draft.parent)?,
    };
    let moved = draft.parent;
    let shelf = match view {
        View::Models => &mut state.models,
        _ => &mut state.products,
    };
    let entry = &mut shelf.entries[place as usize];
    if let Some(enabled) = sent.get("enabled").and_then(Value::as_bool) {
        entry.enabled = enabled;
    }
    if let Some(family) = sent.get("family") {
        entry.family = family.as_str().map(Into::into);
    }
    if let Some(variant) = sent.get("family_variant").and_then(Value::as_str) {
        entry.family_variant = Some(variant.into());
    }
    if moved.is_some() {
        entry.parent = moved;
    }
    let patch = entry.patch.get_or_insert_with(|| Box::new(Patch::default()));
    patch.values.extend(draft.values);
    if let Some(Value::Array(list)) = sent.get("categories") {
        patch.categories = Some(
            list.iter()
                .filter_map(|code| code.as_str().map(str::to_owned))
                .collect(),
        );
    }
    for name in ["groups", "associations", "quantified_associations"] {
        if let Some(value) = sent.get(name) {
            patch.kept.insert(name.to_owned(), value.clone());
        }
    }
    let written = match view {
        View::ProductsByUuid => uuid_text(entry.uuid),
        _ => entry.key.to_string(),
    };
    match view {
        View::Models => state.touch_model(place),
        _ => state.touch_product(place),
    }
    Ok((draft.place.is_none(), written))
}

fn check_entry(
    state: &State,
    view: View,
    place: Option<u32>,
    sent: &Map<String, Value>,
) -> Result<Draft, Refused> {
    const KNOWN: &[&str] = &[
        "identifier",
        "uuid",
        "code",
        "enabled",
        "family",
        "family_variant",
        "parent",
        "categories",
        "groups",
        "values",
        "associations",
        "quantified_associations",
        "created",
        "updated",
        "metadata",
        "_links",
    ];
    if let Some(name) = sent.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(Refused {
            status: 422,
            message: format!("Property \"{name}\" does not exist."),
            errors: Vec::new(),
        });
    }
    let known = |path: &str, code: &str| {
        state
            .collection(path)
            .is_some_and(|items| items.contains_key(code))
    };
    if let Some(family) = sent.get("family").and_then(Value::as_str)
        && !known("families", family)
    {
        return Err(refused(
            "family",
            format!("The {family} family does not exist in your PIM."),
        ));
    }
    for code in sent
        .get("categories")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let code = code.as_str().unwrap_or_default();
        if !known("categories", code) {
            return Err(refused(
                "categories",
                format!("The {code} category does not exist in your PIM."),
            ));
        }
    }
    let parent = match sent.get("parent").and_then(Value::as_str) {
        None => None,
        Some(code) => Some(state.models.get(code).ok_or_else(|| {
            refused(
                "parent",
                format!("The {code} product model does not exist in your PIM."),
            )
        })?),
    };
    let entry = place.map(|place| &view.shelf(state).entries[place as usize]);
    let mut values = Map::new();
    for (code, list) in sent
        .get("values")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let attribute = state
            .collection("attributes")
            .and_then(|all| all.get(code))
            .ok_or_else(|| {
                refused(
                    "values",
                    format!("The {code} attribute does not exist in your PIM."),
                )
            })?;
        let mut merged = entry
            .map(|entry| shown_list(state, entry, code))
            .unwrap_or_default();
        for value in list.as_array().into_iter().flatten() {
            check_value(code, attribute, value)?;
            merge(&mut merged, value);
        }
        values.insert(code.clone(), merged.into());
    }
    Ok(Draft {
        place,
        parent,
        values,
    })
}

/// Replaces the value of the same locale and scope; null removes it.
pub(super) fn merge(list: &mut Vec<Value>, value: &Value) {
    list.retain(|have| have["locale"] != value["locale"] || have["scope"] != value["scope"]);
    if !value["data"].is_null() {
        list.push(json!({ "locale": value["locale"], "scope": value["scope"], "data": value["data"] }));
    }
}

fn check_value(code: &str, attribute: &Value, value: &Value) -> Result<(), Refused> {
    let property = "values";
    for (flag, name) in [("localizable", "locale"), ("scopable", "scope")] {
        if attribute[flag].as_bool().unwrap_or(false) != value[name].is_string() {
            return Err(refused(
                property,
                format!(
                    "The {code} attribute must agree with its {name}: {flag} is {}.",
                    attribute[flag]
                ),
            ));
        }
    }
    let data = &value["data"];
    if data.is_null() {
        return Ok(());
    }
    let number = |value: &Value| match value {
        Value::Number(_) => true,
        Value::String(text) => text.parse::<f64>().is_ok(),
        _ => false,
    };
    let good = match attribute["type"].as_str().unwrap_or_default() {
        "pim_catalog_text"
        | "pim_catalog_textarea"
        | "pim_catalog_simpleselect"
        | "pim_catalog_date"
        | "pim_catalog_image"
        | "pim_catalog_file" => data.is_string(),
        "pim_catalog_boolean" => data.is_boolean(),
        "pim_catalog_number" => number(data),
        "pim_catalog_multiselect" => data.is_array(),
        "pim_catalog_metric" => number(&data["amount"]) && data["unit"].is_string(),
        "pim_catalog_price_collection" => data.as_array().is_some_and(|prices| {
            prices
                .iter()
                .all(|price| price["amount"].is_null() || number(&price["amount"]))
        }),
        _ => true,
    };
    if good {
        return Ok(());
    }
    Err(refused(
        property,
        format!("The {code} attribute does not accept {data}."),
    ))
}

fn new_entry(
    state: &mut State,
    view: View,
    key: Option<&str>,
    sent: &Map<String, Value>,
    parent: Option<u32>,
) -> Result<u32, Refused> {
    let number = (state.products.entries.len() + state.models.entries.len()) as u64;
    let fresh = uuid(state.base.seed, 0x1_0000_0000 + number);
    let by_uuid = view == View::ProductsByUuid;
    let uuid = key.filter(|_| by_uuid).and_then(uuid_number).unwrap_or(fresh);
    let identifier = sent
        .get("values")
        .and_then(|values| values["sku"][0]["data"].as_str());
    let key = match (by_uuid, key) {
        (true, _) => identifier.map_or_else(|| uuid_text(uuid), str::to_owned),
        (false, Some(key)) => key.to_owned(),
        (false, None) => return Err(refused("identifier", "This value should not be blank.")),
    };
    if view == View::Models && !sent.contains_key("family_variant") {
        return Err(refused("family_variant", "The family variant cannot be empty."));
    }
    let now = state.tick();
    let family = parent.and_then(|parent| state.models.entries[parent as usize].family.clone());
    let entry = Entry {
        key: key.as_str().into(),
        family,
        family_variant: None,
        parent,
        enabled: true,
        created: now,
        updated: now,
        counted: now,
        uuid,
        base: None,
        patch: None,
        models: Vec::new(),
        products: Vec::new(),
    };
    let place = match view {
        View::Models => state.models.add(entry),
        _ => state.products.add(entry),
    };
    if let Some(parent) = parent {
        let parent = &mut state.models.entries[parent as usize];
        match view {
            View::Models => parent.models.push(place),
            _ => parent.products.push(place),
        }
    }
    Ok(place)
}

fn write_item(state: &mut State, path: &str, key: Option<&str>, sent: &Map<String, Value>) -> Written {
    let Some(key) = key else {
        return Err(refused("code", "This value should not be blank."));
    };
    if path == "categories"
        && let Some(parent) = sent.get("parent").and_then(Value::as_str)
        && !state
            .collection("categories")
            .is_some_and(|all| all.contains_key(parent))
    {
        return Err(refused(
            "parent",
            format!("The category \"{parent}\" does not exist."),
        ));
    }
    let now = time_text(state.tick());
    let has_time = matches!(path, "categories" | "attributes" | "families");
    let items = state.collections.entry(path.to_owned()).or_default();
    let new = !items.contains_key(key);
    if new && path == "attributes" && !sent.contains_key("type") {
        return Err(refused("type", "This value should not be blank."));
    }
    let item = items.entry(key.to_owned()).or_insert_with(|| template(path, key));
    for (name, value) in sent {
        match (item.get_mut(name.as_str()), value) {
            (Some(Value::Object(have)), Value::Object(more)) => have.extend(more.clone()),
            _ => item[name.as_str()] = value.clone(),
        }
    }
    if has_time {
        item["updated"] = now.into();
    }
    if new && matches!(path, "families") {
        state
            .collections
            .insert(format!("families/{key}/variants"), Default::default());
    }
    if new && path == "attributes" {
        state
            .collections
            .insert(format!("attributes/{key}/options"), Default::default());
    }
    Ok((new, key.to_owned()))
}

/// A new item with the fields that readers expect.
fn template(path: &str, code: &str) -> Value {
    let mut item = json!({ "code": code, "labels": {} });
    match path {
        "categories" => item["parent"] = Value::Null,
        "attributes" => {
            item["localizable"] = false.into();
            item["scopable"] = false.into();
            item["group"] = "other".into();
        }
        "families" => {
            item["attributes"] = json!([]);
            item["attribute_as_label"] = "name".into();
        }
        _ => {
            if let Some(attribute) = path
                .strip_prefix("attributes/")
                .and_then(|rest| rest.strip_suffix("/options"))
            {
                item["attribute"] = attribute.into();
                item["sort_order"] = 0.into();
            }
        }
    }
    item
}
