//! What an answer means: the rules of the manifest, first match decides; without one the status does.

use regex::Regex;
use serde_json::{Map, Value};
use weir_model::{Error, Finding, Kind};
use weir_sdk::http::Answer;

use crate::manifest::types::{ErrorRule, Find};
use crate::template::{Compiler, Formula};

pub(crate) struct Rules {
    rules: Vec<Rule>,
}

struct Rule {
    when: Formula,
    each: Option<Formula>,
    kind: Option<Kind>,
    code: Option<String>,
    message: Option<String>,
    row: Option<Finder>,
    field: Option<Finder>,
    kinds: Vec<(String, KindWord)>,
}

#[derive(Clone, Copy)]
enum KindWord {
    Kind(Kind),
    ByStatus,
}

enum Finder {
    Regex(Regex, String),
    Is(Formula),
}

/// One error of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) message: String,
    pub(crate) field: Option<String>,
    /// Index of the row in the batch, where the answer says so.
    pub(crate) row: Option<usize>,
    pub(crate) retry_after_ms: Option<u64>,
}

impl Rules {
    pub(crate) fn compile(rules: &[ErrorRule], compiler: &Compiler<'_>) -> Result<Rules, Finding> {
        let rules = rules
            .iter()
            .map(|rule| {
                let kinds = rule
                    .kinds
                    .iter()
                    .map(|(code, word)| Ok((code.clone(), kind_word(word, compiler)?)))
                    .collect::<Result<_, Finding>>()?;
                Ok(Rule {
                    when: compiler.expression(&rule.when)?,
                    each: rule
                        .each
                        .as_deref()
                        .map(|text| compiler.expression(text))
                        .transpose()?,
                    kind: rule.kind,
                    code: rule.code.clone(),
                    message: rule.message.clone(),
                    row: rule.row.as_ref().map(|find| finder(find, compiler)).transpose()?,
                    field: rule
                        .field
                        .as_ref()
                        .map(|find| finder(find, compiler))
                        .transpose()?,
                    kinds,
                })
            })
            .collect::<Result<_, Finding>>()?;
        Ok(Rules { rules })
    }

    /// The errors of an answer, none when it is good. `input` holds `status`, `headers` and `body`.
    pub(crate) fn judge(&self, answer: &Answer, input: &Value) -> Result<Vec<Fault>, Error> {
        let retry_after_ms = retry_after_ms(answer);
        for rule in &self.rules {
            if !rule.when.is_true(input)? {
                continue;
            }
            let errors = match &rule.each {
                Some(each) => each.list(input)?,
                None => vec![input.get("body").cloned().unwrap_or(Value::Null)],
            };
            if errors.is_empty() {
                return Ok(vec![plain(answer, input, rule.kind, retry_after_ms)]);
            }
            return errors
                .iter()
                .map(|error| rule.fault(error, answer.status, retry_after_ms))
                .collect();
        }
        if answer.status >= 400 {
            return Ok(vec![plain(answer, input, None, retry_after_ms)]);
        }
        Ok(Vec::new())
    }
}

impl Rule {
    fn fault(&self, error: &Value, status: u16, retry_after_ms: Option<u64>) -> Result<Fault, Error> {
        let text = |name: &Option<String>| {
            name.as_ref()
                .and_then(|name| error.get(name))
                .and_then(weir_model::json::key_text)
        };
        let code = text(&self.code);
        let word = code
            .as_ref()
            .and_then(|code| self.kinds.iter().find(|(name, _)| name == code))
            .or_else(|| self.kinds.iter().find(|(name, _)| name == "otherwise"))
            .map(|(_, word)| *word);
        let kind = match word {
            Some(KindWord::Kind(kind)) => kind,
            Some(KindWord::ByStatus) | None => self.kind.unwrap_or_else(|| by_status(status)),
        };
        let find = |finder: &Option<Finder>| -> Result<Option<String>, Error> {
            match finder {
                None => Ok(None),
                Some(Finder::Regex(regex, place)) => Ok(error
                    .get(place)
                    .and_then(Value::as_str)
                    .and_then(|text| regex.captures(text))
                    .and_then(|found| found.get(1))
                    .map(|group| group.as_str().to_owned())),
                Some(Finder::Is(formula)) => Ok(formula
                    .evaluate(error)?
                    .as_ref()
                    .and_then(weir_model::json::key_text)),
            }
        };
        let row = find(&self.row)?.and_then(|row| row.parse().ok());
        let message = text(&self.message).unwrap_or_else(|| short(&error.to_string()));
        Ok(Fault {
            kind,
            status,
            code,
            message,
            field: find(&self.field)?,
            row,
            retry_after_ms,
        })
    }
}

