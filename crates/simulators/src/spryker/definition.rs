//! What the shop is configured to offer: resources, fields, relations, constraints. Read from
//! `data/spryker-resources.json`, resolved to numbers once, so that requests compare no names.

use std::collections::HashMap;

use serde::Deserialize;

/// The shipped configuration.
const SHIPPED: &str = include_str!("../../data/spryker-resources.json");

#[derive(Deserialize)]
struct File {
    resources: Vec<ResourceText>,
}

/// A resource as written in the file; tests hand in further ones.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceText {
    /// Name in the path.
    pub name: String,
    /// Table of the database, named when a delete is blocked.
    pub table: String,
    /// Field that identifies a row.
    pub id: String,
    /// Whether DELETE is allowed.
    #[serde(default)]
    pub deletable: bool,
    /// Fields in the order of answers.
    pub fields: Vec<FieldText>,
    /// Relations to children.
    #[serde(default)]
    pub relations: Vec<RelationText>,
    /// Constraints of the database.
    #[serde(default)]
    pub unique: Vec<Vec<String>>,
    /// What makes two rows the same thing in the report.
    #[serde(default)]
    pub natural: Vec<String>,
}

/// A field as written in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldText {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    required: bool,
    #[serde(default = "yes")]
    creatable: bool,
    #[serde(default = "yes")]
    editable: bool,
    #[serde(default)]
    url: bool,
    #[serde(default)]
    hidden: bool,
    references: Option<String>,
    min: Option<i64>,
    max: Option<i64>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    precision: Option<usize>,
    scale: Option<usize>,
}

fn yes() -> bool {
    true
}

/// A relation as written in the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationText {
    name: String,
    resource: String,
    editable: bool,
    child: String,
    parent: String,
}

/// Types that the server checks; every other one is let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Integer,
    Boolean,
    Text,
    Decimal,
    Loose,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// `"name":`, ready to be written.
    pub(crate) prefix: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    pub(crate) creatable: bool,
    pub(crate) editable: bool,
    pub(crate) url: bool,
    /// A column of the table that is not configured as a field.
    pub(crate) hidden: bool,
    pub(crate) references: Option<usize>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) precision: Option<usize>,
    pub(crate) scale: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) name: String,
    pub(crate) resource: usize,
    pub(crate) editable: bool,
    pub(crate) child: usize,
    pub(crate) parent: usize,
}

#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) id: usize,
    pub(crate) deletable: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) relations: Vec<Relation>,
    pub(crate) unique: Vec<Vec<usize>>,
    pub(crate) natural: Vec<usize>,
    names: HashMap<String, usize>,
}

impl Resource {
    /// A configured field.
    pub(crate) fn field(&self, name: &str) -> Option<usize> {
        let position = self.column(name)?;
        (!self.fields[position].hidden).then_some(position)
    }

    /// A column of the table, configured or not.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(crate) fn relation(&self, name: &str) -> Option<usize> {
        self.relations.iter().position(|relation| relation.name == name)
    }
}

/// The whole configuration.
#[derive(Debug)]
pub(crate) struct Definitions {
    pub(crate) resources: Vec<Resource>,
    names: HashMap<String, usize>,
    /// Per resource: the fields of others that point to it.
    pub(crate) referenced_by: Vec<Vec<(usize, usize)>>,
}

impl Definitions {
    /// The shipped configuration and more.
    pub(crate) fn load(more: &[ResourceText]) -> Self {
        let file: File =
            serde_json::from_str(SHIPPED).expect("the shipped resources are valid, a test reads them");
        let mut texts = file.resources;
        texts.extend_from_slice(more);
        let names: HashMap<String, usize> = texts
            .iter()
            .enumerate()
            .map(|(position, text)| (text.name.clone(), position))
            .collect();
        let columns: Vec<HashMap<String, usize>> = texts
            .iter()
            .map(|text| {
                text.fields
                    .iter()
                    .enumerate()
                    .map(|(position, field)| (field.name.clone(), position))
                    .collect()
            })
            .collect();
        let resources: Vec<Resource> = texts
            .into_iter()
            .enumerate()
            .map(|(position, text)| resolve(text, &names, &columns, position))
            .collect();
        let mut referenced_by = vec![Vec::new(); resources.len()];
        for (child, resource) in resources.iter().enumerate() {
            for (field, definition) in resource.fields.iter().enumerate() {
                if let Some(parent) = definition.references {
                    referenced_by[parent].push((child, field));
                }
            }
        }
        Self {
            resources,
            names,
            referenced_by,
        }
    }

    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

fn resolve(
    text: ResourceText,
    names: &HashMap<String, usize>,
    columns: &[HashMap<String, usize>],
    position: usize,
) -> Resource {
    let own = &columns[position];
    let column = |name: &String| own[name];
    let relations = text
        .relations
        .iter()
        .map(|relation| {
            let resource = names[&relation.resource];
            Relation {
                name: relation.name.clone(),
                resource,
                editable: relation.editable,
                child: columns[resource][&relation.child],
                parent: column(&relation.parent),
            }
        })
        .collect();
    let fields = text
        .fields
        .into_iter()
        .map(|field| Field {
            prefix: format!("\"{}\":", field.name).into_bytes(),
            kind: match field.kind.as_str() {
                "integer" => Kind::Integer,
                "boolean" => Kind::Boolean,
                "string" => Kind::Text,
                "decimal" => Kind::Decimal,
                _ => Kind::Loose,
            },
            required: field.required,
            creatable: field.creatable,
            editable: field.editable,
            url: field.url,
            hidden: field.hidden,
            references: field.references.map(|name| names[&name]),
            min: field.min,
            max: field.max,
            min_length: field.min_length,
            max_length: field.max_length,
            precision: field.precision,
            scale: field.scale,
            name: field.name,
        })
        .collect();
    Resource {
        id: column(&text.id),
        unique: text
            .unique
            .iter()
            .map(|key| key.iter().map(column).collect())
            .collect(),
        natural: text.natural.iter().map(column).collect(),
        name: text.name,
        table: text.table,
        deletable: text.deletable,
        fields,
        relations,
        names: own.clone(),
    }
}
