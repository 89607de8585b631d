//! The two Backend API resources that write by natural keys: `/categories` and
//! `/product-attributes`, JSON:API, on the same tables as the Data Exchange API.

use serde_json::{Map, Value, json};

use super::Shop;
use super::book::Book;
use super::cell::Cell;
use super::store::Refusal;
use super::table::Row;
use crate::front::{Incoming, Reply};

const MEDIA: &str = "application/vnd.api+json";

/// Why a request is refused: status, code, sentence.
struct Fail(u16, &'static str, String);

type Outcome<T> = Result<T, Fail>;

fn invalid(detail: impl Into<String>) -> Fail {
    Fail(400, "702", detail.into())
}

/// A row that the database refuses: a key that exists, a reference that does not.
fn refused(refusal: Refusal) -> Fail {
    match refusal {
        Refusal::Duplicate { .. } => invalid("An entity with this key exists already."),
        Refusal::NotNull | Refusal::ForeignKey => invalid("A value that the entity needs is missing."),
    }
}

fn reply(status: u16, value: &Value) -> Reply {
    Reply::value(status, value).typed(MEDIA)
}

fn text(value: &Value) -> Cell {
    value.as_str().map_or(Cell::Null, Cell::text)
}

fn flag(value: &Value) -> Cell {
    value.as_bool().map_or(Cell::Null, Cell::Bool)
}

impl Shop {
    pub(super) fn backend(&self, request: &Incoming, kind: &str, key: Option<&str>) -> Reply {
        let pairs = request.pairs();
        let outcome = self
            .auth
            .admit(request, &pairs)
            .map_err(|problem| Fail(problem.status, problem.code, problem.message))
            .and_then(|()| match (request.method.as_str(), key) {
                ("GET", None) => Ok(self.backend_list(kind, &pairs)),
                ("GET", Some(key)) => self.backend_one(kind, key).map(|one| (200, one)),
                ("POST", None) => self.backend_save(request, kind, None).map(|one| (201, one)),
                ("PATCH", Some(key)) => self.backend_save(request, kind, Some(key)).map(|one| (200, one)),
                _ => Err(Fail(405, "007", "Method not allowed.".to_owned())),
            });
        match outcome {
            Ok((status, value)) => reply(status, &value),
            Err(Fail(status, code, detail)) => reply(
                status,
                &json!({ "errors": [{ "code": code, "status": status, "detail": detail }] }),
            ),
        }
    }

    fn backend_list(&self, kind: &str, pairs: &[(String, String)]) -> (u16, Value) {
        let number = |name: &str, default: usize| {
            pairs
                .iter()
                .find(|(have, _)| have == name)
                .and_then(|(_, value)| value.parse().ok())
                .unwrap_or(default)
        };
        let (offset, limit) = (number("page[offset]", 0), number("page[limit]", 10));
        let table = self
            .definitions
            .position(table_of(kind))
            .expect("both tables are shipped");
        let mut store = self.write();
        let total = store.tables[table].len();
        let rows: Vec<Row> = store.tables[table]
            .page(offset, limit)
            .into_iter()
            .map(|slot| store.tables[table].row(slot).clone())
            .collect();
        let mut book = Book {
            store: &mut store,
            definitions: &self.definitions,
        };
        let data: Vec<Value> = rows
            .iter()
            .map(|row| self.backend_show(&mut book, kind, row))
            .collect();
        let page = |offset: usize| format!("/{kind}?page[offset]={offset}&page[limit]={limit}");
        let mut links = json!({ "self": page(offset), "first": page(0) });
        if offset >= limit && limit > 0 {
            links["prev"] = page(offset - limit).into();
        }
        if offset + limit < total {
            links["next"] = page(offset + limit).into();
        }
        (200, json!({ "data": data, "links": links }))
    }

    fn backend_one(&self, kind: &str, key: &str) -> Outcome<Value> {
        let mut store = self.write();
        let mut book = Book {
            store: &mut store,
            definitions: &self.definitions,
        };
        let rows = book.rows(table_of(kind), key_of(kind), &Cell::text(key));
        let row = rows.first().ok_or_else(|| missing(kind, key))?;
        Ok(json!({ "data": self.backend_show(&mut book, kind, row) }))
    }

    fn backend_save(&self, request: &Incoming, kind: &str, key: Option<&str>) -> Outcome<Value> {
        let typed = request
            .header("content-type")
            .is_some_and(|have| have.starts_with(MEDIA) || have.starts_with("application/json"));
        if !typed {
            return Err(Fail(415, "", format!("Send {MEDIA}.")));
        }
        let body: Value =
            serde_json::from_slice(&request.body).map_err(|_| invalid("The body is not JSON."))?;
        let attributes = body["data"]["attributes"]
            .as_object()
            .ok_or_else(|| invalid("The body holds no data.attributes."))?;
        if body["data"]["type"].as_str() != Some(kind) {
            return Err(invalid(format!("The type must be `{kind}`.")));
        }
        let mut store = self.write();
        let mut book = Book {
            store: &mut store,
            definitions: &self.definitions,
        };
        let saved = match kind {
            "categories" => save_category(&mut book, attributes, key),
            _ => save_attribute(&mut book, attributes, key),
        };
        match saved {
            Ok(saved) => {
                book.store.commit(&self.definitions);
                if let (Some(sets), "categories") = (attributes.get("imageSets"), kind) {
                    self.images
                        .lock()
                        .expect("no panic while images are held")
                        .insert(saved.clone(), sets.clone());
                }
                let rows = book.rows(table_of(kind), key_of(kind), &Cell::text(&saved));
                let row = rows.first().ok_or_else(|| missing(kind, &saved))?;
                Ok(json!({ "data": self.backend_show(&mut book, kind, row) }))
            }
            Err(fail) => {
                book.store.rollback();
                Err(fail)
            }
        }
    }

    fn backend_show(&self, book: &mut Book<'_>, kind: &str, row: &Row) -> Value {
        let key = book.get(table_of(kind), row, key_of(kind)).shown();
        let attributes = match kind {
            "categories" => {
                let mut shown = show_category(book, row);
                let images = self.images.lock().expect("no panic while images are held");
                shown["imageSets"] = images.get(&key).cloned().unwrap_or_else(|| json!([]));
                shown
            }
            _ => show_attribute(book, row),
        };
        let link = format!("/{kind}/{key}");
        json!({ "type": kind, "id": key, "attributes": attributes, "links": { "self": link } })
    }
}

fn table_of(kind: &str) -> &'static str {
    match kind {
        "categories" => "categories",
        _ => "product-attribute-keys",
    }
}

