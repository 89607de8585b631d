//! Cuts JSONata text into tokens, as far as finding the end of `{{ … }}` and the calls of maps needs it: what is a
//! string, a comment, a regular expression or a bracket. The engine has its own lexer, which it does not show.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `$name`, `$`, `$$`
    Variable,
    Name,
    /// A name in backticks.
    Quoted,
    String,
    Number,
    Regex,
    Comment,
    /// One character, or `**`.
    Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) range: Range<usize>,
}

/// Something that begins and never ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unclosed {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// Reads tokens from `text`, beginning at a byte; comments are tokens too.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    at: usize,
    /// The last token ends an operand, so that `/` divides and `*` multiplies.
    operand: bool,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Tokens {
            text,
            at,
            operand: false,
        }
    }

    fn token(&mut self, kind: Kind, end: usize) -> Token {
        let range = self.at..end;
        self.at = end;
        let text = &self.text[range.clone()];
        match kind {
            Kind::Comment => {}
            Kind::Name if self.operand && matches!(text, "and" | "or" | "in") => self.operand = false,
            Kind::Operator => {
                self.operand = match text {
                    ")" | "]" | "}" => true,
                    "*" | "%" | "**" => !self.operand,
                    _ => false,
                }
            }
            _ => self.operand = true,
        }
        Token { kind, range }
    }

    fn closed(&mut self, kind: Kind, close: char, what: &'static str) -> Result<Token, Unclosed> {
        let mut escaped = false;
        for (offset, c) in self.text[self.at..].char_indices().skip(1) {
            if !escaped && c == close {
                let end = self.at + offset + close.len_utf8();
                return Ok(self.token(kind, end));
            }
            escaped = !escaped && c == '\\' && kind != Kind::Quoted;
        }
        Err(Unclosed { at: self.at, what })
    }

    fn regex(&mut self) -> Result<Token, Unclosed> {
        // The engine counts brackets in the same way, also those in a class.
        let (mut escaped, mut depth) = (false, 0_i32);
        for (offset, c) in self.text[self.at..].char_indices().skip(1) {
            match c {
                _ if escaped => {}
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                '/' if depth == 0 => {
                    let rest = &self.text[self.at + offset + 1..];
                    let flags = rest.len() - rest.trim_start_matches(['i', 'm']).len();
                    let end = self.at + offset + 1 + flags;
                    return Ok(self.token(Kind::Regex, end));
                }
                _ => {}
            }
            escaped = !escaped && c == '\\';
        }
        Err(Unclosed {
            at: self.at,
            what: "regular expression",
        })
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token, Unclosed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        let rest = rest.trim_start();
        let first = rest.chars().next()?;
        let result = match first {
            '/' if rest.starts_with("/*") => match rest[2..].find("*/") {
                Some(length) => {
                    let end = self.at + length + 4;
                    Ok(self.token(Kind::Comment, end))
                }
                None => Err(Unclosed {
                    at: self.at,
                    what: "comment",
                }),
            },
            '/' if !self.operand => self.regex(),
            '"' | '\'' => self.closed(Kind::String, first, "text"),
            '`' => self.closed(Kind::Quoted, '`', "name in backticks"),
            _ if is_operator(first) => {
                let length = if rest.starts_with("**") { 2 } else { 1 };
                let end = self.at + length;
                Ok(self.token(Kind::Operator, end))
            }
            _ => {
                let length = rest
                    .find(|c: char| c.is_whitespace() || is_operator(c) || matches!(c, '"' | '\'' | '`'))
                    .unwrap_or(rest.len());
                let kind = match first {
                    '$' => Kind::Variable,
                    '0'..='9' => Kind::Number,
                    _ => Kind::Name,
                };
                let end = self.at + length;
                Ok(self.token(kind, end))
            }
        };
        if result.is_err() {
            // Nothing after it can be told apart.
            self.at = self.text.len();
        }
        Some(result)
    }
}

fn is_operator(c: char) -> bool {
    ".[]{}(),@#;:?+-*/%|=<>^&!~".contains(c)
}

/// The head comment `/** … */`, if the text begins with one.
pub(crate) fn head_comment(text: &str) -> Option<&str> {
    let token = Tokens::new(text, 0).next()?.ok()?;
    let comment = &text[token.range];
    comment.strip_prefix("/**")?.strip_suffix("*/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = Tokens::new(text, 0)
            .map(|token| match token {
                Ok(token) => format!("{:?} {}", token.kind, &text[token.range]),
                Err(unclosed) => format!("unclosed {} at {}", unclosed.what, unclosed.at),
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn slashes_are_division_or_regular_expressions_by_what_stands_before() {
        check("a / 2", &["Name a", "Operator /", "Number 2"]);
        check(
            r"$match(a, /[/}{]\/x/i)",
            &[
                "Variable $match",
                "Operator (",
                "Name a",
                "Operator ,",
                r"Regex /[/}{]\/x/i",
                "Operator )",
            ],
        );
        check("a in /x/", &["Name a", "Name in", "Regex /x/"]);
        check("in / 2", &["Name in", "Operator /", "Number 2"]);
        check(
            "b.* / 2",
            &["Name b", "Operator .", "Operator *", "Operator /", "Number 2"],
        );
        check(
            "/* } */ ) / 1",
            &["Comment /* } */", "Operator )", "Operator /", "Number 1"],
        );
    }

    #[test]
    fn texts_keep_their_brackets_and_escapes() {
        check(
            r#"'}\'' & "}}""#,
            &[r"String '}\''", "Operator &", "String \"}}\""],
        );
        check("`a}b`.c", &["Quoted `a}b`", "Operator .", "Name c"]);
        check("a 'x", &["Name a", "unclosed text at 2"]);
        check("ä.$ß", &["Name ä", "Operator .", "Variable $ß"]);
    }
}
