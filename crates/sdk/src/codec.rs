//! Codecs: ways to write a value down, one upon the other (`base64` of `gzip` of `json`).

use serde_json::Value;
use weir_model::Error;

/// What a codec takes and gives.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Value(Value),
    Bytes(Vec<u8>),
}

/// One way. Implementations: `weir-checks`. Everything that comes in may be hostile: no codec gives more than `bytes_max`
/// (then the error is of kind `limit`), follows references out of the document, or nests without bound.
pub trait Codec: Send + Sync {
    /// The word in route files.
    fn name(&self) -> &'static str;
    /// One sentence for people: what it makes of what.
    fn summary(&self) -> &'static str;
    /// From written to plain.
    fn decode(&self, content: Content, bytes_max: u64) -> Result<Content, Error>;
    /// From plain to written.
    fn encode(&self, content: Content, bytes_max: u64) -> Result<Content, Error>;
}
