//! From texts to a connector, and from a connector to a connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use weir_model::config::WriteMode;
use weir_model::{Finding, did_you_mean};
use weir_sdk::Context;
use weir_sdk::connector::{Connection, Connector, Description, EntityDescription, Setup};
use weir_sdk::document::Document;
use weir_sdk::expressions::{Expressions, Language, Snippet};

use crate::errors::Rules;
use crate::ids::Ids;
use crate::limits::Limiter;
use crate::manifest::types::{Auth, Manifest, Setting};
use crate::manifest::{EntityPlan, compile};
use crate::operation::OperationPlan;
use crate::request::Request;
use crate::runtime::Runtime;
use crate::session::{Session, SignIn, TokenSource};
use crate::template::{Compiler, Template};

const TIMEOUT_MS: u64 = 60_000;
const ANSWER_BYTES_MAX: u64 = 64_000_000;
const CONCURRENCY: u32 = 4;

/// The files of a connector's folder.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Where it lies, for findings: `connectors/akeneo`.
    pub folder: String,
    /// `connector.yaml`
    pub manifest: String,
    /// `functions.jsonata`, where there is one.
    pub functions: Option<String>,
    /// `schemas/NAME.json` by name.
    pub schemas: BTreeMap<String, String>,
}

/// A connector with the schemas of its entities.
#[derive(Clone)]
pub struct Loaded {
    pub connector: Arc<dyn Connector>,
    /// `akeneo@1`
    pub name: String,
    pub schemas: BTreeMap<String, Value>,
}

/// JSON Schema of `connector.yaml`.
pub fn manifest_schema() -> Value {
    schemars::schema_for!(Manifest).to_value()
}

/// Reads and compiles a connector. Everything that is wrong is found together, with file, line and column.
pub fn load(source: &Source, language: &dyn Language) -> Result<Loaded, Vec<Finding>> {
    let file = format!("{}/connector.yaml", source.folder);
    let document = Document::parse(&file, &source.manifest).map_err(|finding| vec![finding])?;
    let functions = source
        .functions
        .as_ref()
        .map(|text| Snippet::new(format!("{}/functions.jsonata", source.folder), text));
    let expressions = language.library(functions, BTreeMap::new())?;
    let compiled = compile(&document, expressions.as_ref())?;
    let mut schemas = BTreeMap::new();
    for (name, text) in &source.schemas {
        let schema = serde_json::from_str(text).map_err(|error| {
            let file = format!("{}/schemas/{name}.json", source.folder);
            let (line, column) = (error.line() as u32, error.column() as u32);
            vec![Finding::error(
                "json",
                &file,
                line,
                column,
                format!("this is not valid JSON: {error}"),
            )]
        })?;
        schemas.insert(name.clone(), schema);
    }
    let major = compiled.manifest.version.split('.').next().unwrap_or("1");
    let name = format!("{}@{major}", compiled.manifest.connector);
    let description = describe(&compiled.manifest, &compiled.entities, &compiled.operations);
    let connector = FromManifest {
        file,
        description,
        rules: Arc::new(compiled.setup.rules),
        base_url: compiled.setup.base_url,
        manifest: compiled.manifest,
        entities: Arc::new(compiled.entities),
        operations: Arc::new(compiled.operations),
        expressions,
    };
    Ok(Loaded {
        connector: Arc::new(connector),
        name,
        schemas,
    })
}

struct FromManifest {
    file: String,
    description: Description,
    manifest: Manifest,
    entities: Arc<BTreeMap<String, EntityPlan>>,
    operations: Arc<BTreeMap<String, OperationPlan>>,
    rules: Arc<Rules>,
    base_url: Template,
    expressions: Arc<dyn Expressions>,
}

impl Connector for FromManifest {
    fn description(&self) -> &Description {
        &self.description
    }