fn key_of(kind: &str) -> &'static str {
    match kind {
        "categories" => "category_key",
        _ => "key",
    }
}

fn missing(kind: &str, key: &str) -> Fail {
    Fail(404, "701", format!("There is no entity `{key}` in {kind}."))
}

/// The row of the path, for a PATCH; a POST has none.
fn existing(book: &mut Book<'_>, kind: &str, key: Option<&str>) -> Outcome<Option<Cell>> {
    key.map(|key| {
        book.find(table_of(kind), key_of(kind), &Cell::text(key))
            .map(Cell::Int)
            .ok_or_else(|| missing(kind, key))
    })
    .transpose()
}

fn reference(book: &mut Book<'_>, resource: &str, field: &str, name: &Value) -> Outcome<Cell> {
    let text = name.as_str().unwrap_or_default();
    book.find(resource, field, &Cell::text(text))
        .map(Cell::Int)
        .ok_or_else(|| invalid(format!("`{text}` is unknown in {resource}.")))
}

/// Updates the child rows that match all of `key`, or adds one.
fn upsert(
    book: &mut Book<'_>,
    resource: &str,
    key: &[(&str, Cell)],
    cells: &[(&str, Cell)],
) -> Outcome<Cell> {
    let rows = book.rows(resource, key[0].0, &key[0].1);
    let found = rows.iter().find(|row| {
        key.iter()
            .all(|(field, value)| book.get(resource, row, field) == value)
    });
    match found.and_then(|row| book.id_of(resource, row)) {
        Some(id) => {
            book.set(resource, id, cells).map_err(refused)?;
            Ok(Cell::Int(id))
        }
        None => {
            let all: Vec<_> = key.iter().chain(cells).cloned().collect();
            book.add(resource, &all).map(Cell::Int).map_err(refused)
        }
    }
}

