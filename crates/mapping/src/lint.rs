//! What can be said about a text without running it, beyond what compiling says.

use jlens_core::ast::NodeKind;
use weir_model::{Finding, Severity, did_you_mean};
use weir_sdk::expressions::Snippet;

use crate::digits::DIGITS_SAFE;
use crate::place::finding;
use crate::program::{Names, walk};

/// Warnings about variables that nothing sets (`$vers.LOCALES` is "nothing" in JSONata and no error) and about numbers
/// with more digits than the engine computes with. `bound` are the
/// names that the caller binds (`vars`, `source`, `steps` …); `functions` is the project's file of functions. Says
/// nothing about a text that does not compile; compiling says that.
pub fn lint(snippet: &Snippet, functions: Option<&Snippet>, bound: &[&str]) -> Vec<Finding> {
    let Ok(ast) = jlens_core::parse(&snippet.text) else {
        return Vec::new();
    };
    let found = walk(&ast.root);
    let mut known = found.known(&Names {
        maps: &[],
        block: None,
    });
    if let Some(functions) = functions.and_then(|functions| jlens_core::parse(&functions.text).ok()) {
        known.extend(walk(&functions.root).defined);
    }
    known.extend(bound.iter().map(|name| (*name).to_owned()));
    let unset = found
        .reads
        .iter()
        .filter(|(name, _)| !name.is_empty() && name != "$" && !known.contains(name))
        .map(|(name, at)| {
            let suggestion =
                did_you_mean(name, known.iter().map(String::as_str)).map(|text| text.replacen('`', "`$", 1));
            let message = format!("nothing sets the variable `${name}`");
            Finding {
                severity: Severity::Warning,
                ..finding(snippet, *at, "unknown-variable", message)
            }
            .suggest(suggestion)
        });
    let mut findings: Vec<Finding> = unset.collect();
    ast.root.walk(&mut |node| {
        let text = snippet.text.get(node.span.start..node.span.end).unwrap_or_default();
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if matches!(node.kind, NodeKind::Number { .. }) && digits > DIGITS_SAFE {
            let message = format!("the number {text} has more digits than can be computed with ({DIGITS_SAFE}); write it as text");
            findings.push(Finding {
                severity: Severity::Warning,
                ..finding(snippet, node.span.start, "number-digits", message)
            });
        }
    });
    findings
}
