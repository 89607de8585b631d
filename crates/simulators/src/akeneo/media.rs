//! Media files: the codes that product values name, and a picture for each, made from its code.

use serde_json::{Value, json};

use super::answer::{Page, Paging, not_found, origin};
use super::state::State;
use crate::catalogue::{Data, Node};
use crate::front::{Incoming, Reply};

/// The node at the end of a code: `…_p17.png`.
fn owner(state: &State, code: &str) -> Option<Node> {
    let (_, ending) = code.rsplit_once('_')?;
    let (name, _) = ending.split_once('.')?;
    let number: u32 = name.get(1..)?.parse().ok()?;
    match name.as_bytes().first()? {
        b'm' if (number as usize) < state.base.models.len() => Some(Node::Model(number)),
        b'p' if (number as usize) < state.base.products.len() => Some(Node::Product(number)),
        _ => None,
    }
}

fn codes(state: &State, node: Node) -> Vec<String> {
    state
        .base
        .own_values(node)
        .into_iter()
        .filter_map(|datum| match datum.data {
            Data::Media(code) => Some(code),
            _ => None,
        })
        .collect()
}

fn item(origin: &str, code: &str) -> Value {
    let href = format!("{origin}/api/rest/v1/media-files/{code}");
    let name = code.rsplit('/').next().unwrap_or(code);
    let (kind, extension) = kind_of(code);
    json!({
        "_links": { "self": { "href": href }, "download": { "href": format!("{href}/download") } },
        "code": code,
        "original_filename": name,
        "mime_type": kind,
        "size": if extension == "png" { picture(code).len() } else { document(code).len() },
        "extension": extension,
    })
}

fn kind_of(code: &str) -> (&'static str, &'static str) {
    if code.ends_with(".pdf") {
        ("application/pdf", "pdf")
    } else {
        ("image/png", "png")
    }
}

/// `parts`: what stands after `media-files`.
pub(super) fn answer(state: &State, request: &Incoming, parts: &[&str]) -> Reply {
    let (parts, download) = match parts {
        [front @ .., "download"] => (front, true),
        all => (all, false),
    };
    if parts.is_empty() {
        return list(state, request);
    }
    let code = parts.join("/");
    let exists = owner(state, &code).is_some_and(|node| codes(state, node).contains(&code));
    if !exists {
        return not_found("Media file", &code);
    }
    if !download {
        return Reply::value(200, &item(&origin(request), &code));
    }
    let (kind, extension) = kind_of(&code);
    let bytes = if extension == "png" {
        picture(&code)
    } else {
        document(&code)
    };
    Reply::json(200, bytes).typed(kind)
}

fn list(state: &State, request: &Incoming) -> Reply {
    let paging = match Paging::of(&request.pairs(), false) {
        Ok(paging) => paging,
        Err(reply) => return reply,
    };
    let origin = origin(request);
    let models = (0..state.base.models.len() as u32).map(Node::Model);
    let products = (0..state.base.products.len() as u32).map(Node::Product);
    let found: Vec<String> = models
        .chain(products)
        .flat_map(|node| codes(state, node))
        .skip((paging.page - 1).saturating_mul(paging.limit))
        .take(paging.limit + 1)
        .collect();
    let items: Vec<String> = found
        .iter()
        .take(paging.limit)
        .map(|code| item(&origin, code).to_string())
        .collect();
    Page {
        request,
        paging: &paging,
        items: items.join(",").into_bytes(),
        more: found.len() > paging.limit,
        last: None,
        total: None,
    }
    .reply()
}

fn document(code: &str) -> Vec<u8> {
    format!("%PDF-1.4\n% {code}\n%%EOF\n").into_bytes()
}

/// A PNG of eight by eight points in a color that depends on the code.
fn picture(code: &str) -> Vec<u8> {
    const SIDE: u8 = 8;
    let hash = checksum(code.as_bytes());
    let color = [(hash >> 16) as u8, (hash >> 8) as u8, hash as u8];
    // Each row begins with its filter: none.
    let row: Vec<u8> = std::iter::once(0)
        .chain(color.repeat(usize::from(SIDE)))
        .collect();
    let pixels = row.repeat(usize::from(SIDE));
    let mut out = vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10];
    let mut header = vec![0, 0, 0, SIDE, 0, 0, 0, SIDE];
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    chunk(&mut out, *b"IHDR", &header);
    chunk(&mut out, *b"IDAT", &stored(&pixels));
    chunk(&mut out, *b"IEND", &[]);
    out
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend_from_slice(&name);
    out.extend_from_slice(data);
    let sum = checksum(&out[start..]);
    out.extend_from_slice(&sum.to_be_bytes());
}

/// A zlib stream with one block that is stored as it is (RFC 1950, RFC 1951).
fn stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let mut out = vec![0x78, 0x01, 1];
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(data);
    let (mut low, mut high) = (1u32, 0u32);
    for byte in data {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    out.extend_from_slice(&((high << 16) | low).to_be_bytes());
    out
}

/// CRC-32 as PNG uses it.
fn checksum(data: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in data {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            let low = sum & 1;
            sum >>= 1;
            if low == 1 {
                sum ^= 0xedb8_8320;
            }
        }
    }
    !sum
}
