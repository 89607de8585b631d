//! One signed-in conversation with a system: addresses, sign-in, limits, judgement of answers, masked records.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Mutex;
use weir_model::{Error, Kind};
use weir_sdk::Context;
use weir_sdk::connector::{Exchange, Observer};
use weir_sdk::http;

use crate::errors::{Fault, Rules, answer_value, short};
use crate::limits::Limiter;
use crate::request::{Made, Request, encode};
use crate::template::{Formula, Template};

/// Recorded bodies are cut here; the engine cuts further.
const RECORDED_BYTES_MAX: usize = 20_000;
/// A token is renewed this long before it expires.
const RENEW_BEFORE_MS: u64 = 60_000;

pub(crate) struct Session {
    pub(crate) connection: String,
    pub(crate) context: Context,
    pub(crate) base_url: String,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) timeout_ms: u64,
    pub(crate) answer_bytes_max: u64,
    pub(crate) allow_private: bool,
    pub(crate) limiter: Limiter,
    pub(crate) rules: Arc<Rules>,
    pub(crate) auth: Option<SignIn>,
    /// `settings` and `auth`, for expressions.
    pub(crate) input: Map<String, Value>,
    pub(crate) secrets: Vec<String>,
}

pub(crate) struct SignIn {
    pub(crate) header: Vec<(String, Template)>,
    pub(crate) query: Vec<(String, Template)>,
    pub(crate) basic: Option<(Template, Template)>,
    pub(crate) bearer: Option<Template>,
    pub(crate) token: Option<TokenSource>,
}

pub(crate) struct TokenSource {
    pub(crate) request: Request,
    pub(crate) value: Template,
    pub(crate) expires_in: Option<Template>,
    pub(crate) kept: Mutex<Option<Token>>,
}

#[derive(Clone)]
pub(crate) struct Token {
    value: Value,
    until_ms: Option<u64>,
}

/// A good answer: `status`, `headers`, `body`.
pub(crate) type Answered = Map<String, Value>;

/// What came of a request.
pub(crate) enum Sent {
    Good(Answered),
    /// The system answered and says no; the answer stays at hand, since some of its rows may be saved.
    Refused(Vec<Fault>, Answered),
}

/// What a request is for, and who hears of it.
pub(crate) struct Purpose<'a> {
    pub(crate) words: String,
    pub(crate) rows: &'a [usize],
    pub(crate) observer: &'a dyn Observer,
    /// Does it change something? Then an unknown outcome is one.
    pub(crate) has_effect: bool,
    /// Extra rules, looked at before the connection's own.
    pub(crate) rules: Option<&'a Rules>,
    pub(crate) lines: bool,
}

impl Session {
    /// Sends, signing in as needed; a 401 renews the token once. `Err` is about the conversation (nobody there, sign-in
    /// refused, no usable answer), `Ok(Refused)` about what was asked.
    pub(crate) async fn send(&self, made: Made, purpose: &Purpose<'_>) -> Result<Sent, Error> {
        let mut refused_token: Option<Value> = None;
        loop {
            let token = self.token(refused_token.as_ref(), purpose.observer).await?;
            let request = self.sign(&made, token.as_ref())?;
            let answer = self.exchange(request, purpose).await?;
            let mut input = self.input.clone();
            let value = answer_value(&answer, purpose.lines).map_err(|error| self.unclear(error, purpose))?;
            input.extend(value.clone());
            let input = Value::Object(input);
            let mut faults = match purpose.rules {
                Some(rules) => rules.judge(&answer, &input)?,
                None => Vec::new(),
            };
            if faults.is_empty() {
                faults = self.rules.judge(&answer, &input)?;
            }
            let refused = faults.iter().any(|fault| fault.kind == Kind::Unauthenticated);
            let can_renew = self.auth.as_ref().is_some_and(|auth| auth.token.is_some());
            if refused && can_renew && refused_token.is_none() {
                refused_token = token;
                continue;
            }
            if faults.is_empty() {
                return Ok(Sent::Good(value));
            }
            return Ok(Sent::Refused(faults, value));
        }
    }

    /// For requests of which any refusal is a failure.
    pub(crate) async fn ask(&self, made: Made, purpose: &Purpose<'_>) -> Result<Answered, Error> {
        match self.send(made, purpose).await? {
            Sent::Good(answer) => Ok(answer),
            Sent::Refused(faults, _) => Err(self.error(&faults[0], &purpose.words)),
        }
    }