fn save_category(book: &mut Book<'_>, sent: &Map<String, Value>, key: Option<&str>) -> Outcome<String> {
    let mut cells = Vec::new();
    for (name, field) in [
        ("isActive", "is_active"),
        ("isInMenu", "is_in_menu"),
        ("isClickable", "is_clickable"),
        ("isSearchable", "is_searchable"),
    ] {
        if let Some(value) = sent.get(name) {
            cells.push((field, flag(value)));
        }
    }
    let id = match existing(book, "categories", key)? {
        Some(id) => {
            let number = id.as_int().unwrap_or_default();
            book.set("categories", number, &cells).map_err(refused)?;
            id
        }
        None => {
            let key = sent.get("categoryKey").and_then(Value::as_str);
            let key = key.ok_or_else(|| invalid("categoryKey is missing."))?;
            cells.push(("category_key", Cell::text(key)));
            cells.push(("fk_category_template", Cell::Int(1)));
            book.add("categories", &cells).map(Cell::Int).map_err(refused)?
        }
    };
    if key.is_none() || sent.contains_key("parent") {
        let parent = sent.get("parent").filter(|parent| !parent.is_null());
        place_category(book, &id, parent)?;
    }
    if let Some(stores) = sent.get("stores").and_then(Value::as_array) {
        let mut wanted = Vec::new();
        for store in stores {
            wanted.push(reference(book, "stores", "name", store)?);
        }
        for row in book.rows("category-stores", "fk_category", &id) {
            if !wanted.contains(book.get("category-stores", &row, "fk_store")) {
                let number = book.id_of("category-stores", &row).unwrap_or_default();
                book.remove("category-stores", number);
            }
        }
        for store in wanted {
            let key = [("fk_category", id.clone()), ("fk_store", store)];
            upsert(book, "category-stores", &key, &[])?;
        }
    }
    for localized in list(sent, "localizedAttributes") {
        let locale = reference(book, "locales", "locale_name", &localized["locale"])?;
        let mut cells = Vec::new();
        for (name, field) in [
            ("name", "name"),
            ("metaTitle", "meta_title"),
            ("metaDescription", "meta_description"),
            ("metaKeywords", "meta_keywords"),
        ] {
            if let Some(value) = localized.get(name) {
                cells.push((field, text(value)));
            }
        }
        let key = [("fk_category", id.clone()), ("fk_locale", locale)];
        upsert(book, "category-attributes", &key, &cells)?;
    }
    Ok(book
        .look("categories", &id, "category_key")
        .map(|cell| cell.shown())
        .unwrap_or_default())
}

fn list<'a>(sent: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    sent.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn place_category(book: &mut Book<'_>, id: &Cell, parent: Option<&Value>) -> Outcome<()> {
    let parent_node = match parent {
        None => Cell::Null,
        Some(parent) => {
            let category = reference(book, "categories", "category_key", &parent["categoryKey"])?;
            book.find("category-nodes", "fk_category", &category)
                .map(Cell::Int)
                .ok_or_else(|| invalid("The parent has no place in the tree."))?
        }
    };
    let order = parent.and_then(|parent| parent["sortOrder"].as_i64());
    let cells = [
        ("is_root", Cell::Bool(parent.is_none())),
        ("fk_parent_category_node", parent_node),
        ("node_order", order.map_or(Cell::Null, Cell::Int)),
    ];
    let key = [("fk_category", id.clone()), ("is_main", Cell::Bool(true))];
    upsert(book, "category-nodes", &key, &cells).map(|_| ())
}

fn show_category(book: &mut Book<'_>, row: &Row) -> Value {
    let id = Cell::Int(book.id_of("categories", row).unwrap_or_default());
    let value = |book: &Book<'_>, field| book.get("categories", row, field).to_value();
    let node = book.rows("category-nodes", "fk_category", &id).into_iter().next();
    let parent = node.and_then(|node| {
        let above = book
            .get("category-nodes", &node, "fk_parent_category_node")
            .clone();
        let category = book.look("category-nodes", &above, "fk_category")?;
        let key = book.look("categories", &category, "category_key")?;
        let order = book.get("category-nodes", &node, "node_order").to_value();
        Some(json!({ "categoryKey": key.to_value(), "sortOrder": order }))
    });
    let stores: Vec<Value> = book
        .rows("category-stores", "fk_category", &id)
        .iter()
        .filter_map(|row| {
            let store = book.get("category-stores", row, "fk_store");
            Some(book.look("stores", store, "name")?.to_value())
        })
        .collect();
    let localized: Vec<Value> = book
        .rows("category-attributes", "fk_category", &id)
        .iter()
        .map(|row| {
            let get = |field| book.get("category-attributes", row, field);
            let locale = book.look("locales", get("fk_locale"), "locale_name");
            json!({
                "locale": locale.map(|cell| cell.to_value()),
                "name": get("name").to_value(),
                "metaTitle": get("meta_title").to_value(),
                "metaDescription": get("meta_description").to_value(),
                "metaKeywords": get("meta_keywords").to_value(),
            })
        })
        .collect();
    json!({
        "categoryKey": value(book, "category_key"),
        "isActive": value(book, "is_active"),
        "isInMenu": value(book, "is_in_menu"),
        "isClickable": value(book, "is_clickable"),
        "isSearchable": value(book, "is_searchable"),
        "stores": stores,
        "parent": parent,
        "localizedAttributes": localized,
    })
}

/// The glossary key under which the names of an attribute stand.
fn glossary(key: &str) -> Cell {
    Cell::text(&format!("product.attribute.{key}"))
}

