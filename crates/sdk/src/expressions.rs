//! Expressions and maps, through a contract, so that the engine behind them can change.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use weir_model::{Address, Error, Finding};

/// A piece of expression text and where it stands, so that errors can say so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snippet {
    /// Path of the file within the project (or of the manifest).
    pub file: String,
    /// Where the text starts, counted from 1; 0 when unknown.
    pub line: u32,
    pub column: u32,
    pub text: String,
}

impl Snippet {
    pub fn new(file: impl Into<String>, text: impl Into<String>) -> Self {
        Snippet {
            file: file.into(),
            line: 1,
            column: 1,
            text: text.into(),
        }
    }
}

/// The language behind all expressions. One implementation: `weir-mapping`.
pub trait Language: Send + Sync {
    /// Makes the expressions of one project or one manifest: its own functions (one block of assignments in
    /// parentheses) and its maps by name. Errors in any of them are reported together.
    fn library(
        &self,
        functions: Option<Snippet>,
        maps: BTreeMap<String, Snippet>,
    ) -> Result<Arc<dyn Expressions>, Vec<Finding>>;
}

/// Compiles expressions that see one library.
pub trait Expressions: Send + Sync {
    /// A JSONata expression.
    fn expression(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding>;

    /// Text with `{{ JSONata }}` in it. A text that is one `{{ … }}` keeps the type of its result; otherwise results are
    /// put in as text and a missing one is an error of kind `invalid` that names the expression. The end of `{{` is found
    /// by the tokenizer, not by searching `}}`.
    fn template(&self, snippet: &Snippet) -> Result<Arc<dyn Expression>, Finding>;

    /// A map of the library.
    fn map(&self, name: &str) -> Option<Map>;
}

/// A map file: its expression and what its head comment says.
#[derive(Clone)]
pub struct Map {
    pub expression: Arc<dyn Expression>,
    /// Schema of the source, `akeneo/category`.
    pub from: Option<String>,
    /// Schema of the target.
    pub to: Option<String>,
    /// The first sentence of the head comment.
    pub summary: Option<String>,
}

/// A compiled expression; pure, and usable from many threads at once.
pub trait Expression: Send + Sync {
    /// `Ok(None)` is JSONata's "nothing", which is not `null`. Errors are of kind `invalid` and name file, line and
    /// column, and where known the path and value in the source entity; a limit reached is of kind `limit`.
    ///
    /// `$ref` and `$link` ask `references`; while an answer is [`Known::Pending`] they give "nothing", and the caller
    /// throws the result away (see [`evaluate_all`]).
    fn evaluate(&self, input: &Value, scope: &Scope<'_>) -> Result<Option<Value>, Error>;

    /// True where the expression can never ask for a reference; lets callers save a round.
    fn is_plain(&self) -> bool {
        false
    }
}

/// What an expression sees besides its input: named values (`vars`, `source`, `steps`, `for`, `run`, `task`: read as
/// `$vars` …), references, and the frozen time of the task.
pub struct Scope<'a> {
    pub bindings: &'a [(&'a str, &'a Value)],
    pub references: &'a dyn References,
    pub now: jiff::Timestamp,
}

/// The answer to a reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    Found(Arc<Value>),
    /// Asked, and it does not exist: an answer too.
    Missing,
    /// Not at hand yet.
    Pending,
}

/// Rows of lookups and links, as far as they are at hand.
pub trait References: Send + Sync {
    /// A row of the lookup table.
    fn row(&self, table: &str, key: &str) -> Known;
    /// The ids (by name) remembered for a key: `{"id_category_node": 17}`.
    fn link(&self, address: &Address, key: &str) -> Known;
}

/// No references at all: for cases, filters and manifests.
pub struct NoReferences;

impl References for NoReferences {
    fn row(&self, _: &str, _: &str) -> Known {
        Known::Missing
    }
    fn link(&self, _: &Address, _: &str) -> Known {
        Known::Missing
    }
}

/// One reference that an expression asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    Row { table: String, key: String },
    Link { address: Address, key: String },
}

