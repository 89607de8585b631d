//! What commands say: plain lines for people, JSON for programs.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;
use serde_json::Value;
use weir_model::{Finding, Severity};

/// How answers look.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// One JSON value on a line, or what `plain` says.
    pub(crate) fn answer(self, value: &impl Serialize, plain: impl FnOnce() -> String) {
        let text = if self.json {
            serde_json::to_string(value)
                .unwrap_or_else(|error| format!("{{\"error\":{:?}}}", error.to_string()))
        } else {
            plain()
        };
        print(&text);
    }

    /// A line for people, on standard error where the answer is JSON.
    pub(crate) fn say(self, line: &str) {
        if self.json {
            let _ = writeln!(std::io::stderr(), "{line}");
        } else {
            print(line);
        }
    }

    pub(crate) fn findings(self, findings: &[Finding]) {
        for finding in findings {
            self.say(&finding.to_string());
        }
    }
}

/// May progress bars be drawn?
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// Writes a line; a reader that went away (`| head`) is no failure.
pub(crate) fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// `2 errors, 1 warning`.
pub(crate) fn tally(findings: &[Finding]) -> String {
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    format!(
        "{}, {}",
        counted(errors, "error"),
        counted(findings.len() - errors, "warning")
    )
}

/// `1 task`, `2 tasks`.
pub(crate) fn counted(count: usize, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{count} {word}s")
    }
}

/// A plain table; numbers to the right.
pub(crate) fn table(head: &[&str], rows: &[Vec<Value>]) -> String {
    let mut table = comfy_table::Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_header(head.iter().map(|word| (*word).to_owned()));
    for row in rows {
        table.add_row(row.iter().map(|cell| {
            let (text, align) = match cell {
                Value::String(text) => (text.clone(), comfy_table::CellAlignment::Left),
                Value::Null => (String::new(), comfy_table::CellAlignment::Left),
                other => (other.to_string(), comfy_table::CellAlignment::Right),
            };
            comfy_table::Cell::new(text).set_alignment(align)
        }));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
