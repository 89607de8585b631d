use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::config::Bytes;
use weir_model::{Error, Finding, Kind as ErrorKind, did_you_mean, json as values};
use weir_sdk::codec::{Codec, Content, CsvForm, FixedWidthForm, Form};
use weir_sdk::step::{Batch, Build, Item, Services, Step, StepKind, Verdict};

use crate::parameters;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The field (dotted path) that is read; where it is missing or `null`, nothing happens.
    field: String,
    /// Reads what is written in these ways, the outermost first: `[base64, gzip, json]`. Either `from` or `to`. Ways:
    /// `base64`, `csv`, `fixed_width`, `gzip`, `json`, `xml`.
    #[serde(default)]
    from: Vec<String>,
    /// Writes in these ways, one after the other: `[json, gzip, base64]`.
    #[serde(default)]
    to: Vec<String>,
    /// How CSV is written: `{ delimiter: ";", header: false, columns: [sku, qty] }`.
    #[serde(default)]
    csv: Option<CsvForm>,
    /// The columns of fixed width: `{ columns: [ { name: sku, width: 10 }, { name: qty, width: 6, align: right, fill: "0" } ] }`.
    #[serde(default)]
    fixed_width: Option<FixedWidthForm>,
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
    form: Form,
}

impl StepKind for Kind {
    fn name(&self) -> &'static str {
        "convert"
    }
    fn summary(&self) -> &'static str {
        "Reads a field that is written as JSON, XML, CSV, fixed width, base64 or gzip, or writes one in such ways."
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
        let uses = |word: &str| words.iter().any(|one| one == word);
        for (word, is_there) in [
            ("csv", read.csv.is_some()),
            ("fixed_width", read.fixed_width.is_some()),
        ] {
            if is_there && !uses(word) {
                let message =
                    format!("`{word}` says how CSV or fixed width is written, and `{place}` has no `{word}`");
                return Err(build.finding(&[word], "wrong-value", message));
            }
        }
        let csv = read.csv.unwrap_or_default();
        if csv.delimiter.len() != 1 {
            let message = "the delimiter is one sign of ASCII, such as `;`".to_owned();
            return Err(build.finding(&["csv", "delimiter"], "wrong-value", message));
        }
        let fixed_width = read.fixed_width.unwrap_or_default();
        if uses("fixed_width") && fixed_width.columns.is_empty() {
            let message = "`fixed_width` needs its columns, each with a name and a width".to_owned();
            return Err(build.finding(&[], "missing-key", message));
        }
        Ok(Arc::new(Convert {
            into: read.into.unwrap_or_else(|| read.field.clone()),
            field: read.field,
            ways,
            decodes: place == "from",
            form: Form {
                bytes_max: read.bytes.count,
                csv,
                fixed_width,
            },
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
                true => codec.decode(content, &self.form)?,
                false => codec.encode(content, &self.form)?,
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
