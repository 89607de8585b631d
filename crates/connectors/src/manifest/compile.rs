use std::collections::BTreeMap;

use serde_json::{Map, Value};
use weir_model::{Finding, did_you_mean};
use weir_sdk::document::Document;
use weir_sdk::expressions::Expressions;

use super::types::{self, Child, FollowUp, Manifest, Missing, OnMissing, Reference};
use crate::errors::Rules;
use crate::operation::{self, OperationPlan};
use crate::paginate::Paginate;
use crate::request::Request;
use crate::template::{Compiler, Formula, Template};

/// Rows of one bulk look-up unless the manifest says otherwise.
const LOOKUP_KEYS: usize = 100;

/// An entity, ready to work with.
pub(crate) struct EntityPlan {
    pub(crate) name: String,
    pub(crate) schema: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) key: Vec<String>,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) filters: BTreeMap<String, Vec<String>>,
    pub(crate) read: Option<ReadPlan>,
    pub(crate) lookup: Option<LookupPlan>,
    pub(crate) write: Option<WritePlan>,
    pub(crate) include: Vec<String>,
    pub(crate) omit: Vec<String>,
    /// The entity's own fields, as a child has them.
    pub(crate) body: ChildPlan,
}

/// Fields of a row and the lists below it.
#[derive(Clone)]
pub(crate) struct ChildPlan {
    /// The list here; empty for the entity itself.
    pub(crate) name: String,
    pub(crate) relation: String,
    pub(crate) of: Option<String>,
    pub(crate) key: Vec<String>,
    pub(crate) group: Vec<String>,
    pub(crate) json_text: Vec<String>,
    pub(crate) rename: BTreeMap<String, String>,
    pub(crate) references: BTreeMap<String, ReferencePlan>,
    pub(crate) missing: Missing,
    pub(crate) constant: Option<Vec<Value>>,
    pub(crate) rows: Option<Formula>,
    pub(crate) children: Vec<ChildPlan>,
    pub(crate) follow_up: Option<FollowUp>,
}

#[derive(Clone)]
pub(crate) struct ReferencePlan {
    pub(crate) reference: Reference,
    pub(crate) create: Option<Template>,
}

pub(crate) struct ReadPlan {
    pub(crate) parents: BTreeMap<String, String>,
    pub(crate) when: Option<Formula>,
    pub(crate) request: Request,
    pub(crate) records: Formula,
    pub(crate) paginate: Paginate,
    pub(crate) changed_since: Option<types::ChangedSince>,
}

pub(crate) struct LookupPlan {
    pub(crate) request: Request,
    pub(crate) records: Formula,
    pub(crate) paginate: Paginate,
    pub(crate) max_keys: usize,
    pub(crate) cache_ms: u64,
}

pub(crate) struct WritePlan {
    pub(crate) repeat: weir_model::retry::Repeat,
    pub(crate) unique: bool,
    pub(crate) settle_ms: u64,
    pub(crate) rows_max: usize,
    pub(crate) bytes_max: usize,
    pub(crate) row_bytes_max: usize,
    pub(crate) body: Option<Template>,
    pub(crate) lines: bool,
    pub(crate) answer_lines: bool,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) create: Option<WriteMode>,
    pub(crate) update: Option<WriteMode>,
    pub(crate) upsert: Option<WriteMode>,
    pub(crate) looks_up: bool,
    pub(crate) saved: Option<Formula>,
    pub(crate) rules: Option<Rules>,
    pub(crate) bisects: bool,
}

pub(crate) struct WriteMode {
    pub(crate) method: String,
    pub(crate) path: Template,
    /// The status of a good answer, where the manifest names one.
    pub(crate) status: Option<u16>,
}

/// What a connection needs besides entities.
pub(crate) struct SetupPlan {
    pub(crate) base_url: Template,
    pub(crate) rules: Rules,
}

pub(crate) struct Compiled {
    pub(crate) manifest: Manifest,
    pub(crate) entities: BTreeMap<String, EntityPlan>,
    pub(crate) operations: BTreeMap<String, OperationPlan>,
    pub(crate) setup: SetupPlan,
}

pub(crate) fn compile(document: &Document, expressions: &dyn Expressions) -> Result<Compiled, Vec<Finding>> {
    let manifest: Manifest = document.read().map_err(|finding| vec![finding])?;
    let at = |path: &[&str]| {
        let (line, column) = document.place(path);
        Compiler {
            file: &document.file,
            expressions,
            line,
            column,
        }
    };
    let mut findings = Vec::new();
    let mut entities = BTreeMap::new();
    for (name, value) in &manifest.entities {
        match entity(&manifest, document, name, value, &at(&["entities", name])) {
            Ok(entity) => drop(entities.insert(name.clone(), entity)),
            Err(finding) => findings.push(finding),
        }
    }
    for (name, entity) in &entities {
        check_references(document, name, &entity.body, &entities, &mut findings);
    }
    let operations = operation::compile_all(&manifest, document, at, &mut findings);
    let http = at(&["http"]);
    let setup = http.text(&manifest.http.base_url).and_then(|base_url| {
        Ok(SetupPlan {
            base_url,
            rules: Rules::compile(&manifest.http.errors, &at(&["http", "errors"]))?,
        })
    });
    match setup {
        Ok(setup) if findings.is_empty() => Ok(Compiled {
            manifest,
            entities,
            operations,
            setup,
        }),
        Ok(_) => Err(findings),
        Err(finding) => {
            findings.push(finding);
            Err(findings)
        }
    }
}

