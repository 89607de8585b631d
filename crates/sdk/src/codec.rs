//! Codecs: ways to write a value down, one upon the other (`base64` of `gzip` of `json`).

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use weir_model::Error;

/// What a codec takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Value(Value),
    Bytes(Vec<u8>),
}

/// What a way is told besides the content.
#[derive(Clone, Debug, Default)]
pub struct Form {
    pub bytes_max: u64,
    pub csv: CsvForm,
    pub fixed_width: FixedWidthForm,
}

/// How CSV is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvForm {
    /// One sign between values; default `,`.
    pub delimiter: String,
    /// The first line names the columns, and rows are objects; default true. Else rows are lists.
    pub header: bool,
    /// When written: the columns and their order; default all that come up.
    pub columns: Vec<String>,
}

impl Default for CsvForm {
    fn default() -> Self {
        CsvForm {
            delimiter: ",".to_owned(),
            header: true,
            columns: Vec::new(),
        }
    }
}

/// How lines of fixed width are written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FixedWidthForm {
    /// From left to right.
    pub columns: Vec<Column>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    pub name: String,
    /// In signs.
    pub width: usize,
    /// Where the value stands; default `left`.
    #[serde(default)]
    pub align: Align,
    /// The sign that fills it up; default a space.
    #[serde(default = "space")]
    pub fill: char,
}

fn space() -> char {
    ' '
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Align {
    #[default]
    Left,
    Right,
}

/// One way. Implementations: `weir-checks`. Everything that comes in may be hostile: no codec gives more than `form.bytes_max`
/// (then the error is of kind `limit`), follows references out of the document, or nests without bound.
pub trait Codec: Send + Sync {
    /// The word in route files.
    fn name(&self) -> &'static str;
    /// One sentence for people: what it makes of what.
    fn summary(&self) -> &'static str;
    /// From written to plain.
    fn decode(&self, content: Content, form: &Form) -> Result<Content, Error>;
    /// From plain to written.
    fn encode(&self, content: Content, form: &Form) -> Result<Content, Error>;
}
