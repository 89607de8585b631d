//! `connector.yaml` as types. The doc comments go into the published JSON Schema.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::Kind;
use weir_model::config::{Bytes, Limits, Span};
use weir_model::retry::Repeat;

/// A connector: one kind of system.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Its name; also the name of its folder.
    pub(crate) connector: String,
    /// `1.0.0`; connections name the first number.
    pub(crate) version: String,
    pub(crate) title: String,
    pub(crate) connection: Connection,
    pub(crate) http: Http,
    /// What entities have in common; an entity names one and may say more. Words in capitals are its parameters.
    #[serde(default)]
    pub(crate) shapes: BTreeMap<String, Value>,
    pub(crate) entities: BTreeMap<String, Value>,
    /// Any other request by name, for steps `call`: `price.get`.
    #[serde(default)]
    pub(crate) operations: BTreeMap<String, Operation>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Connection {
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Setting>,
    /// Ways to sign in; a connection names one.
    #[serde(default)]
    pub(crate) auth: BTreeMap<String, Auth>,
    #[serde(default)]
    pub(crate) check: Check,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    /// `string`, `integer`, `number` or `boolean`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) format: Option<String>,
    #[serde(default)]
    pub(crate) required: Option<bool>,
    /// Never shown again.
    #[serde(default)]
    pub(crate) secret: bool,
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) help: Option<String>,
    #[serde(default)]
    pub(crate) default: Option<Value>,
    #[serde(default, rename = "enum")]
    pub(crate) values: Option<Vec<Value>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    #[serde(default)]
    pub(crate) title: Option<String>,
    #[serde(default)]
    pub(crate) help: Option<String>,
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Setting>,
    /// A request that gives a token, which is kept until it expires or is refused.
    #[serde(default)]
    pub(crate) token: Option<Token>,
    /// How a request shows who it comes from.
    #[serde(default)]
    pub(crate) apply: Apply,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) request: Request,
    pub(crate) value: String,
    /// Seconds; without it the token is kept until it is refused.
    #[serde(default)]
    pub(crate) expires_in: Option<String>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Apply {
    #[serde(default)]
    pub(crate) header: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) query: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) bearer: Option<String>,
    #[serde(default)]
    pub(crate) basic: Option<Basic>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Basic {
    pub(crate) user: String,
    pub(crate) password: String,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    /// An entity of which one page is read.
    #[serde(default)]
    pub(crate) read: Option<String>,
    /// Status, or `status/code`, to a plain sentence.
    #[serde(default)]
    pub(crate) explain: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) base_url: String,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) timeout: Option<Span>,
    #[serde(default)]
    pub(crate) answer_bytes: Option<Bytes>,
    #[serde(default)]
    pub(crate) limits: Limits,
    /// First match decides.
    #[serde(default)]
    pub(crate) errors: Vec<ErrorRule>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErrorRule {
    pub(crate) when: String,
    /// The list of errors in the answer; without it there is one.
    #[serde(default)]
    pub(crate) each: Option<String>,
    #[serde(default)]
    pub(crate) kind: Option<Kind>,
    /// Field of an error that holds its code.
    #[serde(default)]
    pub(crate) code: Option<String>,
    #[serde(default)]
    pub(crate) message: Option<String>,
    /// Index of the row in the batch.
    #[serde(default)]
    pub(crate) row: Option<Find>,
    #[serde(default)]
    pub(crate) field: Option<Find>,
    /// Code to kind; `otherwise` for the rest; `by_status` goes by the status.
    #[serde(default)]
    pub(crate) kinds: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Find {
    /// The first group of a regular expression …
    #[serde(default)]
    pub(crate) regex: Option<String>,
    /// … over this field of the error.
    #[serde(default, rename = "in")]
    pub(crate) place: Option<String>,
    /// Or JSONata on the error.
    #[serde(default)]
    pub(crate) is: Option<String>,
}

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) query: BTreeMap<String, Value>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) basic: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) json: Option<Value>,
    #[serde(default)]
    pub(crate) form: Option<BTreeMap<String, String>>,
}

/// A request by name. One whose method is neither GET nor HEAD changes something: it is journalled, and not sent again
/// unless `repeat` allows it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Operation {
    /// Sees what the step says under `with` as `with`: `"/prices/{{ with.sku }}"`.
    pub(crate) request: Request,
    /// JSONata on `status`, `headers` and `body` of the answer; default `body`.
    #[serde(default)]
    pub(crate) result: Option<String>,
    /// Of one that reads many: JSONata that gives the rows of a page. The result is then the list of all.
    #[serde(default)]
    pub(crate) records: Option<String>,
    #[serde(default)]
    pub(crate) paginate: Option<Paginate>,
    /// The most rows it may give; default 10,000.
    #[serde(default)]
    pub(crate) records_max: Option<u64>,
    /// May it be sent again when no answer came? `safe` or `unsafe`; default `unsafe`.
    #[serde(default)]
    pub(crate) repeat: Option<Repeat>,
    /// Looked at before the rules of `http`.
    #[serde(default)]
    pub(crate) errors: Vec<ErrorRule>,
}

