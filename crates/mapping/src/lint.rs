//! What can be said about a text without running it, beyond what compiling says.

use weir_model::{Finding, did_you_mean};
use weir_sdk::expressions::Snippet;

use crate::place::finding;
use crate::program::{Names, walk};

/// Warnings about variables that nothing sets: `$vers.LOCALES` is "nothing" in JSONata and no error. `bound` are the
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
    found
        .reads
        .iter()
        .filter(|(name, _)| !name.is_empty() && name != "$" && !known.contains(name))
        .map(|(name, at)| {
            let suggestion =
                did_you_mean(name, known.iter().map(String::as_str)).map(|text| text.replacen('`', "`$", 1));
            let message = format!("nothing sets the variable `${name}`");
            Finding {
                severity: weir_model::Severity::Warning,
                ..finding(snippet, *at, "unknown-variable", message)
            }
            .suggest(suggestion)
        })
        .collect()
}
