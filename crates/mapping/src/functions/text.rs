//! Text: addresses of pages, languages, markup.

use serde_json::Value;

use super::{Call, Fault, Function, example, kind_of, rows, says};

pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "slug",
        signature: "$slug(text)",
        summary: "Text for the address of a page: small letters, digits and `-`. German umlauts become two letters, accents \
                  fall away. Where letters of other scripts are lost, a short hash of the text is added, so that the result is \
                  never empty and two texts stay two.",
        arguments: (1, 1),
        examples: &[
            example(r#"$slug("Größe  M / weiß")"#, r#""groesse-m-weiss""#),
            example(r#"$slug("Crème Brûlée №5")"#, r#""creme-brulee-5""#),
            example(r#"$slug("Łódź & Šibenik")"#, r#""lodz-sibenik""#),
            example(r#"$slug("シャツ")"#, r#""f547ed69""#),
            example(r#"$slug("Tee シャツ")"#, r#""tee-ecccfe8c""#),
            example("$slug(1200)", r#""1200""#),
            example("$slug(missing)", "nothing"),
        ],
        body: slug,
    },
    Function {
        name: "localized",
        signature: "$localized(values, locale[, channel])",
        summary: "The `data` of the row for a locale and, where given, a channel (`scope`), from rows as Akeneo has them: \
                  `[{\"locale\": \"de_DE\", \"scope\": null, \"data\": \"Hemd\"}]`. A row whose locale is null or missing stands for \
                  every locale, one whose scope is null or missing for every channel; a row that names them goes first. Nothing when \
                  no row matches.",
        arguments: (2, 3),
        examples: &[
            example(r#"$localized(name, "de_DE")"#, r#""Hemd""#),
            example(r#"$localized(name, "fr_FR")"#, "nothing"),
            example(r#"$localized(description, "de_DE", "web")"#, r#""Im Netz""#),
            example(r#"$localized(description, "de_DE", "print")"#, r#""Überall""#),
            example(r#"$localized(missing, "de_DE")"#, "nothing"),
        ],
        body: localized,
    },
    Function {
        name: "html_to_text",
        signature: "$html_to_text(html)",
        summary: "The text of a piece of HTML: marks fall away, paragraphs and line breaks become new lines, entities become \
                  characters, scripts and styles vanish.",
        arguments: (1, 1),
        examples: &[
            example(
                r#"$html_to_text("<p>Soft &amp; <b>warm</b></p><p>5&nbsp;&euro;</p>")"#,
                r#""Soft & warm\n5 €""#,
            ),
            example(
                r#"$html_to_text("a<br/>b<script>x()</script> &#228; &lt;c&gt;")"#,
                r#""a\nb ä <c>""#,
            ),
            example(r#"$html_to_text("1 < 2")"#, r#""1 < 2""#),
            example("$html_to_text(missing)", "nothing"),
        ],
        body: html_to_text,
    },
];

fn slug(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let text = match call.present(0) {
        None => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(other) => return Err(says(format!("needs a text, not {}", kind_of(other)), other)),
    };
    let mut slug = String::new();
    let mut lost = false;
    for c in text.chars().flat_map(char::to_lowercase) {
        match latin(c) {
            Some(letters) => slug.push_str(letters),
            None if c.is_ascii_alphanumeric() => slug.push(c),
            // An accent of its own, after its letter.
            None if ('\u{300}'..='\u{36f}').contains(&c) => {}
            None => {
                lost |= c.is_alphanumeric();
                if !slug.is_empty() && !slug.ends_with('-') {
                    slug.push('-');
                }
            }
        }
    }
    let mut slug = slug.trim_end_matches('-').to_owned();
    if lost || slug.is_empty() {
        let hash = blake3::hash(text.as_bytes()).to_hex();
        if !slug.is_empty() {
            slug.push('-');
        }
        slug.push_str(&hash[..8]);
    }
    Ok(Some(Value::String(slug)))
}

/// A small letter with marks in plain letters.
fn latin(c: char) -> Option<&'static str> {
    const TABLE: &[(&str, &str)] = &[
        ("äæǽ", "ae"),
        ("öœ", "oe"),
        ("ü", "ue"),
        ("ßẞ", "ss"),
        ("þ", "th"),
        ("ĳ", "ij"),
        ("àáâãåāăąǎạảấầẩẫậắằẳẵặ", "a"),
        ("çćĉċč", "c"),
        ("ďđð", "d"),
        ("èéêëēĕėęěẹẻẽếềểễệ", "e"),
        ("ĝğġģǧ", "g"),
        ("ĥħ", "h"),
        ("ìíîïĩīĭįıǐỉị", "i"),
        ("ĵ", "j"),
        ("ķĸ", "k"),
        ("ĺļľŀł", "l"),
        ("ñńņňŉŋ", "n"),
        ("òóôõøōŏőǒơọỏốồổỗộớờởỡợ", "o"),
        ("ŕŗř", "r"),
        ("śŝşšș", "s"),
        ("ţťŧț", "t"),
        ("ùúûũūŭůűųǔưụủứừửữự", "u"),
        ("ŵẁẃẅ", "w"),
        ("ýÿŷỳỵỷỹ", "y"),
        ("źżž", "z"),
    ];
    if c.is_ascii() {
        return None;
    }
    TABLE.iter().find(|(from, _)| from.contains(c)).map(|(_, to)| *to)
}

fn localized(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let Some(values) = call.present(0) else {
        return Ok(None);
    };
    let locale = call.required_text(1, "locale")?;
    let channel = call.text(2, "channel")?;
    let mut best: Option<(u8, &Value)> = None;
    for row in rows(values) {
        let Value::Object(fields) = row else {
            return Err(says(
                format!(
                    "needs rows with `locale`, `scope` and `data`, not {}",
                    kind_of(row)
                ),
                row,
            ));
        };
        // 2 named, 1 stands for all, none does not match.
        let fit = |field: &str, wanted: &str| match fields.get(field) {
            None | Some(Value::Null) => Some(1),
            Some(Value::String(text)) if text == wanted => Some(2),
            Some(_) => None,
        };
        let Some(of_locale) = fit("locale", locale) else {
            continue;
        };
        let of_channel = match channel {
            None => 1,
            Some(channel) => match fit("scope", channel) {
                Some(fit) => fit,
                None => continue,
            },
        };
        let rank = of_locale * 3 + of_channel;
        if best.is_none_or(|(known, _)| rank > known) {
            best = Some((rank, row));
        }
    }
    Ok(best.and_then(|(_, row)| row.get("data")).cloned())
}

fn html_to_text(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let Some(html) = call.text(0, "HTML")? else {
        return Ok(None);
    };
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        push_words(&mut text, &rest[..open]);
        rest = &rest[open..];
        let begins = rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        let end = if rest.starts_with("<!--") {
            rest.find("-->").map(|at| at + 3)
        } else if begins {
            rest.find('>').map(|at| at + 1)
        } else {
            None
        };
        let Some(end) = end else {
            push_words(&mut text, "<");
            rest = &rest[1..];
            continue;
        };
        let name: String = rest[1..end]
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_lowercase();
        let closing = rest.starts_with("</");
        rest = &rest[end..];
        match name.as_str() {
            "script" | "style" if !closing => {
                // ASCII letters keep their length, so places in both texts agree.
                let lower = rest.to_ascii_lowercase();
                rest = lower.find(&format!("</{name}")).map_or("", |at| &rest[at..]);
            }
            "p" | "br" | "div" | "li" | "ul" | "ol" | "tr" | "table" | "h1" | "h2" | "h3" | "h4" | "h5"
            | "h6" | "section" | "article" | "blockquote" | "pre" | "hr" => {
                while text.ends_with(' ') {
                    text.pop();
                }
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
            }
            _ => {}
        }
    }
    push_words(&mut text, rest);
    Ok(Some(Value::String(text.trim().to_owned())))
}

/// Adds text with runs of white space as one blank and entities as characters.
fn push_words(text: &mut String, raw: &str) {
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            if !text.is_empty() && !text.ends_with([' ', '\n']) {
                text.push(' ');
            }
            rest = &rest[c.len_utf8()..];
            continue;
        }
        if c == '&'
            && let Some(end) = rest.find(';').filter(|end| *end <= 10)
            && let Some(meant) = entity(&rest[1..end])
        {
            text.push(if meant == '\u{a0}' { ' ' } else { meant });
            rest = &rest[end + 1..];
            continue;
        }
        text.push(c);
        rest = &rest[c.len_utf8()..];
    }
}

fn entity(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code);
    }
    const TABLE: &[(&str, char)] = &[
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", '\u{a0}'),
        ("euro", '€'),
        ("pound", '£'),
        ("copy", '©'),
        ("reg", '®'),
        ("trade", '™'),
        ("deg", '°'),
        ("sup2", '²'),
        ("sup3", '³'),
        ("frac12", '½'),
        ("times", '×'),
        ("middot", '·'),
        ("bull", '•'),
        ("hellip", '…'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("lsquo", '‘'),
        ("rsquo", '’'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("bdquo", '„'),
        ("sbquo", '‚'),
        ("shy", '\u{ad}'),
        ("auml", 'ä'),
        ("ouml", 'ö'),
        ("uuml", 'ü'),
        ("Auml", 'Ä'),
        ("Ouml", 'Ö'),
        ("Uuml", 'Ü'),
        ("szlig", 'ß'),
        ("agrave", 'à'),
        ("aacute", 'á'),
        ("acirc", 'â'),
        ("ccedil", 'ç'),
        ("egrave", 'è'),
        ("eacute", 'é'),
        ("ecirc", 'ê'),
        ("iacute", 'í'),
        ("ntilde", 'ñ'),
        ("oacute", 'ó'),
        ("ocirc", 'ô'),
        ("uacute", 'ú'),
        ("oslash", 'ø'),
        ("aring", 'å'),
    ];
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, c)| *c)
}