    /// A fault as an error about the whole request.
    pub(crate) fn error(&self, fault: &Fault, doing: &str) -> Error {
        let code = fault
            .code
            .as_ref()
            .map(|code| format!(", code {code}"))
            .unwrap_or_default();
        let message = format!(
            "could not {doing} at `{}`: {} (status {}{code})",
            self.connection,
            if fault.message.is_empty() {
                "no further words"
            } else {
                &fault.message
            },
            fault.status
        );
        let mut error = Error::new(fault.kind, self.mask(&message))
            .with("connection", &self.connection)
            .with("status", fault.status);
        if let Some(code) = &fault.code {
            error = error.code(code);
        }
        if let Some(field) = &fault.field {
            error = error.with("field", field);
        }
        if let Some(ms) = fault.retry_after_ms {
            error = error.retry_after_ms(ms);
        }
        error
    }

    async fn token(&self, refused: Option<&Value>, observer: &dyn Observer) -> Result<Option<Value>, Error> {
        let Some(source) = self.auth.as_ref().and_then(|auth| auth.token.as_ref()) else {
            return Ok(None);
        };
        // Whoever comes second waits here and gets the first one's token.
        let mut kept = source.kept.lock().await;
        let now_ms = self.context.clock.monotonic_ms();
        if let Some(token) = kept.as_ref()
            && refused != Some(&token.value)
            && token.until_ms.is_none_or(|until| now_ms < until)
        {
            return Ok(Some(token.value.clone()));
        }
        let made = source.request.make(&Value::Object(self.input.clone()))?;
        let purpose = Purpose {
            words: "sign in".to_owned(),
            rows: &[],
            observer,
            has_effect: false,
            rules: None,
            lines: false,
        };
        let request = self.plain(&made);
        let answer = self.exchange(request, &purpose).await?;
        let value = answer_value(&answer, false).map_err(|error| self.unclear(error, &purpose))?;
        let mut input = self.input.clone();
        input.extend(value);
        let input = Value::Object(input);
        if let Some(fault) = self.rules.judge(&answer, &input)?.first() {
            // A refused password is 400 with some and 422 with others: whatever it is, the sign-in failed.
            let kind = match fault.kind {
                Kind::Invalid | Kind::Rejected | Kind::NotFound | Kind::Forbidden => Kind::Unauthenticated,
                other => other,
            };
            return Err(self.error(
                &Fault {
                    kind,
                    ..fault.clone()
                },
                "sign in",
            ));
        }
        let token = source.value.evaluate(&input)?;
        let lifetime_ms = match &source.expires_in {
            None => None,
            Some(seconds) => seconds
                .evaluate(&input)?
                .as_f64()
                .map(|seconds| (seconds * 1_000.0) as u64),
        };
        // Never longer than half the life away: short-lived tokens would be renewed for each request.
        let until_ms = lifetime_ms.map(|life| now_ms + life.saturating_sub(RENEW_BEFORE_MS.min(life / 2)));
        *kept = Some(Token {
            value: token.clone(),
            until_ms,
        });
        Ok(Some(token))
    }