    fn connect(&self, setup: Setup, context: &Context) -> Result<Arc<dyn Connection>, Vec<Finding>> {
        let mut findings = Vec::new();
        let settings = settings(
            &self.manifest.connection.settings,
            &setup.settings,
            &setup.file,
            "settings",
            &mut findings,
        );
        let mut secrets = secret_values(&self.manifest.connection.settings, &settings);
        let mut input = Map::new();
        input.insert("settings".to_owned(), Value::Object(settings));
        let compiler = Compiler {
            file: &self.file,
            expressions: self.expressions.as_ref(),
            line: 0,
            column: 0,
        };
        let mut sign_in = None;
        match (&setup.auth, self.manifest.connection.auth.is_empty()) {
            (None, true) => {}
            (None, false) => {
                let names: Vec<&str> = self.manifest.connection.auth.keys().map(String::as_str).collect();
                let message = format!(
                    "the connection says not how to sign in: write `auth` with one of {}",
                    names.join(", ")
                );
                findings.push(Finding::error("missing-auth", &setup.file, 0, 0, message));
            }
            (Some((name, values)), _) => match self.manifest.connection.auth.get(name) {
                None => {
                    let known = self.manifest.connection.auth.keys().map(String::as_str);
                    let message = format!(
                        "`{}` has no way to sign in called `{name}`",
                        self.manifest.connector
                    );
                    findings.push(
                        Finding::error("unknown-auth", &setup.file, 0, 0, message)
                            .suggest(did_you_mean(name, known)),
                    );
                }
                Some(auth) => {
                    let values = self::settings(
                        &auth.settings,
                        values,
                        &setup.file,
                        &format!("auth.{name}"),
                        &mut findings,
                    );
                    secrets.extend(secret_values(&auth.settings, &values));
                    input.insert("auth".to_owned(), Value::Object(values));
                    match self::sign_in(auth, &compiler) {
                        Ok(auth) => sign_in = Some(auth),
                        Err(finding) => findings.push(finding),
                    }
                }
            },
        }
        let http = &self.manifest.http;
        let headers: Result<Vec<(String, Template)>, Finding> = http
            .headers
            .iter()
            .map(|(name, text)| Ok((name.clone(), compiler.text(text)?)))
            .collect();
        let headers = headers.unwrap_or_else(|finding| {
            findings.push(finding);
            Vec::new()
        });
        let base_url = match self.base_url.text(&Value::Object(input.clone())) {
            Ok(base_url) => base_url.unwrap_or_default(),
            Err(error) => {
                findings.push(Finding::error("base-url", &setup.file, 0, 0, error.message));
                String::new()
            }
        };
        if !findings.is_empty() {
            return Err(findings);
        }
        let concurrency = setup
            .concurrency
            .or(http.limits.concurrency)
            .unwrap_or(CONCURRENCY);
        let rate = setup
            .rate
            .or(http.limits.rate.map(|rate| (rate.count, rate.per_ms)));
        let session = Session {
            connection: setup.name,
            context: context.clone(),
            base_url,
            headers,
            timeout_ms: http.timeout.map_or(TIMEOUT_MS, |span| span.ms),
            answer_bytes_max: http.answer_bytes.map_or(ANSWER_BYTES_MAX, |bytes| bytes.count),
            allow_private: setup.allow_private,
            limiter: Limiter::new(concurrency, rate),
            rules: self.rules.clone(),
            auth: sign_in,
            input,
            secrets,
        };
        Ok(Arc::new(Runtime {
            description: self.description.clone(),
            entities: self.entities.clone(),
            operations: self.operations.clone(),
            session,
            ids: Ids::default(),
            creating: Mutex::new(()),
            check_read: self.manifest.connection.check.read.clone(),
            explain: self.manifest.connection.check.explain.clone(),
        }))
    }
}

/// Values with defaults put in; what is missing or unknown is a finding.
fn settings(
    known: &BTreeMap<String, Setting>,
    given: &BTreeMap<String, Value>,
    file: &str,
    place: &str,
    findings: &mut Vec<Finding>,
) -> Map<String, Value> {
    let mut values = Map::new();
    for (name, setting) in known {
        match given.get(name).or(setting.default.as_ref()) {
            Some(value) => drop(values.insert(name.clone(), value.clone())),
            // Without a word of its own a setting is needed, unless it has a default.
            None if setting.required.unwrap_or(true) => {
                let help = setting
                    .help
                    .as_ref()
                    .map(|help| format!(" ({help})"))
                    .unwrap_or_default();
                let message = format!("`{place}.{name}` is missing{help}");
                findings.push(Finding::error("missing-setting", file, 0, 0, message));
            }
            None => {}
        }
    }
    for name in given.keys().filter(|name| !known.contains_key(*name)) {
        let hint = did_you_mean(name, known.keys().map(String::as_str));
        findings.push(
            Finding::error(
                "unknown-setting",
                file,
                0,
                0,
                format!("unknown setting `{place}.{name}`"),
            )
            .suggest(hint),
        );
    }
    values
}

fn secret_values(known: &BTreeMap<String, Setting>, values: &Map<String, Value>) -> Vec<String> {
    let secret = |(name, setting): (&String, &Setting)| {
        let value = values.get(name)?.as_str()?;
        (setting.secret && value.len() > 2).then(|| value.to_owned())
    };
    known.iter().filter_map(secret).collect()
}

