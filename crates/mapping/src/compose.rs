//! What is done to a text before the engine sees it. Offsets never move: a call of a map becomes a name of the same
//! length, and the functions of the project are put before the text with a note of where they came from.

use std::ops::Range;

use weir_model::{Finding, did_you_mean};
use weir_sdk::expressions::Snippet;

use crate::place::finding;
use crate::tokens::{Kind, Token, Tokens, Unclosed};

/// How the engine knows a map: `$map.address` is rewritten to `$map_address`.
pub(crate) fn internal_name(map: &str) -> String {
    let plain: String = map
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '_' })
        .collect();
    format!("map_{plain}")
}

/// Rewrites the calls of maps. `maps` are the names of all maps of the library.
pub(crate) fn rewrite_maps(snippet: &Snippet, maps: &[String]) -> Result<String, Finding> {
    let text = &snippet.text;
    if !text.contains("$map") {
        return Ok(text.clone());
    }
    let tokens: Vec<Token> = Tokens::new(text, 0)
        .take_while(Result::is_ok)
        .flatten()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    let of = |token: &Token| &text[token.range.clone()];
    let mut result = text.clone();
    for (index, window) in tokens.windows(3).enumerate() {
        let [variable, dot, name] = window else { continue };
        if of(variable) != "$map" || of(dot) != "." || !matches!(name.kind, Kind::Name | Kind::Quoted) {
            continue;
        }
        let map = of(name).trim_matches('`');
        let called = tokens.get(index + 3).is_some_and(|next| of(next) == "(");
        if !maps.iter().any(|known| known == map) {
            if called {
                let known = maps.iter().map(String::as_str);
                let suggestion = did_you_mean(map, known)
                    .or_else(|| Some("a map is a file `maps/NAME.jsonata`".to_owned()));
                return Err(finding(
                    snippet,
                    name.range.start,
                    "unknown-map",
                    format!("there is no map `{map}`"),
                )
                .suggest(suggestion));
            }
            continue;
        }
        let range = variable.range.start..name.range.end;
        let new = format!("${}", internal_name(of(name)));
        // Letters beyond ASCII keep their bytes and other characters become one, so the new name is never longer.
        let blanks = " ".repeat(range.len().saturating_sub(new.len()));
        result.replace_range(range, &format!("{new}{blanks}"));
    }
    Ok(result)
}

/// The inner part of `( … )`, without the last semicolon.
pub(crate) fn block_content(text: &str) -> Option<Range<usize>> {
    let tokens: Vec<Token> = Tokens::new(text, 0)
        .take_while(Result::is_ok)
        .flatten()
        .filter(|token| token.kind != Kind::Comment)
        .collect();
    let of = |token: &Token| &text[token.range.clone()];
    let [first, .., last] = tokens.as_slice() else {
        return None;
    };
    if of(first) != "(" || of(last) != ")" {
        return None;
    }
    let end = tokens
        .iter()
        .rev()
        .nth(1)
        .filter(|token| of(token) == ";")
        .map_or(last.range.start, |token| token.range.start);
    Some(first.range.end..end.max(first.range.end))
}

/// Something that begins and never ends, told by our own tokens, which know it better than the engine.
pub(crate) fn unclosed(snippet: &Snippet) -> Option<Finding> {
    let Unclosed { at, what } = Tokens::new(&snippet.text, 0).find_map(Result::err)?;
    Some(finding(
        snippet,
        at,
        "expression",
        format!("a {what} begins here and never ends"),
    ))
}
