//! Payloads as bytes: compact JSON in a zstd frame. The one place to change when payloads are encrypted at rest.

use std::cell::RefCell;

use serde::Serialize;
use serde_json::Value;
use weir_model::Error;
use zstd::bulk::{Compressor, Decompressor};

/// Speed over size: a level more costs twice the time for three percent.
const LEVEL: i32 = 1;

/// A payload is refused beyond this when it is unpacked: no stored entity comes near it.
const BYTES_MAX: usize = 256_000_000;

thread_local! {
    /// A context is half a megabyte and dearer to make than a payload is to compress: one a thread is kept.
    static COMPRESSOR: RefCell<Compressor<'static>> =
        RefCell::new(Compressor::new(LEVEL).expect("the level is one that zstd has"));
    static DECOMPRESSOR: RefCell<Decompressor<'static>> =
        RefCell::new(Decompressor::new().expect("a context without a dictionary needs only memory"));
}

pub fn pack(value: &impl Serialize) -> Vec<u8> {
    let text = serde_json::to_vec(value).expect("a JSON value is written into memory");
    COMPRESSOR
        .with_borrow_mut(|compressor| compressor.compress(&text))
        .expect("zstd compresses any bytes into a growing buffer")
}

pub fn unpack(bytes: &[u8]) -> Result<Value, Error> {
    let size = zstd::zstd_safe::get_frame_content_size(bytes)
        .ok()
        .flatten()
        .unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > BYTES_MAX {
        return Err(Error::bug(format!(
            "a stored payload claims {size} bytes; the store may be damaged"
        )));
    }
    let text = DECOMPRESSOR
        .with_borrow_mut(|decompressor| decompressor.decompress(bytes, size))
        .map_err(|error| {
            Error::bug("a stored payload cannot be unpacked; the store may be damaged").source(error)
        })?;
    serde_json::from_slice(&text)
        .map_err(|error| Error::bug("a stored payload is not JSON; the store may be damaged").source(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_digit_by_digit() {
        let value: Value =
            serde_json::from_str(r#"{"z": 12345678901234567890.10, "a": ["ü", null]}"#).expect("JSON");
        assert_eq!(
            unpack(&pack(&value)).expect("packed above").to_string(),
            value.to_string()
        );
        assert!(unpack(b"nonsense").is_err());
    }
}
