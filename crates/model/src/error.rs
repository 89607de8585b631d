use std::fmt;

use serde::{Deserialize, Serialize};

/// What sort of thing went wrong. The list is closed on purpose: [`crate::retry::decide`] is the one place that turns a
/// kind into a reaction, and a kind nobody planned for would have none.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The other side asked us to slow down.
    RateLimited,
    /// The other side is not there or says it cannot serve now.
    Unavailable,
    /// No answer in time, and nothing was changed by the request (a read).
    Timeout,
    /// Credentials were refused or have expired.
    Unauthenticated,
    /// Credentials are good, the right is missing.
    Forbidden,
    /// Something is set up wrongly; repeating does not help until a person acts.
    Configuration,
    /// What was asked for does not exist.
    NotFound,
    /// The other side holds something that contradicts the write; look first, then decide.
    Conflict,
    /// The entity violates a rule that we know before sending, or the other side's formal rules.
    Invalid,
    /// The other side understood the entity and refuses it.
    Rejected,
    /// A write was sent and no answer says whether it took effect.
    OutcomeUnknown,
    /// A named limit was reached.
    Limit,
    /// A fault in Weir itself.
    Bug,
}

impl Kind {
    pub const ALL: [Kind; 13] = [
        Kind::RateLimited,
        Kind::Unavailable,
        Kind::Timeout,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::Configuration,
        Kind::NotFound,
        Kind::Conflict,
        Kind::Invalid,
        Kind::Rejected,
        Kind::OutcomeUnknown,
        Kind::Limit,
        Kind::Bug,
    ];

    pub fn from_name(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name used in files, API and console.
    pub fn name(self) -> &'static str {
        match self {
            Kind::RateLimited => "rate_limited",
            Kind::Unavailable => "unavailable",
            Kind::Timeout => "timeout",
            Kind::Unauthenticated => "unauthenticated",
            Kind::Forbidden => "forbidden",
            Kind::Configuration => "configuration",
            Kind::NotFound => "not_found",
            Kind::Conflict => "conflict",
            Kind::Invalid => "invalid",
            Kind::Rejected => "rejected",
            Kind::OutcomeUnknown => "outcome_unknown",
            Kind::Limit => "limit",
            Kind::Bug => "bug",
        }
    }

    /// What a person does about a task that ended with such an error; shown as `next` beside the error. A sentence that
    /// knows more stands in the message itself.
    pub fn next(self) -> &'static str {
        match self {
            Kind::RateLimited | Kind::Unavailable | Kind::Timeout => {
                "look with `weir doctor` whether the other side answers; `weir tasks retry` tries the task again"
            }
            Kind::Unauthenticated | Kind::Forbidden => {
                "correct the credentials or their rights (`weir secrets set`), look with `weir doctor`, then `weir tasks retry`"
            }
            Kind::Configuration => {
                "correct the files that the sentence names, look with `weir check` and `weir doctor`, then `weir tasks retry`"
            }
            Kind::NotFound => {
                "see to it that the other side has what is named, then `weir tasks retry`; or correct the record at the source"
            }
            Kind::Conflict => {
                "another record of the other side holds what must be unique there: correct one of the two, then `weir tasks retry`"
            }
            Kind::Invalid | Kind::Rejected => {
                "correct the record at the source, its next version closes this failure by itself; or correct the map and \
                 `weir tasks retry`"
            }
            Kind::OutcomeUnknown => {
                "look for the record on the other side: `weir tasks skip` if it is there, `weir tasks retry` if it is not"
            }
            Kind::Limit => "make the entity smaller or the named limit wider, then `weir tasks retry`",
            Kind::Bug => "keep what `weir tasks show --json` prints and report it; other tasks go on",
        }
    }

    /// Says of a whole connection, not of one entity: such errors pause routes instead of failing their tasks.
    pub fn concerns_connection(self) -> bool {
        matches!(
            self,
            Kind::Unavailable | Kind::Timeout | Kind::Unauthenticated | Kind::Forbidden | Kind::Configuration
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The one error that crosses crates: a closed kind, a plain sentence (what was being done, to what, what to do next),
/// searchable context and, where there is one, the cause in the words of a lower layer.
///
/// ```
/// use weir_model::{Error, Kind};
/// let error = Error::new(Kind::Rejected, "Spryker refused `tee-1`: the url is not relative")
///     .with("entity", "tee-1")
///     .with("field", "urls[0].url");
/// assert_eq!(error.kind.name(), "rejected");
/// assert_eq!(error.get("field"), Some("urls[0].url"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    /// The other system's own code, for example `1306`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Pairs that can be searched: `entity`, `field`, `route`, `connection`, `status` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<(String, String)>,
    /// The cause, as a lower layer put it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// How long the other side asked us to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            code: None,
            context: Vec::new(),
            source: None,
            retry_after_ms: None,
        }
    }

    /// A fault of ours: the sentence says which invariant did not hold.
    pub fn bug(message: impl Into<String>) -> Self {
        Error::new(Kind::Bug, message)
    }

    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.context.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    pub fn source(mut self, source: impl fmt::Display) -> Self {
        self.source = Some(source.to_string());
        self
    }

    pub fn retry_after_ms(mut self, wait: u64) -> Self {
        self.retry_after_ms = Some(wait);
        self
    }

    /// The first context value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.context
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