/// Wraps references and writes down what was asked: the read set of an entity, and what is still wanted.
pub struct Recording<'a> {
    inner: &'a dyn References,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    reads: Vec<Want>,
    wants: Vec<Want>,
}

impl<'a> Recording<'a> {
    pub fn new(inner: &'a dyn References) -> Self {
        Recording {
            inner,
            notes: Mutex::default(),
        }
    }

    /// Everything asked for, and of it what was not at hand.
    pub fn finish(self) -> (Vec<Want>, Vec<Want>) {
        let notes = self
            .notes
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        (notes.reads, notes.wants)
    }

    fn note(&self, want: Want, answer: &Known) {
        let mut notes = self
            .notes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *answer == Known::Pending && !notes.wants.contains(&want) {
            notes.wants.push(want.clone());
        }
        if !notes.reads.contains(&want) {
            notes.reads.push(want);
        }
    }
}

impl References for Recording<'_> {
    fn row(&self, table: &str, key: &str) -> Known {
        let answer = self.inner.row(table, key);
        self.note(
            Want::Row {
                table: table.to_owned(),
                key: key.to_owned(),
            },
            &answer,
        );
        answer
    }
    fn link(&self, address: &Address, key: &str) -> Known {
        let answer = self.inner.link(address, key);
        self.note(
            Want::Link {
                address: address.clone(),
                key: key.to_owned(),
            },
            &answer,
        );
        answer
    }
}

/// References that can be brought to hand; kept by the engine, one for a project and environment.
#[async_trait::async_trait]
pub trait ReferenceSource: References {
    /// Fetches what is wanted in as few requests as possible. Afterwards each is found or missing, never pending.
    async fn fetch(&self, wants: &[Want]) -> Result<(), Error>;
}

/// At most this many rounds of evaluate, fetch, evaluate: a map whose references depend on references that deep is
/// circular.
pub const ROUNDS_MAX: usize = 8;

/// One entity to evaluate: its input and bindings.
pub struct Job<'a> {
    pub input: &'a Value,
    pub bindings: Vec<(&'a str, &'a Value)>,
}

/// The result and the read set.
pub type Evaluated = Result<(Option<Value>, Vec<Want>), Error>;

/// Evaluates one expression over a batch: what is wanted by any entity is fetched together between the rounds. One
/// entity's error never sinks its neighbours; an error of the fetch is everybody's who wanted something.
pub async fn evaluate_all(
    expression: &dyn Expression,
    jobs: &[Job<'_>],
    references: &dyn ReferenceSource,
    now: jiff::Timestamp,
) -> Vec<Evaluated> {
    let mut results: Vec<Option<Evaluated>> = jobs.iter().map(|_| None).collect();
    for _ in 0..ROUNDS_MAX {
        let mut wanted: Vec<Want> = Vec::new();
        for (job, result) in jobs
            .iter()
            .zip(&mut results)
            .filter(|(_, result)| result.is_none())
        {
            let recording = Recording::new(references);
            let scope = Scope {
                bindings: &job.bindings,
                references: &recording,
                now,
            };
            let outcome = expression.evaluate(job.input, &scope);
            let (reads, wants) = recording.finish();
            if wants.is_empty() {
                *result = Some(outcome.map(|value| (value, reads)));
            } else {
                wanted.extend(wants);
            }
        }
        if wanted.is_empty() {
            break;
        }
        wanted.sort();
        wanted.dedup();
        if let Err(error) = references.fetch(&wanted).await {
            results
                .iter_mut()
                .filter(|r| r.is_none())
                .for_each(|r| *r = Some(Err(error.clone())));
            break;
        }
    }
    results
        .into_iter()
        .map(|result| {
            result.unwrap_or_else(|| {
                Err(Error::new(
                    weir_model::Kind::Limit,
                    format!(
                        "the expression still asks for new lookup rows after {ROUNDS_MAX} rounds; \
                         look for a reference that depends on itself"
                    ),
                ))
            })
        })
        .collect()
}