/// An entity, its shape put in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entity {
    /// File of its JSON Schema below the manifest, in natural keys: what maps see.
    #[serde(default)]
    pub(crate) schema: Option<String>,
    /// Field of the system's own id.
    #[serde(default)]
    pub(crate) id: Option<String>,
    /// Fields of the natural key.
    #[serde(default)]
    pub(crate) key: Vec<String>,
    #[serde(default)]
    pub(crate) filters: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub(crate) read: Option<Read>,
    #[serde(default)]
    pub(crate) lookup: Option<Lookup>,
    #[serde(default)]
    pub(crate) write: Option<Write>,
    /// Relations that a look-up brings along, so that children can be compared.
    #[serde(default)]
    pub(crate) current: Option<Current>,
    /// Fields that are an object here and a string of JSON on the wire.
    #[serde(default)]
    pub(crate) json_text: Vec<String>,
    /// Field here to field on the wire.
    #[serde(default)]
    pub(crate) rename: BTreeMap<String, String>,
    /// Fields that only `rows` of children read; never sent themselves.
    #[serde(default)]
    pub(crate) omit: Vec<String>,
    #[serde(default)]
    pub(crate) references: BTreeMap<String, Reference>,
    #[serde(default)]
    pub(crate) children: BTreeMap<String, Child>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Current {
    pub(crate) include: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Read {
    /// Parameter to the entity whose rows are gone through.
    #[serde(default, rename = "for")]
    pub(crate) parents: BTreeMap<String, String>,
    /// JSONata that sees the parent under its parameter: only below such parents there is anything to read.
    #[serde(default)]
    pub(crate) when: Option<String>,
    pub(crate) request: Request,
    pub(crate) records: String,
    #[serde(default)]
    pub(crate) paginate: Option<Paginate>,
    #[serde(default)]
    pub(crate) changed_since: Option<Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangedSince {
    pub(crate) field: String,
    pub(crate) format: String,
    #[serde(default)]
    pub(crate) zone: Option<String>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paginate {
    pub(crate) kind: PaginateKind,
    #[serde(default)]
    pub(crate) size: Option<u64>,
    /// `page`: the number of the first page; default 1.
    #[serde(default)]
    pub(crate) first: Option<u64>,
    /// `next_link`, `cursor`: JSONata that gives the next address or cursor.
    #[serde(default)]
    pub(crate) next: Option<String>,
    #[serde(default)]
    pub(crate) stop: Option<Stop>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PaginateKind {
    Page,
    Offset,
    Cursor,
    NextLink,
    LinkHeader,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    ShortPage,
    EmptyPage,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    pub(crate) request: Request,
    pub(crate) records: String,
    #[serde(default)]
    pub(crate) paginate: Option<Paginate>,
    #[serde(default)]
    pub(crate) max_keys: Option<usize>,
    #[serde(default)]
    pub(crate) cache: Option<Span>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Write {
    #[serde(default)]
    pub(crate) repeat: Repeat,
    #[serde(default)]
    pub(crate) unique: bool,
    #[serde(default)]
    pub(crate) settle: Option<Span>,
    #[serde(default)]
    pub(crate) batch: Batch,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) create: Option<Mode>,
    #[serde(default)]
    pub(crate) update: Option<Mode>,
    /// `lookup_then`, or a request of its own.
    #[serde(default)]
    pub(crate) upsert: Option<Value>,
    #[serde(default)]
    pub(crate) saved: Option<Saved>,
    #[serde(default)]
    pub(crate) answer: Option<AnswerForm>,
    #[serde(default)]
    pub(crate) errors: Vec<ErrorRule>,
    #[serde(default)]
    pub(crate) unclear_error: Option<UnclearError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnclearError {
    Bisect,
}

#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Batch {
    /// Rows of one request; default 1.
    #[serde(default)]
    pub(crate) rows: Option<usize>,
    #[serde(default)]
    pub(crate) bytes: Option<Bytes>,
    #[serde(default)]
    pub(crate) row_bytes: Option<Bytes>,
    /// The body around `rows`; without it (and with one row) the row itself.
    #[serde(default)]
    pub(crate) body: Option<Value>,
    /// `rows`: one JSON a line.
    #[serde(default)]
    pub(crate) lines: Option<String>,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mode {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) status: Option<u16>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    pub(crate) rows: String,
    #[serde(rename = "match")]
    pub(crate) by: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerForm {
    pub(crate) lines: bool,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    pub(crate) entity: String,
    /// Field of that entity's natural key.
    pub(crate) by: String,
    /// Field on the wire.
    pub(crate) field: String,
    #[serde(default)]
    pub(crate) on_missing: OnMissing,
    /// `on_missing: create`: the row to create, on the wire; templates see the natural key as `key`.
    #[serde(default)]
    pub(crate) create: Option<Value>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnMissing {
    #[default]
    Fail,
    Wait,
    Create,
    Null,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Child {
    /// Name of the list on the wire.
    pub(crate) relation: String,
    /// The list here holds bare values of this field.
    #[serde(default)]
    pub(crate) of: Option<String>,
    #[serde(default)]
    pub(crate) key: Vec<String>,
    /// Fields that group a flat list: rows by them, the rest under the child `each`.
    #[serde(default)]
    pub(crate) group: Vec<String>,
    #[serde(default)]
    pub(crate) json_text: Vec<String>,
    #[serde(default)]
    pub(crate) rename: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) references: BTreeMap<String, Reference>,
    #[serde(default)]
    pub(crate) missing: Missing,
    /// Always these rows.
    #[serde(default)]
    pub(crate) constant: Option<Vec<Value>>,
    /// The rows, where the entity does not carry them as a list: JSONata that sees the entity as `row`.
    #[serde(default)]
    pub(crate) rows: Option<String>,
    #[serde(default)]
    pub(crate) children: BTreeMap<String, Child>,
    /// The relation cannot be edited through the parent: requests of its own, through this entity.
    #[serde(default)]
    pub(crate) follow_up: Option<FollowUp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Missing {
    #[default]
    Keep,
    Report,
    Deactivate,
    Delete,
}

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowUp {
    pub(crate) entity: String,
    /// Field on the wire that holds the parent's id.
    pub(crate) parent: String,
}