    fn plain(&self, made: &Made) -> http::Request {
        let mut url = if made.path.starts_with("http://") || made.path.starts_with("https://") {
            made.path.clone()
        } else {
            format!("{}{}", self.base_url.trim_end_matches('/'), made.path)
        };
        if !made.query.is_empty() {
            url.push(if url.contains('?') { '&' } else { '?' });
            url.push_str(&encode(&made.query));
        }
        let mut headers = made.headers.clone();
        let input = Value::Object(self.input.clone());
        for (name, value) in &self.headers {
            if !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name))
                && let Ok(Some(value)) = value.text(&input)
            {
                headers.push((name.clone(), value));
            }
        }
        http::Request {
            method: made.method.clone(),
            url,
            headers,
            body: made.body.clone(),
            timeout_ms: self.timeout_ms,
            answer_bytes_max: self.answer_bytes_max,
            allow_private: self.allow_private,
        }
    }

    fn sign(&self, made: &Made, token: Option<&Value>) -> Result<http::Request, Error> {
        let mut made = made.clone();
        if let Some(auth) = &self.auth {
            let mut input = self.input.clone();
            if let Some(token) = token {
                input.insert("token".to_owned(), token.clone());
            }
            let input = Value::Object(input);
            for (name, value) in &auth.header {
                made.headers
                    .extend(value.text(&input)?.map(|value| (name.clone(), value)));
            }
            for (name, value) in &auth.query {
                made.query
                    .extend(value.text(&input)?.map(|value| (name.clone(), value)));
            }
            if let Some(bearer) = &auth.bearer {
                made.headers.extend(
                    bearer
                        .text(&input)?
                        .map(|t| ("Authorization".to_owned(), format!("Bearer {t}"))),
                );
            }
            if let Some((user, password)) = &auth.basic {
                let text =
                    |t: &Template| -> Result<String, Error> { Ok(t.text(&input)?.unwrap_or_default()) };
                made.headers.push((
                    "Authorization".to_owned(),
                    crate::request::basic(&text(user)?, &text(password)?),
                ));
            }
        }
        Ok(self.plain(&made))
    }

    async fn exchange(&self, request: http::Request, purpose: &Purpose<'_>) -> Result<http::Answer, Error> {
        let _turn = self.limiter.turn(&self.context).await?;
        let at = self.context.clock.now();
        let started_ms = self.context.clock.monotonic_ms();
        let mut exchange = Exchange {
            connection: self.connection.clone(),
            purpose: purpose.words.clone(),
            method: request.method.clone(),
            url: self.mask(&request.url),
            request_body: request.body.as_ref().map(|body| self.recorded(body)),
            status: None,
            answer_body: None,
            error: None,
            at,
            duration_ms: 0,
        };
        let outcome = self.context.http.send(request).await;
        exchange.duration_ms = self.context.clock.monotonic_ms().saturating_sub(started_ms);
        match &outcome {
            Ok(answer) => {
                exchange.status = Some(answer.status);
                // Tokens are secrets that no list knows.
                exchange.answer_body = Some(if purpose.words == "sign in" {
                    "(not recorded)".to_owned()
                } else {
                    self.recorded(&answer.body)
                });
            }
            Err(error) => exchange.error = Some(self.mask(&error.to_string())),
        }
        if purpose.words == "sign in" {
            exchange.request_body = Some("(not recorded)".to_owned());
        }
        purpose.observer.exchange(purpose.rows, exchange);
        outcome.map_err(|error| self.unclear(error, purpose))
    }

    /// Says what was being done; an unknown outcome of what changes nothing is only late.
    fn unclear(&self, error: Error, purpose: &Purpose<'_>) -> Error {
        let kind = match error.kind {
            Kind::OutcomeUnknown if !purpose.has_effect => Kind::Timeout,
            kind => kind,
        };
        let message = format!(
            "could not {} at `{}`: {}",
            purpose.words, self.connection, error.message
        );
        Error {
            kind,
            message: self.mask(&message),
            ..error
        }
        .with("connection", &self.connection)
    }

    fn recorded(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(&body[..body.len().min(RECORDED_BYTES_MAX)]);
        let mut text = self.mask(&text);
        if body.len() > RECORDED_BYTES_MAX {
            text.push_str(&format!("… ({} bytes more)", body.len() - RECORDED_BYTES_MAX));
        }
        text
    }

    pub(crate) fn mask(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), "•••");
            let encoded = encode(&[(String::new(), secret.clone())]);
            text = text.replace(encoded.trim_start_matches('='), "•••");
        }
        text
    }

    /// Credentials go to nobody else: an address that an answer gave must be of the same origin.
    pub(crate) fn check_origin(&self, address: &str) -> Result<(), Error> {
        let origin = |address: &str| {
            url::Url::parse(address)
                .map(|url| url.origin().ascii_serialization())
                .ok()
        };
        if origin(address).is_some() && origin(address) == origin(&self.base_url) {
            return Ok(());
        }
        let message = format!(
            "the next page is said to be at {address}, which is not where {} is",
            self.base_url
        );
        Err(Error::new(Kind::Configuration, message).with("connection", &self.connection))
    }

    /// The input of an expression: settings and auth, and what else it sees.
    pub(crate) fn input(&self, parameters: &Map<String, Value>, parts: Vec<(&str, Value)>) -> Value {
        let mut input = self.input.clone();
        input.extend(parameters.clone());
        for (name, value) in parts {
            input.insert(name.to_owned(), value);
        }
        Value::Object(input)
    }
}

/// The records of an answer.
pub(crate) fn records(formula: &Formula, input: &Value, doing: &str) -> Result<Vec<Value>, Error> {
    formula.list(input).map_err(|error| {
        Error::new(
            Kind::Configuration,
            format!(
                "`{}` finds no records while Weir tried to {doing}: {}",
                formula.text,
                short(&error.message)
            ),
        )
    })
}