fn kind_word(word: &str, compiler: &Compiler<'_>) -> Result<KindWord, Finding> {
    if word == "by_status" {
        return Ok(KindWord::ByStatus);
    }
    serde_json::from_value::<Kind>(Value::String(word.to_owned()))
        .map(KindWord::Kind)
        .map_err(|_| {
            let names = [
                "rate_limited",
                "unavailable",
                "timeout",
                "unauthenticated",
                "forbidden",
                "configuration",
                "not_found",
                "conflict",
                "invalid",
                "rejected",
                "outcome_unknown",
                "limit",
                "bug",
                "by_status",
            ];
            Finding::error(
                "unknown-word",
                compiler.file,
                compiler.line,
                compiler.column,
                format!("`{word}` is no kind of error"),
            )
            .suggest(weir_model::did_you_mean(word, names))
        })
}

fn finder(find: &Find, compiler: &Compiler<'_>) -> Result<Finder, Finding> {
    let finding = |message: String| {
        Finding::error(
            "wrong-value",
            compiler.file,
            compiler.line,
            compiler.column,
            message,
        )
    };
    match find {
        Find {
            is: Some(text),
            regex: None,
            ..
        } => Ok(Finder::Is(compiler.expression(text)?)),
        Find {
            regex: Some(regex),
            place: Some(place),
            is: None,
        } => {
            let regex = Regex::new(regex)
                .map_err(|error| finding(format!("`{regex}` is no regular expression: {error}")))?;
            Ok(Finder::Regex(regex, place.clone()))
        }
        _ => Err(finding("say `regex` and `in`, or `is`".to_owned())),
    }
}

fn plain(answer: &Answer, input: &Value, kind: Option<Kind>, retry_after_ms: Option<u64>) -> Fault {
    let body = input.get("body").cloned().unwrap_or(Value::Null);
    let message = ["message", "error_description", "error", "detail", "title"]
        .iter()
        .find_map(|name| {
            body.get(name)
                .or_else(|| body.get(0).and_then(|first| first.get(name)))
        })
        .and_then(Value::as_str)
        .map_or_else(
            || {
                short(&if body.is_null() {
                    String::new()
                } else {
                    body.to_string()
                })
            },
            str::to_owned,
        );
    Fault {
        kind: kind.unwrap_or_else(|| by_status(answer.status)),
        status: answer.status,
        code: None,
        message,
        field: None,
        row: None,
        retry_after_ms,
    }
}

pub(crate) fn by_status(status: u16) -> Kind {
    match status {
        401 => Kind::Unauthenticated,
        403 => Kind::Forbidden,
        404 => Kind::NotFound,
        408 => Kind::Timeout,
        409 => Kind::Conflict,
        413 => Kind::Limit,
        429 => Kind::RateLimited,
        500.. => Kind::Unavailable,
        _ => Kind::Invalid,
    }
}

/// `Retry-After` in seconds; the form with a date is rare and counts as half a minute.
fn retry_after_ms(answer: &Answer) -> Option<u64> {
    let text = answer.header("retry-after")?.trim();
    Some(
        text.parse::<u64>()
            .map_or(30_000, |seconds| seconds.saturating_mul(1_000)),
    )
}

/// `status`, `headers` and `body` of an answer, for expressions. `lines`: the body is one JSON a line.
pub(crate) fn answer_value(answer: &Answer, lines: bool) -> Result<Map<String, Value>, Error> {
    let headers = answer
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), Value::String(value.clone())))
        .collect();
    let body = if answer.body.iter().all(u8::is_ascii_whitespace) {
        Value::Null
    } else if lines && answer.status < 300 {
        let text = String::from_utf8_lossy(&answer.body);
        let parse = |line: &str| serde_json::from_str(line);
        Value::Array(
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(parse)
                .collect::<Result<_, _>>()
                .map_err(not_json)?,
        )
    } else {
        match serde_json::from_slice(&answer.body) {
            Ok(body) => body,
            // An error page of something in between; the status says enough.
            Err(_) if answer.status >= 400 => Value::String(short(&String::from_utf8_lossy(&answer.body))),
            Err(error) => return Err(not_json(error)),
        }
    };
    let mut map = Map::new();
    map.insert("status".to_owned(), Value::from(answer.status));
    map.insert("headers".to_owned(), Value::Object(headers));
    map.insert("body".to_owned(), body);
    Ok(map)
}

fn not_json(error: serde_json::Error) -> Error {
    Error::new(Kind::OutcomeUnknown, "the answer is not JSON, or cut off").source(error)
}

/// The first characters of a text that may be a whole page.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(300).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
