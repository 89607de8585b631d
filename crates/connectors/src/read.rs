//! Pages of an entity.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use weir_model::{Error, Kind};
use weir_sdk::connector::{Observer, Page, ReadRequest, Row};

use crate::lookup;
use crate::manifest::types::ChangedSince;
use crate::manifest::{EntityPlan, ReadPlan};
use crate::runtime::Runtime;
use crate::session::{Purpose, records};

/// Sub-resources fetched at once; the connection's own limit holds below.
const NESTED_AT_ONCE: usize = 4;
/// Pages of one list below a parent.
const PAGES_MAX: usize = 10_000;

/// Boxed, because rows below parents read their parents with it.
pub(crate) fn read<'a>(
    runtime: &'a Runtime,
    request: &'a ReadRequest,
    observer: &'a dyn Observer,
) -> BoxFuture<'a, Result<Page, Error>> {
    Box::pin(read_page(runtime, request, observer))
}

async fn read_page(runtime: &Runtime, request: &ReadRequest, observer: &dyn Observer) -> Result<Page, Error> {
    let entity = runtime.entity(&request.entity)?;
    if let Some(keys) = &request.keys {
        return by_keys(runtime, entity, request, keys, observer).await;
    }
    let plan = plan(entity)?;
    let (rows, next) = if plan.parents.is_empty() {
        page(
            runtime,
            entity,
            plan,
            request,
            request.page.as_ref(),
            &Map::new(),
            observer,
        )
        .await?
    } else {
        below_parents(runtime, entity, plan, request, observer).await?
    };
    let rows = nest(runtime, &request.with, rows, observer).await?;
    let field = request.since.as_ref().map(|(field, _)| field.as_str());
    let rows = rows
        .into_iter()
        .map(|value| Row {
            changed_at: changed_at(plan, field, &value),
            value,
        })
        .collect();
    Ok(Page { rows, next })
}

fn plan(entity: &EntityPlan) -> Result<&ReadPlan, Error> {
    entity.read.as_ref().ok_or_else(|| {
        Error::new(
            Kind::Configuration,
            format!(
                "entity `{}` cannot be read: its manifest has no `read`",
                entity.name
            ),
        )
    })
}

async fn by_keys(
    runtime: &Runtime,
    entity: &EntityPlan,
    request: &ReadRequest,
    keys: &[String],
    observer: &dyn Observer,
) -> Result<Page, Error> {
    let Some(field) = entity.key.first() else {
        return Err(Error::new(
            Kind::Configuration,
            format!("entity `{}` has no natural key", entity.name),
        ));
    };
    let keys: Vec<Value> = keys.iter().map(|key| json!(key)).collect();
    let mut found = lookup::rows(runtime, entity, field, &keys, false, observer).await?;
    let rows = keys
        .iter()
        .filter_map(|key| found.remove(key.as_str()?))
        .flatten()
        .collect();
    let rows = nest(runtime, &request.with, rows, observer).await?;
    Ok(Page {
        rows: rows
            .into_iter()
            .map(|value| Row {
                value,
                changed_at: None,
            })
            .collect(),
        next: None,
    })
}

/// One page. `scope` holds the parent under its parameter's name.
async fn page(
    runtime: &Runtime,
    entity: &EntityPlan,
    plan: &ReadPlan,
    request: &ReadRequest,
    position: Option<&Value>,
    scope: &Map<String, Value>,
    observer: &dyn Observer,
) -> Result<(Vec<Value>, Option<Value>), Error> {
    let mut parameters = entity.parameters.clone();
    parameters.extend(scope.clone());
    let filter = Value::Object(
        request
            .filter
            .iter()
            .map(|(word, value)| (word.clone(), value.clone()))
            .collect(),
    );
    let since = match (&request.since, &plan.changed_since) {
        (Some((_, at)), Some(form)) => json!(write_time(form, *at)?),
        _ => Value::Null,
    };
    let parts = vec![
        ("page", plan.paginate.page(position)),
        ("since", since),
        ("filter", filter),
        ("fields", json!(request.fields)),
        ("keys", Value::Null),
    ];
    let mut made = plan.request.make(&runtime.session.input(&parameters, parts))?;
    if let Some(address) = plan.paginate.address(position) {
        runtime.session.check_origin(address)?;
        made.path = address.to_owned();
        made.query.clear();
    }
    let words = format!("read {}", entity.name);
    let purpose = Purpose {
        words: words.clone(),
        rows: &[],
        observer,
        has_effect: false,
        rules: None,
        lines: false,
    };
    let answer = Value::Object(runtime.session.ask(made, &purpose).await?);
    let rows = records(&plan.records, &answer, &words)?;
    let next = plan.paginate.next(position, rows.len(), &answer)?;
    Ok((rows, next))
}

