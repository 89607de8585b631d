//! Texts that open a door: 256 random bits, of which only a hash is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A fresh text, `weir_…`, so that scanners for leaked credentials can know it.
pub(crate) fn fresh() -> String {
    let bytes: [u8; 32] = rand::random();
    format!("weir_{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// What is stored and looked up instead of the text. A plain hash is enough: the text is random, so there is nothing to
/// guess, and looking up by the hash leaks no time.
pub(crate) fn hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}
