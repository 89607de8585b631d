//! From documents to what the engine runs: every expression, step and table ready, everything wrong named.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use weir_engine::configuration::{Lookup, On, Reply, Route, WaitsFor, Webhook};
use weir_model::config::{self, Switch};
use weir_model::{Address, Finding};
use weir_sdk::checker::Schema;
use weir_sdk::document::Document;
use weir_sdk::expressions::{Expression, Expressions};
use weir_sdk::step::Placed;

use super::steps::{Site, borrowed};
use super::{Part, Project, triggers, webhook};
use crate::wiring::Wiring;

/// A task waits this long for what it needs, unless its route says otherwise.
const WAIT_MS: u64 = 7 * 86_400_000;

/// Routes and lookups as the engine takes them.
#[derive(Default)]
pub(crate) struct Compiled {
    pub(crate) routes: BTreeMap<String, Route>,
    pub(crate) lookups: BTreeMap<String, Lookup>,
}

/// Compiles everything that can be compiled; the rest is in the findings.
pub(crate) fn compile(project: &Project, wiring: &Wiring, findings: &mut Vec<Finding>) -> Compiled {
    let Some(expressions) = project.expressions.clone() else {
        return Compiled::default(); // the library's own findings say why
    };
    let mut compiler = Compiler {
        project,
        wiring,
        expressions: &*expressions,
        findings,
    };
    let mut compiled = Compiled::default();
    for (name, part) in &project.routes {
        if let Some(route) = compiler.route(name, part) {
            compiled.routes.insert(name.clone(), route);
        }
    }
    for (name, part) in &project.lookups {
        if let Some(lookup) = compiler.lookup(part) {
            compiled.lookups.insert(name.clone(), lookup);
        }
    }
    compiled
}

struct Compiler<'a> {
    project: &'a Project,
    wiring: &'a Wiring,
    expressions: &'a dyn Expressions,
    findings: &'a mut Vec<Finding>,
}

