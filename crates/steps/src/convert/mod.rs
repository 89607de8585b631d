use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::config::Bytes;
use weir_model::{Error, Finding, Kind as ErrorKind, did_you_mean, json as values};
use weir_sdk::codec::{Codec, Content};
use weir_sdk::step::{Batch, Build, Item, Services, Step, StepKind, Verdict};

use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The field (dotted path) that is read; where it is missing or `null`, nothing happens.
    field: String,
    /// Reads what is written in these ways, the outermost first: `[base64, gzip, json]`. Either `from` or `to`. Ways:
    /// `base64`, `gzip`, `json`, `xml`.
    #[serde(default)]
    from: Vec<String>,
    /// Writes in these ways, one after the other: `[json, gzip, base64]`.
    #[serde(default)]
    to: Vec<String>,
    /// The field (dotted path) that gets the result; default the same.
    #[serde(default)]
    into: Option<String>,
    /// No result on the way may be larger; default `10MB`. Then the task fails with kind `limit`.
    #[serde(default = "bytes")]
    bytes: Bytes,
}

fn bytes() -> Bytes {
    Bytes { count: 10_000_000 }
}

pub(crate) struct Kind;

struct Convert {
    field: String,
    into: String,
    ways: Vec<Arc<dyn Codec>>,
    decodes: bool,
    bytes_max: u64,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "convert"
    }
    fn summary(&self) -> &'static str {
        "Reads a field that is written as JSON, XML, base64 or gzip, or writes one in such ways."
    }
    fn schema(&self) -> Value {
        parameters::schema::<Parameters>()
    }
    fn build(&self, parameters: &Value, build: &dyn Build) -> Result<Arc<dyn Step>, Finding> {
        let read: Parameters = parameters::read(parameters, build)?;
        let (place, words) = match (read.from.is_empty(), read.to.is_empty()) {
            (false, true) => ("from", read.from),
            (true, false) => ("to", read.to),
            _ => {
                let message = "say either `from`, to read what is written, or `to`, to write".to_owned();
                return Err(build.finding(&[], "missing-key", message));
            }
        };
        let codecs = build.codecs();
        let mut ways = Vec::with_capacity(words.len());
        for (i, word) in words.iter().enumerate() {
            let known = codecs.iter().map(|codec| codec.name());
            let Some(codec) = codecs.iter().find(|codec| codec.name() == word) else {
                let all = known.clone().collect::<Vec<_>>().join(", ");
                let hint = did_you_mean(word, known).unwrap_or_else(|| format!("there are: {all}"));
                let message = format!("`{word}` is no way to write something down");
                let finding = build.finding(&[place, &i.to_string()], "unknown-word", message);
                return Err(finding.suggest(Some(hint)));
            };
            ways.push(codec.clone());
        }
        Ok(Arc::new(Convert {
            into: read.into.unwrap_or_else(|| read.field.clone()),
            field: read.field,
            ways,
            decodes: place == "from",
            bytes_max: read.bytes.count,
        }))
    }
}

#[async_trait]
impl Step for Convert {
    async fn apply(&self, batch: &mut Batch, _: &dyn Services) -> Result<(), Error> {
        for item in batch.items.iter_mut().filter(|item: &&mut Item| item.is_going()) {
            let Some(value) = values::at(&item.value, &self.field).filter(|value| !value.is_null()) else {
                continue;
            };
            match self.convert(value.clone()) {
                Ok(value) => values::set(&mut item.value, &self.into, value),
                Err(error) => {
                    let message = format!("`{}` of `{}`: {}", self.field, item.key, error.message);
                    let error = Error { message, ..error }.with("entity", &item.key);
                    item.verdict = Verdict::Fail(error.with("field", &self.field));
                }
            }
        }
        Ok(())
    }
}

impl Convert {
    fn convert(&self, value: Value) -> Result<Value, Error> {
        let mut content = Content::Value(value);
        for codec in &self.ways {
            content = match self.decodes {
                true => codec.decode(content, self.bytes_max)?,
                false => codec.encode(content, self.bytes_max)?,
            };
        }
        match content {
            Content::Value(value) => Ok(value),
            Content::Bytes(bytes) => String::from_utf8(bytes).map(Value::String).map_err(|_| {
                let advice = match self.decodes {
                    true => {
                        "it is no text, and a field holds text: end with the way in which the rest is written"
                    }
                    false => "it is no text, and a field holds text: end with `base64`",
                };
                Error::new(ErrorKind::Invalid, advice)
            }),
        }
    }
}