/// All rows below one page of parents.
async fn below_parents(
    runtime: &Runtime,
    entity: &EntityPlan,
    plan: &ReadPlan,
    request: &ReadRequest,
    observer: &dyn Observer,
) -> Result<(Vec<Value>, Option<Value>), Error> {
    let Some((parameter, parent)) = plan.parents.iter().next() else {
        return Ok((Vec::new(), None));
    };
    let parent_request = ReadRequest {
        entity: parent.clone(),
        page: request.page.clone(),
        ..ReadRequest::default()
    };
    let parents = read(runtime, &parent_request, observer).await?;
    let mut all = Vec::new();
    for parent in parents.rows {
        all.extend(list(runtime, entity, parameter, &parent.value, observer).await?);
    }
    Ok((all, parents.next))
}

/// The whole list below one parent; a parent that has no such list has an empty one.
async fn list(
    runtime: &Runtime,
    entity: &EntityPlan,
    parameter: &str,
    parent: &Value,
    observer: &dyn Observer,
) -> Result<Vec<Value>, Error> {
    let plan = plan(entity)?;
    let mut scope = Map::new();
    scope.insert(parameter.to_owned(), parent.clone());
    scope.insert("parent".to_owned(), parent.clone());
    if let Some(when) = &plan.when
        && !when.is_true(&Value::Object(scope.clone()))?
    {
        return Ok(Vec::new());
    }
    let request = ReadRequest {
        entity: entity.name.clone(),
        ..ReadRequest::default()
    };
    let (mut all, mut position) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let (rows, next) = match page(
            runtime,
            entity,
            plan,
            &request,
            position.as_ref(),
            &scope,
            observer,
        )
        .await
        {
            Ok(page) => page,
            Err(error) if error.kind == Kind::NotFound => return Ok(all),
            Err(error) => return Err(error),
        };
        all.extend(rows);
        match next {
            Some(next) => position = Some(next),
            None => return Ok(all),
        }
    }
    Err(Error::new(
        Kind::Limit,
        format!(
            "`{}` has more than {PAGES_MAX} pages below one parent",
            entity.name
        ),
    ))
}

/// Sub-resources under their names.
pub(crate) async fn nest(
    runtime: &Runtime,
    with: &BTreeMap<String, String>,
    mut rows: Vec<Value>,
    observer: &dyn Observer,
) -> Result<Vec<Value>, Error> {
    for (name, entity) in with {
        let entity = runtime.entity(entity)?;
        let Some((parameter, _)) = plan(entity)?.parents.iter().next() else {
            let message = format!(
                "`with: {{ {name}: {} }}` needs a manifest that says `read.for` of it",
                entity.name
            );
            return Err(Error::new(Kind::Configuration, message));
        };
        let lists: Vec<BoxFuture<'_, Result<Vec<Value>, Error>>> = rows
            .iter()
            .map(|row| -> BoxFuture<'_, Result<Vec<Value>, Error>> {
                Box::pin(list(runtime, entity, parameter, row, observer))
            })
            .collect();
        let lists: Vec<Result<Vec<Value>, Error>> = futures::stream::iter(lists)
            .buffered(NESTED_AT_ONCE)
            .collect()
            .await;
        for (row, list) in rows.iter_mut().zip(lists) {
            let list = list?;
            if let Some(fields) = row.as_object_mut() {
                fields.insert(name.clone(), Value::Array(list));
            }
        }
    }
    Ok(rows)
}

fn zone(form: &ChangedSince) -> Result<TimeZone, Error> {
    match form.zone.as_deref() {
        None | Some("UTC") => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|error| {
            Error::new(
                Kind::Configuration,
                format!("the manifest names a time zone `{name}` that is not known"),
            )
            .source(error)
        }),
    }
}

fn write_time(form: &ChangedSince, at: Timestamp) -> Result<String, Error> {
    Ok(at
        .to_zoned_datetime(zone(form)?)
        .strftime(&form.format)
        .to_string())
}

/// When a row changed: RFC 3339, or in the manifest's own form.
fn changed_at(plan: &ReadPlan, field: Option<&str>, row: &Value) -> Option<Timestamp> {
    let form = plan.changed_since.as_ref()?;
    let text = row.get(field.unwrap_or(&form.field))?.as_str()?;
    text.parse::<Timestamp>().ok().or_else(|| {
        let civil = jiff::civil::DateTime::strptime(&form.format, text).ok()?;
        civil
            .to_zoned_datetime(zone(form).ok()?)
            .ok()
            .map(|zoned| zoned.timestamp())
    })
}
