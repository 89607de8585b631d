//! Text with expressions in it.

use serde_json::json;
use weir_sdk::expressions::{NoReferences, Scope, Snippet};

use crate::project::{NOW, json as parse, library};

/// What a template gives, as JSON, or its finding or error.
fn check(text: &str, expected: &str) {
    let library = library(None, &[]).unwrap();
    let snippet = Snippet {
        file: "c.yaml".to_owned(),
        line: 7,
        column: 3,
        text: text.to_owned(),
    };
    let input = parse(r#"{"n": 19.90, "name": "a b", "list": [1, 2], "none": null, "page": {"size": 5}}"#);
    let shown = match library.template(&snippet) {
        Err(finding) => finding.to_string(),
        Ok(template) => {
            let scope = Scope {
                bindings: &[],
                references: &NoReferences,
                now: NOW.parse().unwrap(),
            };
            match template.evaluate(&input, &scope) {
                Ok(None) => "nothing".to_owned(),
                Ok(Some(value)) => value.to_string(),
                Err(error) => error.message,
            }
        }
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn one_expression_keeps_its_type_and_text_takes_in_text() {
    check("plain", &json!("plain").to_string());
    check("", "\"\"");
    check("{{ list }}", "[1,2]");
    check("{{n}}", "19.90");
    check("{{ missing }}", "nothing");
    check("{{ none }}", "null");
    check("/a/{{ name }}/{{ page.size }}?x={{ n }}", "\"/a/a b/5?x=19.90\"");
    check(" {{ n }}", "\" 19.90\"");
}

#[test]
fn the_end_is_found_by_tokens() {
    check("{{ {'data': {'rows': list}} }}", r#"{"data":{"rows":[1,2]}}"#);
    check("{{ {'a': {'b': 1}}}}", r#"{"a":{"b":1}}"#);
    check("{{ '}}' }}", "\"}}\"");
    check("x{{ $replace('a}}', /[{}]+/, '') /* }} */ }}y", "\"xay\"");
    check("}} {{ 1 }} }}", "\"}} 1 }}\"");
}

#[test]
fn mistakes_have_a_place() {
    check("a {{ n", "c.yaml:7:5: error[template]: the `{{` here has no `}}`");
    check(
        "a\nb {{ 'n }}",
        "c.yaml:8:6: error[template]: a text begins here and never ends",
    );
    check(
        "{{ }}",
        "c.yaml:7:3: error[template]: there is no expression between `{{` and `}}`",
    );
    check(
        "{{ 1 } }}",
        "c.yaml:7:8: error[template]: this `}` closes nothing; an expression ends with `}}`",
    );
    check(
        "a {{ $trmi(n) }}",
        "c.yaml:7:8: error[unknown-function]: there is no function `$trmi`; did you mean `$trim`?",
    );
    check(
        "a {{ missing }}",
        "c.yaml:7:7: the value of `{{ missing }}` is missing, so there is nothing to put into the text",
    );
    check(
        "a {{ none }}",
        "c.yaml:7:7: the value of `{{ none }}` is null, so there is nothing to put into the text",
    );
}
