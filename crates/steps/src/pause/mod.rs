use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::config::Span;
use weir_model::{Error, Finding, Kind as ErrorKind, json as values};
use weir_sdk::expressions::Expression;
use weir_sdk::step::{Batch, Build, Item, Services, Step, StepKind, Verdict};

use crate::parameters;

/// Nobody looks at what pauses for longer.
const PAUSE_MAX_MS: i64 = 366 * 86_400_000;
/// How long an answer is waited for, unless the step says otherwise.
const TIMEOUT_MS: u64 = 7 * 86_400_000;

/// One of `for`, `until` and `for_answer`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Go on after this time, counted from when the entity first came here: `10m`. At most 366 days.
    #[serde(default, rename = "for")]
    span: Option<Span>,
    /// JSONata that gives the time to go on at: text such as `2026-12-01T08:00:00Z`, or milliseconds since 1970. What gives
    /// nothing, or a time that has passed, does not pause.
    #[serde(default)]
    until: Option<String>,
    /// Wait until somebody answers, with `weir tasks answer` or through the API. This is the question, with `{{ … }}`:
    /// `"May {{ code }} be sold below cost?"`.
    #[serde(default)]
    for_answer: Option<String>,
    /// With `for_answer`: the field (dotted path) that gets the answer.
    #[serde(default)]
    into: Option<String>,
    /// With `for_answer`: the task is dead when nobody has answered for so long; default `7d`.
    #[serde(default)]
    timeout: Option<Span>,
}

pub(crate) struct Kind;

enum Until {
    After {
        ms: u64,
    },
    Time(Arc<dyn Expression>),
    Answer {
        question: Arc<dyn Expression>,
        into: String,
        timeout_ms: u64,
    },
}

struct Pause {
    id: String,
    until: Until,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "pause"
    }
    fn summary(&self) -> &'static str {
        "Lets the task rest for a time, until a time, or until somebody answers a question."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        parameters::outermost(build, "pause", "puts the whole task aside")?;
        let wrong = |path: &[&str], message: &str| build.finding(path, "wrong-value", message.to_owned());
        let is_answer = read.for_answer.is_some();
        for (name, is_there) in [("into", read.into.is_some()), ("timeout", read.timeout.is_some())] {
            if is_there && !is_answer {
                return Err(wrong(&[name], &format!("`{name}` belongs to `for_answer`")));
            }
        }
        let until = match (read.span, read.until, read.for_answer) {
            (Some(span), None, None) if span.ms as i64 > PAUSE_MAX_MS => {
                return Err(wrong(&["for"], "a pause is at most 366 days"));
            }
            (Some(span), None, None) => Until::After { ms: span.ms },
            (None, Some(text), None) => Until::Time(parameters::expression(build, &["until"], &text)?),
            (None, None, Some(text)) => Until::Answer {
                question: parameters::template(build, &["for_answer"], &text)?,
                into: read.into.ok_or_else(|| {
                    let message = "the answer needs a place: name a field with `into`".to_owned();
                    build.finding(&[], "missing-key", message)
                })?,
                timeout_ms: read.timeout.map_or(TIMEOUT_MS, |span| span.ms),
            },
            _ => return Err(wrong(&[], "say one of `for`, `until` and `for_answer`")),
        };
        let id = build.step_id();
        Ok(Arc::new(Pause { id, until }))
    }
}

#[async_trait]
impl Step for Pause {
    async fn apply(&self, batch: &mut Batch, services: &dyn Services) -> Result<(), Error> {
        let now = services.now();
        let evaluated = match &self.until {
            Until::After { .. } => batch.items.iter().map(|_| None).collect(),
            Until::Time(expression)
            | Until::Answer {
                question: expression, ..
            } => services.evaluate(expression.as_ref(), batch).await,
        };
        for (item, result) in batch.items.iter_mut().zip(evaluated) {
            if !item.is_going() {
                continue;
            }
            let value = match result.transpose() {
                Ok(value) => value.flatten(),
                Err(error) => {
                    item.verdict = Verdict::Fail(error);
                    continue;
                }
            };
            match &self.until {
                Until::Answer { into, timeout_ms, .. } => {
                    self.ask(item, value, into, later(now, *timeout_ms));
                }
                Until::After { ms } => self.rest(item, Some(later(now, *ms)), now),
                Until::Time(_) => match time(value.as_ref()) {
                    Ok(until) => self.rest(item, until, now),
                    Err(message) => {
                        let error = Error::new(ErrorKind::Invalid, message).with("entity", &item.key);
                        item.verdict = Verdict::Fail(error.with("field", "until"));
                    }
                },
            }
        }
        Ok(())
    }
    fn rewrites(&self) -> bool {
        matches!(self.until, Until::Answer { .. })
    }
}

impl Pause {
    /// The time of the first look stands: a later attempt does not begin anew.
    fn rest(&self, item: &mut Item, until: Option<Timestamp>, now: Timestamp) {
        let noted = item
            .carried
            .notes
            .get(&self.id)
            .and_then(|note| note["until"].as_str());
        let noted = noted.and_then(|text| text.parse::<Timestamp>().ok());
        let Some(until) = noted.or(until) else { return };
        if now < until {
            let step = self.id.clone();
            item.verdict = Verdict::Pause { step, until };
        } else if noted.is_some() {
            item.log.push(format!("paused until {until}"));
        }
    }

    fn ask(&self, item: &mut Item, question: Option<Value>, into: &str, until: Timestamp) {
        let note = item.carried.notes.get(&self.id);
        match note.and_then(|note| note.get("answer")).cloned() {
            Some(answer) => {
                item.log.push(format!("answered: {answer}"));
                values::set(&mut item.value, into, answer);
            }
            None => {
                item.verdict = Verdict::Ask {
                    step: self.id.clone(),
                    question: parameters::text(question),
                    until,
                };
            }
        }
    }
}

fn later(now: Timestamp, ms: u64) -> Timestamp {
    let span = SignedDuration::from_millis(i64::try_from(ms).unwrap_or(i64::MAX));
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// Nothing and `null` are no time.
fn time(value: Option<&Value>) -> Result<Option<Timestamp>, String> {
    let time = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => text.parse::<Timestamp>().ok(),
        Some(other) => other.as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok()),
    };
    match (time, value) {
        (None, Some(value)) => Err(format!(
            "`until` gives {value}, which is no time: write text such as `2026-12-01T08:00:00Z`, or milliseconds since 1970"
        )),
        (time, _) => Ok(time),
    }
}
