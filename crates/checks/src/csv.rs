//! Small files of comma separated values: lookup tables beside a project. Files of entities are another matter.

use serde_json::{Map, Value};
use weir_model::Finding;

/// Largest file; a lookup beyond it belongs into a system that can be asked.
pub const BYTES_MAX: usize = 64_000_000;

/// Rows as objects of texts, named by the first line. Commas between, double quotes around what contains commas or new
/// lines, a mark of byte order at the start is allowed, empty lines are left out. A finding names the line; its `file` is
/// empty and set by the caller, who knows it.
pub fn read(text: &str) -> Result<Vec<Value>, Finding> {
    if text.len() > BYTES_MAX {
        let message = format!("the file has {} bytes; at most {BYTES_MAX} are read", text.len());
        return Err(Finding::error("file-too-large", "", 0, 0, message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let names: Vec<String> = match reader.headers() {
        Ok(header) => header.iter().map(|name| name.trim().to_owned()).collect(),
        Err(error) => return Err(broken(&error)),
    };
    check_names(&names)?;
    let mut rows = Vec::new();
    let mut row = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => return Err(broken(&error)),
        }
        let line = line_of(text, &row);
        let (wanted, got) = (names.len(), row.len());
        let last = reader.position().byte() as usize >= text.len();
        if last && !ends_well(text, &row) {
            let message = "a quote opens in this row and never closes";
            return Err(Finding::error("csv", "", line, 1, message));
        }
        if got != wanted {
            let message = format!("the row has {got} values and the header names {wanted} columns");
            let hint = "put double quotes around values that contain a comma".to_owned();
            return Err(Finding::error("csv", "", line, 1, message).suggest(Some(hint)));
        }
        let fields: Map<String, Value> = names
            .iter()
            .zip(row.iter())
            .map(|(name, value)| (name.clone(), Value::String(value.to_owned())))
            .collect();
        rows.push(Value::Object(fields));
    }
    Ok(rows)
}

fn check_names(names: &[String]) -> Result<(), Finding> {
    if names.is_empty() {
        let message = "the file is empty; its first line names the columns";
        return Err(Finding::error("csv", "", 1, 1, message));
    }
    for (index, name) in names.iter().enumerate() {
        let message = if name.is_empty() {
            format!("column {} has no name", index + 1)
        } else if names[..index].contains(name) {
            format!("two columns are named `{name}`")
        } else {
            continue;
        };
        return Err(Finding::error("csv", "", 1, 1, message));
    }
    Ok(())
}

/// The reader takes the end of the file for a closing quote. Then the last value, as it is written, stands at the very
/// end behind a quote that nothing answers.
fn ends_well(text: &str, row: &csv::StringRecord) -> bool {
    let written = row.iter().next_back().unwrap_or_default().replace('"', "\"\"");
    let quotes = text.bytes().filter(|byte| *byte == b'"').count();
    let opened = text
        .strip_suffix(&written)
        .is_some_and(|before| before.ends_with('"'));
    quotes % 2 == 0 || !opened
}

/// The line of a row; the reader points at the empty lines before it.
fn line_of(text: &str, row: &csv::StringRecord) -> u32 {
    let Some(at) = row.position() else { return 0 };
    let rest = text.get(at.byte() as usize..).unwrap_or_default();
    let empty = rest.bytes().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    (at.line() as usize + empty.filter(|byte| *byte == b'\n').count()) as u32
}

fn broken(error: &csv::Error) -> Finding {
    let line = error.position().map_or(0, |at| at.line()) as u32;
    Finding::error("csv", "", line, 1, format!("this is not a readable row: {error}"))
}
