//! Rows by natural key, many keys in one request; and ids by natural key, through references of references.

use std::collections::HashMap;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use weir_model::json::key_text;
use weir_model::{Error, Kind};
use weir_sdk::connector::Observer;

use crate::manifest::EntityPlan;
use crate::runtime::Runtime;
use crate::session::{Purpose, records};

/// Pages of one look-up; a key with more rows than that is no key.
const PAGES_MAX: usize = 1_000;
/// How long a miss is remembered at most.
const MISS_MS: u64 = 20_000;

/// Wire rows by key. `field` is a word of the schema; one that is a reference is resolved first. With `include` the rows
/// bring their children along.
pub(crate) fn rows<'a>(
    runtime: &'a Runtime,
    entity: &'a EntityPlan,
    field: &'a str,
    keys: &'a [Value],
    include: bool,
    observer: &'a dyn Observer,
) -> BoxFuture<'a, Result<HashMap<String, Vec<Value>>, Error>> {
    Box::pin(async move {
        if let Some(plan) = entity.body.references.get(field) {
            let reference = &plan.reference;
            let names: Vec<String> = keys.iter().filter_map(key_text).collect();
            let ids = ids(runtime, &reference.entity, &reference.by, &names, false, observer).await?;
            let known: Vec<Value> = ids.values().flatten().cloned().collect();
            let found = by_wire_field(runtime, entity, &reference.field, &known, include, observer).await?;
            return Ok(ids
                .into_iter()
                .filter_map(|(name, id)| Some((name, found.get(&key_text(&id?)?)?.clone())))
                .collect());
        }
        let wire = entity.body.rename.get(field).map_or(field, String::as_str);
        by_wire_field(runtime, entity, wire, keys, include, observer).await
    })
}

async fn by_wire_field(
    runtime: &Runtime,
    entity: &EntityPlan,
    field: &str,
    keys: &[Value],
    include: bool,
    observer: &dyn Observer,
) -> Result<HashMap<String, Vec<Value>>, Error> {
    let mut found: HashMap<String, Vec<Value>> = HashMap::new();
    if keys.is_empty() {
        return Ok(found);
    }
    let Some(plan) = &entity.lookup else {
        let message = format!(
            "entity `{}` cannot be looked up: its manifest has no `lookup`",
            entity.name
        );
        return Err(Error::new(Kind::Configuration, message));
    };
    let words = format!("look up {} by {field}", entity.name);
    let purpose = Purpose {
        words: words.clone(),
        rows: &[],
        observer,
        has_effect: false,
        rules: None,
        lines: false,
    };
    for keys in keys.chunks(plan.max_keys) {
        let mut position: Option<Value> = None;
        for _ in 0..PAGES_MAX {
            let parts = vec![
                ("field", json!(field)),
                ("keys", Value::Array(keys.to_vec())),
                ("page", plan.paginate.page(position.as_ref())),
                ("filter", json!({})),
                ("since", Value::Null),
            ];
            let mut made = plan
                .request
                .make(&runtime.session.input(&entity.parameters, parts))?;
            if include && !entity.include.is_empty() {
                made.query.push(("include".to_owned(), entity.include.join(",")));
            }
            if let Some(address) = plan.paginate.address(position.as_ref()) {
                runtime.session.check_origin(address)?;
                made.path = address.to_owned();
                made.query.clear();
            }
            let answer = match runtime.session.ask(made, &purpose).await {
                Ok(answer) => Value::Object(answer),
                Err(error) if error.kind == Kind::NotFound => break,
                Err(error) => return Err(error),
            };
            let rows = records(&plan.records, &answer, &words)?;
            let count = rows.len();
            for row in rows {
                if let Some(key) = row.get(field).and_then(key_text) {
                    found.entry(key).or_default().push(row);
                }
            }
            position = plan.paginate.next(position.as_ref(), count, &answer)?;
            if position.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

/// Ids by natural key, `None` for what the system does not have. `fresh` passes over what is remembered.
pub(crate) fn ids<'a>(
    runtime: &'a Runtime,
    entity: &'a str,
    by: &'a str,
    keys: &'a [String],
    fresh: bool,
    observer: &'a dyn Observer,
) -> BoxFuture<'a, Result<HashMap<String, Option<Value>>, Error>> {
    Box::pin(async move {
        let plan = runtime.entity(entity)?;
        let Some(id) = &plan.id else {
            let message = format!("entity `{entity}` is referred to and its manifest names no `id`");
            return Err(Error::new(Kind::Configuration, message));
        };
        let now_ms = runtime.session.context.clock.monotonic_ms();
        let mut known: HashMap<String, Option<Value>> = HashMap::new();
        let mut wanted: Vec<Value> = Vec::new();
        for key in keys {
            match runtime.ids.get(entity, by, key, now_ms) {
                Some(id) if !fresh => drop(known.insert(key.clone(), id)),
                _ => {
                    let key = json!(key);
                    if !wanted.contains(&key) {
                        wanted.push(key);
                    }
                }
            }
        }
        if !wanted.is_empty() {
            let found = rows(runtime, plan, by, &wanted, false, observer).await?;
            let cache_ms = plan.lookup.as_ref().map_or(0, |lookup| lookup.cache_ms);
            for key in wanted.iter().filter_map(key_text) {
                let id = found
                    .get(&key)
                    .and_then(|rows| rows.first())
                    .and_then(|row| row.get(id))
                    .cloned();
                // A miss is soon asked for again: a person may just be creating the row.
                let keep_ms = if id.is_some() {
                    cache_ms
                } else {
                    cache_ms.min(MISS_MS)
                };
                if keep_ms > 0 {
                    runtime.ids.put(entity, by, &key, id.clone(), now_ms + keep_ms);
                }
                known.insert(key, id);
            }
        }
        Ok(known)
    })
}