fn save_attribute(book: &mut Book<'_>, sent: &Map<String, Value>, key: Option<&str>) -> Outcome<String> {
    let id = match existing(book, "product-attributes", key)? {
        Some(id) => {
            if let Some(value) = sent.get("isSuper") {
                let number = id.as_int().unwrap_or_default();
                book.set("product-attribute-keys", number, &[("is_super", flag(value))])
                    .map_err(refused)?;
            }
            id
        }
        None => {
            let key = sent.get("key").and_then(Value::as_str);
            let key = key.ok_or_else(|| invalid("key is missing."))?;
            let is_super = sent.get("isSuper").and_then(Value::as_bool).unwrap_or(false);
            let cells = [("key", Cell::text(key)), ("is_super", Cell::Bool(is_super))];
            book.add("product-attribute-keys", &cells)
                .map(Cell::Int)
                .map_err(refused)?
        }
    };
    let mut cells = Vec::new();
    if key.is_none() || sent.contains_key("inputType") {
        let kind = sent.get("inputType").and_then(Value::as_str);
        cells.push(("input_type", Cell::text(kind.unwrap_or("text"))));
    }
    if key.is_none() || sent.contains_key("allowInput") {
        let allow = sent.get("allowInput").and_then(Value::as_bool);
        cells.push(("allow_input", Cell::Bool(allow.unwrap_or(false))));
    }
    let place = [("fk_product_attribute_key", id.clone())];
    let management = upsert(book, "product-management-attributes", &place, &cells)?;
    let name = book
        .look("product-attribute-keys", &id, "key")
        .map(|cell| cell.shown())
        .unwrap_or_default();
    for localized in list(sent, "localizedKeys") {
        let locale = reference(book, "locales", "locale_name", &localized["localeName"])?;
        let active = [("is_active", Cell::Bool(true))];
        let glossary = upsert(book, "glossary-keys", &[("key", glossary(&name))], &active)?;
        let place = [("fk_glossary_key", glossary), ("fk_locale", locale)];
        let cells = [
            ("value", text(&localized["translation"])),
            ("is_active", Cell::Bool(true)),
        ];
        upsert(book, "glossary-translation", &place, &cells)?;
    }
    for value in list(sent, "values") {
        let place = [
            ("fk_product_management_attribute", management.clone()),
            ("value", text(&value["value"])),
        ];
        let row = upsert(book, "product-management-attribute-values", &place, &[])?;
        for localized in value["localizedValues"].as_array().into_iter().flatten() {
            let locale = reference(book, "locales", "locale_name", &localized["localeName"])?;
            let place = [
                ("fk_product_management_attribute_value", row.clone()),
                ("fk_locale", locale),
            ];
            let cells = [("translation", text(&localized["translation"]))];
            upsert(
                book,
                "product-management-attribute-value-translations",
                &place,
                &cells,
            )?;
        }
    }
    Ok(name)
}

fn show_attribute(book: &mut Book<'_>, row: &Row) -> Value {
    const VALUES: &str = "product-management-attribute-values";
    const TRANSLATIONS: &str = "product-management-attribute-value-translations";
    let id = Cell::Int(book.id_of("product-attribute-keys", row).unwrap_or_default());
    let key = book.get("product-attribute-keys", row, "key").shown();
    let is_super = book.get("product-attribute-keys", row, "is_super").to_value();
    let management = book
        .rows("product-management-attributes", "fk_product_attribute_key", &id)
        .into_iter()
        .next();
    let localize = |book: &Book<'_>, resource: &str, row: &Row, field: &str| {
        let locale = book.look("locales", book.get(resource, row, "fk_locale"), "locale_name");
        json!({
            "localeName": locale.map(|cell| cell.to_value()),
            "translation": book.get(resource, row, field).to_value(),
        })
    };
    let names: Vec<Value> = match book.find("glossary-keys", "key", &glossary(&key)) {
        Some(glossary) => book
            .rows("glossary-translation", "fk_glossary_key", &Cell::Int(glossary))
            .iter()
            .map(|row| localize(book, "glossary-translation", row, "value"))
            .collect(),
        None => Vec::new(),
    };
    let mut shown = json!({ "key": key, "isSuper": is_super, "localizedKeys": names });
    let Some(management) = management else {
        return shown;
    };
    let of = |field| {
        book.get("product-management-attributes", &management, field)
            .to_value()
    };
    shown["inputType"] = of("input_type");
    shown["allowInput"] = of("allow_input");
    let number = book.id_of("product-management-attributes", &management);
    let number = Cell::Int(number.unwrap_or_default());
    let values = book.rows(VALUES, "fk_product_management_attribute", &number);
    let values: Vec<Value> = values
        .iter()
        .map(|value| {
            let id = Cell::Int(book.id_of(VALUES, value).unwrap_or_default());
            let translations = book.rows(TRANSLATIONS, "fk_product_management_attribute_value", &id);
            let localized: Vec<Value> = translations
                .iter()
                .map(|row| localize(book, TRANSLATIONS, row, "translation"))
                .collect();
            let text = book.get(VALUES, value, "value").to_value();
            json!({ "value": text, "localizedValues": localized })
        })
        .collect();
    shown["values"] = values.into();
    shown
}