fn sign_in(auth: &Auth, compiler: &Compiler<'_>) -> Result<SignIn, Finding> {
    let texts = |map: &BTreeMap<String, String>| -> Result<Vec<(String, Template)>, Finding> {
        map.iter()
            .map(|(name, text)| Ok((name.clone(), compiler.text(text)?)))
            .collect()
    };
    let token = match &auth.token {
        None => None,
        Some(token) => Some(TokenSource {
            request: Request::compile(&token.request, compiler)?,
            value: compiler.text(&token.value)?,
            expires_in: token
                .expires_in
                .as_deref()
                .map(|text| compiler.text(text))
                .transpose()?,
            kept: Mutex::new(None),
        }),
    };
    let basic = match &auth.apply.basic {
        None => None,
        Some(basic) => Some((compiler.text(&basic.user)?, compiler.text(&basic.password)?)),
    };
    Ok(SignIn {
        header: texts(&auth.apply.header)?,
        query: texts(&auth.apply.query)?,
        basic,
        bearer: auth
            .apply
            .bearer
            .as_deref()
            .map(|text| compiler.text(text))
            .transpose()?,
        token,
    })
}

fn describe(
    manifest: &Manifest,
    entities: &BTreeMap<String, EntityPlan>,
    operations: &BTreeMap<String, OperationPlan>,
) -> Description {
    let entity = |(name, plan): (&String, &EntityPlan)| {
        let mut modes = Vec::new();
        if let Some(write) = &plan.write {
            let can = [
                (write.create.is_some(), WriteMode::Create),
                (write.update.is_some(), WriteMode::Update),
                (write.upsert.is_some() || write.looks_up, WriteMode::Upsert),
            ];
            modes.extend(can.into_iter().filter(|(can, _)| *can).map(|(_, mode)| mode));
        }
        let schema = plan.schema.as_ref().map(|path| {
            path.trim_start_matches("schemas/")
                .trim_end_matches(".json")
                .to_owned()
        });
        let changed_since = plan
            .read
            .iter()
            .filter_map(|read| read.changed_since.as_ref())
            .map(|form| form.field.clone());
        let description = EntityDescription {
            schema,
            key: plan.key.clone(),
            can_read: plan.read.is_some(),
            can_lookup: plan.lookup.is_some(),
            modes,
            filters: plan.filters.clone(),
            changed_since: changed_since.collect(),
            repeat: plan.write.as_ref().map(|write| write.repeat).unwrap_or_default(),
            batch_rows: plan.write.as_ref().map_or(1, |write| write.rows_max),
        };
        (name.clone(), description)
    };
    Description {
        name: manifest.connector.clone(),
        version: manifest.version.clone(),
        title: manifest.title.clone(),
        entities: entities.iter().map(entity).collect(),
        operations: operations
            .iter()
            .map(|(name, plan)| (name.clone(), plan.description))
            .collect(),
        settings: settings_schema(&manifest.connection.settings),
        auth: manifest
            .connection
            .auth
            .iter()
            .map(|(name, auth)| {
                let mut schema = settings_schema(&auth.settings);
                if let (Some(fields), Some(title)) = (schema.as_object_mut(), &auth.title) {
                    fields.insert("title".to_owned(), json!(title));
                }
                if let (Some(fields), Some(help)) = (schema.as_object_mut(), &auth.help) {
                    fields.insert("description".to_owned(), json!(help));
                }
                (name.clone(), schema)
            })
            .collect(),
    }
}

fn settings_schema(settings: &BTreeMap<String, Setting>) -> Value {
    let property = |setting: &Setting| {
        let mut property = Map::new();
        property.insert("type".to_owned(), json!(setting.kind));
        let words = [
            ("format", &setting.format),
            ("title", &setting.title),
            ("description", &setting.help),
        ];
        for (name, value) in words
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
        {
            property.insert(name.to_owned(), json!(value));
        }
        if let Some(default) = &setting.default {
            property.insert("default".to_owned(), default.clone());
        }
        if let Some(values) = &setting.values {
            property.insert("enum".to_owned(), json!(values));
        }
        if setting.secret {
            property.insert("x-weir".to_owned(), json!({ "secret": true }));
        }
        Value::Object(property)
    };
    let required: Vec<&String> = settings
        .iter()
        .filter(|(_, setting)| setting.required.unwrap_or(true) && setting.default.is_none())
        .map(|(name, _)| name)
        .collect();
    let properties: Map<String, Value> = settings
        .iter()
        .map(|(name, s)| (name.clone(), property(s)))
        .collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}
