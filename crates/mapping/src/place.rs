//! From a byte of an expression to line and column of the file a person wrote it in.

use weir_model::Finding;
use weir_sdk::expressions::Snippet;

/// Line and column, counted from 1; 0 and 0 when the snippet does not know where it stands.
pub(crate) fn place(snippet: &Snippet, offset: usize) -> (u32, u32) {
    if snippet.line == 0 {
        return (0, 0);
    }
    let mut end = offset.min(snippet.text.len());
    while !snippet.text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &snippet.text[..end];
    let lines = before.matches('\n').count() as u32;
    let column = match before.rfind('\n') {
        Some(newline) => before[newline + 1..].chars().count() as u32 + 1,
        None => snippet.column.max(1) + before.chars().count() as u32,
    };
    (snippet.line + lines, column)
}

/// An error at a byte of the snippet.
pub(crate) fn finding(snippet: &Snippet, offset: usize, code: &str, message: impl Into<String>) -> Finding {
    let (line, column) = place(snippet, offset);
    Finding::error(code, &snippet.file, line, column, message)
}

/// A part of the snippet as a snippet of its own.
pub(crate) fn part(snippet: &Snippet, range: std::ops::Range<usize>) -> Snippet {
    let (line, column) = place(snippet, range.start);
    Snippet {
        file: snippet.file.clone(),
        line,
        column,
        text: snippet.text[range].to_owned(),
    }
}