impl Compiler<'_> {
    fn route(&mut self, name: &str, part: &Part<config::Route>) -> Option<Route> {
        let (route, document) = (&part.value, &part.document);
        let key = self.expression(document, &["entity", "key"], &route.entity.key);
        let source_steps = self.steps(document, &["source", "steps"], &route.source.steps, "source.");
        let mut steps = self.steps(document, &["steps"], &route.steps, "");
        if route.write.is_some() {
            let parameters = part.written.get("write").cloned().unwrap_or_default();
            let ordinal = 1 + route.steps.iter().filter(|step| step.kind == "write").count();
            let step = config::Step {
                kind: "write".to_owned(),
                parameters,
                name: None,
                when: None,
                on_error: None,
            };
            let name = format!("write-{ordinal}");
            let mut found = Vec::new();
            let path = ["write".to_owned()];
            steps.extend(
                self.site(document)
                    .one(&path, &step, name.clone(), name, &mut found),
            );
            self.findings.append(&mut found);
        }
        let waits: Vec<_> = route
            .waits_for
            .iter()
            .enumerate()
            .map(|(i, w)| self.waits(document, i, w))
            .collect();
        let webhook = match &route.source.webhook {
            Some(webhook) => Some(self.webhook(document, webhook)?),
            None => None,
        };
        let reply = match &route.reply {
            Some(reply) => Some(self.reply(document, reply)?),
            None => None,
        };
        let defaults = &self.project.settings.value.defaults;
        let mut limits = route.limits.clone().unwrap_or_else(|| defaults.limits.clone());
        let says_queue = |written: &Value, path| written.pointer(path).is_some();
        if webhook.is_some()
            && !says_queue(&part.written, "/limits/queue")
            && !says_queue(&self.project.settings.written, "/defaults/limits/queue")
        {
            limits.queue = webhook::QUEUE;
        }
        Some(Route {
            title: route.title.clone().unwrap_or_else(|| name.to_owned()),
            reads: route.source.read.0.clone(),
            changed_since: route.source.changed_since.clone(),
            latest_only: route.latest_only.unwrap_or(webhook.is_none()),
            webhook,
            trigger: triggers::trigger(self.project, name, part, self.findings)?,
            schema: self.entity_schema(document, route.entity.schema.as_deref()),
            key: key?,
            source_steps,
            steps,
            reply,
            waits_for: waits.into_iter().collect::<Option<_>>()?,
            resend_on: route.source.resend_on.clone(),
            policy: route.retry.policy(&defaults.retry),
            limits,
            trace: route.trace.unwrap_or(self.project.settings.value.trace),
            switch: self
                .project
                .environment
                .value
                .routes
                .get(name)
                .copied()
                .unwrap_or(Switch::On),
        })
    }

    fn webhook(&mut self, document: &Document, webhook: &config::Webhook) -> Option<Webhook> {
        let mut optional = |name, text: &Option<String>| match text {
            Some(text) => self
                .expression(document, &["source", "webhook", name], text)
                .map(Some),
            None => Some(None),
        };
        let (each, dedupe) = (
            optional("each", &webhook.each),
            optional("dedupe", &webhook.dedupe),
        );
        Some(Webhook {
            each: each?,
            dedupe: dedupe?,
        })
    }

    fn reply(&mut self, document: &Document, reply: &config::Reply) -> Option<Reply> {
        Some(Reply {
            status: reply.status.unwrap_or(webhook::REPLY_STATUS),
            headers: reply.headers.clone(),
            body: self.expression(document, &["reply", "body"], &reply.body)?,
            deadline_ms: reply.deadline.map_or(webhook::DEADLINE_MS, |span| span.ms),
        })
    }

    /// A name that is not there has its finding already.
    fn entity_schema(&mut self, document: &Document, name: Option<&str>) -> Option<Arc<dyn Schema>> {
        let bundle = self.project.schemas.bundle(name?).ok()?;
        match self.wiring.checker.compile(&bundle) {
            Ok(schema) => Some(schema),
            Err(error) => {
                let message = format!("the schema cannot be used: {error}");
                self.findings
                    .push(document.finding(&["entity", "schema"], "schema", message));
                None
            }
        }
    }

    fn site<'s>(&'s self, document: &'s Document) -> Site<'s> {
        Site {
            project: self.project,
            wiring: self.wiring,
            expressions: self.expressions,
            document,
            reading: false,
            nested: false,
            within_each: false,
        }
    }

    fn steps(
        &mut self,
        document: &Document,
        place: &[&str],
        steps: &[config::Step],
        prefix: &str,
    ) -> Vec<Placed> {
        let path: Vec<String> = place.iter().map(|part| (*part).to_owned()).collect();
        let mut found = Vec::new();
        let site = Site {
            reading: place.first() == Some(&"source"),
            ..self.site(document)
        };
        let built = site.list(&path, steps, prefix, &mut found);
        self.findings.append(&mut found);
        built
    }

    fn waits(&mut self, document: &Document, i: usize, waits: &config::WaitsFor) -> Option<WaitsFor> {
        let index = i.to_string();
        let place = |field: &'static str| ["waits_for".to_owned(), index.clone(), field.to_owned()];
        let keys = match &waits.keys {
            Some(text) => Some(self.expression(document, &borrowed(&place("keys")), text)?),
            None => None,
        };
        let when_delivered = match &waits.when_delivered {
            Some(text) => Some(self.expression(document, &borrowed(&place("when_delivered")), text)?),
            None => None,
        };
        let mut complain = |code, message: &str| {
            let finding = document.finding(&["waits_for", &index], code, message);
            self.findings.push(finding);
        };
        let on = match (&waits.route, &waits.link, &waits.run) {
            (Some(route), None, None) => On::Route(route.clone()),
            (None, Some(link), None) => On::Link(Address {
                connection: link.connection.clone(),
                entity: link.entity.clone(),
            }),
            (None, None, Some(run)) => On::Run(run.clone()),
            _ => {
                let message = "a dependency names one of `route`, `link` and `run`";
                complain("wrong-value", message);
                return None;
            }
        };
        match (&on, &keys) {
            (On::Run(_), Some(_)) => {
                let message = "`run` waits for a whole run: `keys` belongs to `route` or `link`";
                complain("wrong-value", message);
                return None;
            }
            (On::Route(_) | On::Link(_), None) => {
                let message = "the key `keys` is missing: which keys must be there?";
                complain("missing-key", message);
                return None;
            }
            _ => {}
        }
        Some(WaitsFor {
            on,
            keys,
            settled: waits.settled,
            when_delivered,
            timeout_ms: waits.timeout.map_or(WAIT_MS, |span| span.ms),
        })
    }

    fn lookup(&mut self, part: &Part<config::Lookup>) -> Option<Lookup> {
        let (lookup, document) = (&part.value, &part.document);
        let complain = |findings: &mut Vec<Finding>, path: &[&str], message: &str| {
            findings.push(document.finding(path, "wrong-value", message));
            None
        };
        match (&lookup.file, &lookup.read, lookup.kept) {
            (Some(file), None, false) => self.rows(part, file),
            (None, None, true) => Some(Lookup::Kept),
            (None, Some(read), false) => match (lookup.refresh, lookup.cache) {
                (Some(every), None) => {
                    let key = self.expression(document, &["key"], &lookup.key)?;
                    Some(Lookup::Refreshed {
                        read: read.clone(),
                        key,
                        every_ms: every.ms,
                    })
                }
                (None, Some(cache)) if is_field(&lookup.key) => Some(Lookup::OnDemand {
                    read: read.clone(),
                    field: lookup.key.clone(),
                    cache_ms: cache.ms,
                }),
                (None, Some(_)) => complain(
                    self.findings,
                    &["key"],
                    "a table that is fetched on demand needs the name of one field as its key",
                ),
                _ => complain(
                    self.findings,
                    &[],
                    "a table from a system says either `refresh` or `cache`",
                ),
            },
            _ => complain(
                self.findings,
                &[],
                "a lookup has one of `file`, `read` and `kept: true`",
            ),
        }
    }

    /// Rows of a CSV file beside the lookup, by the key column.
    fn rows(&mut self, part: &Part<config::Lookup>, file: &str) -> Option<Lookup> {
        let path = format!("lookups/{file}");
        let Some(text) = self.project.texts.get(&path) else {
            let files = self
                .project
                .texts
                .keys()
                .filter_map(|p| p.strip_prefix("lookups/"))
                .filter(|p| p.ends_with(".csv"));
            let suggestion = weir_model::did_you_mean(file, files);
            let message = format!("there is no file `{path}`");
            self.findings.push(
                part.document
                    .finding(&["file"], "missing-file", message)
                    .suggest(suggestion),
            );
            return None;
        };
        let rows = match self.wiring.table(&path, text) {
            Ok(rows) => rows,
            Err(finding) => {
                self.findings.push(finding);
                return None;
            }
        };
        let key = &part.value.key;
        if let Some(Value::Object(row)) = rows.first()
            && !row.contains_key(key)
        {
            let suggestion = weir_model::did_you_mean(key, row.keys().map(String::as_str)).or_else(|| {
                Some(format!(
                    "there are: {}",
                    row.keys().cloned().collect::<Vec<_>>().join(", ")
                ))
            });
            let message = format!("`{path}` has no column `{key}`");
            self.findings.push(
                part.document
                    .finding(&["key"], "unknown-column", message)
                    .suggest(suggestion),
            );
            return None;
        }
        let mut table = BTreeMap::new();
        for row in rows {
            let key = row
                .get(key)
                .and_then(weir_model::json::key_text)
                .unwrap_or_default();
            if table.insert(key.clone(), row).is_some() {
                let message = format!("the key `{key}` stands in this table twice");
                self.findings
                    .push(Finding::error("double-key", &path, 0, 0, message));
            }
        }
        Some(Lookup::Rows(table))
    }

    fn expression(&mut self, document: &Document, path: &[&str], text: &str) -> Option<Arc<dyn Expression>> {
        let snippet = document.snippet(path, text);
        self.expressions
            .expression(&snippet)
            .map_err(|finding| self.findings.push(finding))
            .ok()
    }
}

fn is_field(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