fn entity(
    manifest: &Manifest,
    document: &Document,
    name: &str,
    value: &Value,
    compiler: &Compiler<'_>,
) -> Result<EntityPlan, Finding> {
    let (merged, parameters) = with_shape(manifest, document, name, value)?;
    let entity: types::Entity = document.read_part(&["entities", name], &merged)?;
    let body = ChildPlan {
        name: String::new(),
        relation: String::new(),
        of: None,
        key: entity.key.clone(),
        group: Vec::new(),
        json_text: entity.json_text,
        rename: entity.rename,
        references: references(&entity.references, compiler)?,
        missing: Missing::Keep,
        constant: None,
        rows: None,
        children: children(&entity.children, compiler)?,
        follow_up: None,
    };
    Ok(EntityPlan {
        name: name.to_owned(),
        schema: entity.schema,
        id: entity.id,
        key: entity.key,
        parameters,
        filters: entity
            .filters
            .into_iter()
            .map(|(word, ops)| (word, ops.into_keys().collect()))
            .collect(),
        read: entity
            .read
            .as_ref()
            .map(|read| read_plan(read, document, name, compiler))
            .transpose()?,
        lookup: entity
            .lookup
            .as_ref()
            .map(|lookup| lookup_plan(lookup, compiler))
            .transpose()?,
        write: entity
            .write
            .as_ref()
            .map(|write| write_plan(write, compiler))
            .transpose()?,
        include: entity.current.map(|current| current.include).unwrap_or_default(),
        omit: entity.omit,
        body,
    })
}

/// The entity over its shape; words in capitals are parameters.
fn with_shape(
    manifest: &Manifest,
    document: &Document,
    name: &str,
    value: &Value,
) -> Result<(Value, Map<String, Value>), Finding> {
    let mut merged = Value::Object(Map::new());
    let mut own = value.clone();
    if let Some(shape) = own
        .as_object_mut()
        .and_then(|fields| fields.shift_remove("shape"))
    {
        let shape = shape.as_str().unwrap_or_default();
        let Some(base) = manifest.shapes.get(shape) else {
            let hint = did_you_mean(shape, manifest.shapes.keys().map(String::as_str));
            let message = format!("there is no shape `{shape}`");
            return Err(document
                .finding(&["entities", name, "shape"], "unknown-shape", message)
                .suggest(hint));
        };
        merged = base.clone();
    }
    overlay(&mut merged, own);
    let mut parameters = Map::new();
    if let Some(fields) = merged.as_object_mut() {
        let is_parameter = |name: &str| name.chars().any(char::is_alphabetic) && name == name.to_uppercase();
        let names: Vec<String> = fields.keys().filter(|name| is_parameter(name)).cloned().collect();
        for name in names {
            if let Some(value) = fields.shift_remove(&name) {
                parameters.insert(name, value);
            }
        }
    }
    Ok((merged, parameters))
}

fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (name, value) in over {
                overlay(base.entry(name).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

fn references(
    references: &BTreeMap<String, Reference>,
    compiler: &Compiler<'_>,
) -> Result<BTreeMap<String, ReferencePlan>, Finding> {
    references
        .iter()
        .map(|(field, reference)| {
            let create = match (&reference.create, reference.on_missing) {
                (Some(row), OnMissing::Create) => Some(compiler.template(row)?),
                _ => None,
            };
            Ok((
                field.clone(),
                ReferencePlan {
                    reference: reference.clone(),
                    create,
                },
            ))
        })
        .collect()
}

fn children(list: &BTreeMap<String, Child>, compiler: &Compiler<'_>) -> Result<Vec<ChildPlan>, Finding> {
    list.iter()
        .map(|(name, child)| {
            Ok(ChildPlan {
                name: name.clone(),
                relation: child.relation.clone(),
                of: child.of.clone(),
                key: child.key.clone(),
                group: child.group.clone(),
                json_text: child.json_text.clone(),
                rename: child.rename.clone(),
                references: references(&child.references, compiler)?,
                missing: child.missing,
                constant: child.constant.clone(),
                rows: child
                    .rows
                    .as_deref()
                    .map(|text| compiler.expression(text))
                    .transpose()?,
                children: children(&child.children, compiler)?,
                follow_up: child.follow_up.clone(),
            })
        })
        .collect()
}

fn read_plan(
    read: &types::Read,
    document: &Document,
    name: &str,
    compiler: &Compiler<'_>,
) -> Result<ReadPlan, Finding> {
    let changed_since = match &read.changed_since {
        None | Some(Value::String(_)) => None,
        Some(value) => Some(document.read_part(&["entities", name, "read", "changed_since"], value)?),
    };
    Ok(ReadPlan {
        parents: read.parents.clone(),
        when: read
            .when
            .as_deref()
            .map(|text| compiler.expression(text))
            .transpose()?,
        request: Request::compile(&read.request, compiler)?,
        records: compiler.expression(&read.records)?,
        paginate: Paginate::compile(read.paginate.as_ref(), compiler)?,
        changed_since,
    })
}

fn lookup_plan(lookup: &types::Lookup, compiler: &Compiler<'_>) -> Result<LookupPlan, Finding> {
    Ok(LookupPlan {
        request: Request::compile(&lookup.request, compiler)?,
        records: compiler.expression(&lookup.records)?,
        paginate: Paginate::compile(lookup.paginate.as_ref(), compiler)?,
        max_keys: lookup.max_keys.unwrap_or(LOOKUP_KEYS).max(1),
        cache_ms: lookup.cache.map_or(0, |span| span.ms),
    })
}

fn write_plan(write: &types::Write, compiler: &Compiler<'_>) -> Result<WritePlan, Finding> {
    let mode = |mode: &types::Mode| -> Result<WriteMode, Finding> {
        Ok(WriteMode {
            method: mode.method.clone(),
            path: compiler.text(&mode.path)?,
            status: mode.status,
        })
    };
    let (looks_up, upsert) = match &write.upsert {
        Some(Value::String(word)) if word == "lookup_then" => (true, None),
        Some(value) => {
            let request: types::Mode = serde_json::from_value(value.clone()).map_err(|error| {
                let message = format!("`upsert` is `lookup_then` or a request: {error}");
                Finding::error(
                    "wrong-value",
                    compiler.file,
                    compiler.line,
                    compiler.column,
                    message,
                )
            })?;
            (false, Some(mode(&request)?))
        }
        None => (false, None),
    };
    if let Some(saved) = &write.saved
        && saved.by != "natural_key"
    {
        let message = format!("`saved.match` is `natural_key`; `{}` is not known", saved.by);
        return Err(Finding::error(
            "unknown-word",
            compiler.file,
            compiler.line,
            compiler.column,
            message,
        ));
    }
    let headers = write
        .headers
        .iter()
        .map(|(name, text)| Ok((name.clone(), compiler.text(text)?)));
    Ok(WritePlan {
        repeat: write.repeat,
        unique: write.unique,
        settle_ms: write.settle.map_or(0, |span| span.ms),
        rows_max: write.batch.rows.unwrap_or(1).max(1),
        bytes_max: write.batch.bytes.map_or(usize::MAX, |bytes| bytes.count as usize),
        row_bytes_max: write
            .batch
            .row_bytes
            .map_or(usize::MAX, |bytes| bytes.count as usize),
        body: write
            .batch
            .body
            .as_ref()
            .map(|body| compiler.template(body))
            .transpose()?,
        lines: write.batch.lines.is_some(),
        answer_lines: write.answer.as_ref().is_some_and(|answer| answer.lines),
        headers: headers.collect::<Result<_, Finding>>()?,
        create: write.create.as_ref().map(mode).transpose()?,
        update: write.update.as_ref().map(mode).transpose()?,
        upsert,
        looks_up,
        saved: write
            .saved
            .as_ref()
            .map(|saved| compiler.expression(&saved.rows))
            .transpose()?,
        rules: if write.errors.is_empty() {
            None
        } else {
            Some(Rules::compile(&write.errors, compiler)?)
        },
        bisects: write.unclear_error.is_some(),
    })
}

/// Every reference and follow-up names an entity of the manifest.
fn check_references(
    document: &Document,
    name: &str,
    child: &ChildPlan,
    entities: &BTreeMap<String, EntityPlan>,
    findings: &mut Vec<Finding>,
) {
    let targets = child
        .references
        .values()
        .map(|plan| plan.reference.entity.as_str());
    for target in targets.chain(child.follow_up.iter().map(|follow| follow.entity.as_str())) {
        if !entities.contains_key(target) {
            let hint = did_you_mean(target, entities.keys().map(String::as_str));
            let message = format!("`{name}` refers to an entity `{target}` that the manifest does not have");
            findings.push(
                document
                    .finding(&["entities", name], "unknown-entity", message)
                    .suggest(hint),
            );
        }
    }
    for child in &child.children {
        check_references(document, name, child, entities, findings);
    }
}
