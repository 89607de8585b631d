//! The codecs, one file each that has more to it than a call.

mod csv;
mod fixed_width;
mod xml;

use std::io::Read;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use weir_model::{Error, Kind};
use weir_sdk::codec::{Codec, Content, Form};

/// Every codec, in alphabetical order.
pub fn all() -> Vec<Arc<dyn Codec>> {
    vec![
        Arc::new(Base64),
        Arc::new(csv::Csv),
        Arc::new(fixed_width::FixedWidth),
        Arc::new(Gzip),
        Arc::new(Json),
        Arc::new(xml::Xml),
    ]
}

struct Base64;
struct Gzip;
struct Json;

/// Padding is written, and may be missing in what is read.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Codec for Base64 {
    fn name(&self) -> &'static str {
        "base64"
    }
    fn summary(&self) -> &'static str {
        "bytes as text of 64 signs"
    }
    fn decode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let mut text = bytes(content, self)?;
        text.retain(|byte| !byte.is_ascii_whitespace());
        let read = ENGINE
            .decode(text)
            .map_err(|error| unreadable(self, &error.to_string()))?;
        within(read, form.bytes_max).map(Content::Bytes)
    }
    fn encode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let text = ENGINE.encode(bytes(content, self)?);
        within(text.into_bytes(), form.bytes_max).map(Content::Bytes)
    }
}

impl Codec for Gzip {
    fn name(&self) -> &'static str {
        "gzip"
    }
    fn summary(&self) -> &'static str {
        "bytes, compressed"
    }
    fn decode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let packed = bytes(content, self)?;
        let mut plain = Vec::new();
        // One byte more than allowed is enough to know.
        flate2::read::MultiGzDecoder::new(packed.as_slice())
            .take(form.bytes_max.saturating_add(1))
            .read_to_end(&mut plain)
            .map_err(|error| unreadable(self, &error.to_string()))?;
        within(plain, form.bytes_max).map(Content::Bytes)
    }
    fn encode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let plain = bytes(content, self)?;
        let mut packed = Vec::new();
        flate2::read::GzEncoder::new(plain.as_slice(), flate2::Compression::default())
            .read_to_end(&mut packed)
            .map_err(|error| unreadable(self, &error.to_string()))?;
        within(packed, form.bytes_max).map(Content::Bytes)
    }
}

impl Codec for Json {
    fn name(&self) -> &'static str {
        "json"
    }
    fn summary(&self) -> &'static str {
        "a value as JSON text"
    }
    fn decode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        let text = within(bytes(content, self)?, form.bytes_max)?;
        serde_json::from_slice(&text)
            .map(Content::Value)
            .map_err(|error| unreadable(self, &error.to_string()))
    }
    fn encode(&self, content: Content, form: &Form) -> Result<Content, Error> {
        within(value(content, self)?.to_string().into_bytes(), form.bytes_max).map(Content::Bytes)
    }
}

/// Text of the entity, or what the codec before gave.
fn bytes(content: Content, codec: &dyn Codec) -> Result<Vec<u8>, Error> {
    match content {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Value(Value::String(text)) => Ok(text.into_bytes()),
        Content::Value(other) => {
            let what = match other {
                Value::Null => "null",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::Array(_) => "a list",
                Value::Object(_) | Value::String(_) => "an object",
            };
            let message = format!("`{}` takes text, and this is {what}", codec.name());
            Err(Error::new(Kind::Invalid, message))
        }
    }
}

fn value(content: Content, codec: &dyn Codec) -> Result<Value, Error> {
    match content {
        Content::Value(value) => Ok(value),
        Content::Bytes(_) => {
            let message = format!(
                "`{}` takes a value, and the codec before it gave bytes",
                codec.name()
            );
            Err(Error::new(Kind::Invalid, message))
        }
    }
}

fn within(bytes: Vec<u8>, bytes_max: u64) -> Result<Vec<u8>, Error> {
    match bytes.len() as u64 > bytes_max {
        false => Ok(bytes),
        true => {
            let message = format!("it is larger than the limit `bytes` of {bytes_max}");
            Err(Error::new(Kind::Limit, message).with("limit", "bytes"))
        }
    }
}

/// What many small values take together: a name that stands once in what is read stands in every row of the result.
struct Budget {
    left: u64,
    bytes_max: u64,
}

impl Budget {
    fn new(form: &Form) -> Self {
        Budget {
            left: form.bytes_max,
            bytes_max: form.bytes_max,
        }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        // Quotes, colon and comma belong to each.
        match self.left.checked_sub(bytes as u64 + 4) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                let message = format!(
                    "as a value it is larger than the limit `bytes` of {}",
                    self.bytes_max
                );
                Err(Error::new(Kind::Limit, message).with("limit", "bytes"))
            }
        }
    }
}

/// The rows of a list, or the one row.
fn rows(content: Content, codec: &dyn Codec) -> Result<Vec<Value>, Error> {
    match value(content, codec)? {
        Value::Array(rows) => Ok(rows),
        row @ Value::Object(_) => Ok(vec![row]),
        _ => {
            let message = format!("`{}` takes a list of rows", codec.name());
            Err(Error::new(Kind::Invalid, message))
        }
    }
}

/// A value as it stands in a row; nothing and `null` are empty.
fn cell(codec: &dyn Codec, row: usize, name: &str, value: Option<&Value>) -> Result<String, Error> {
    match value {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(_) | Value::Object(_)) => {
            let message = format!(
                "`{name}` of row {row} is no single value, and `{}` has no others",
                codec.name()
            );
            Err(Error::new(Kind::Invalid, message))
        }
        Some(other) => Ok(other.to_string()),
    }
}

fn unreadable(codec: &dyn Codec, why: &str) -> Error {
    Error::new(Kind::Invalid, format!("this is not {}: {why}", codec.name()))
}
