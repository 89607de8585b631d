//! What is said before anything runs.

use weir_mapping::lint;
use weir_sdk::expressions::Snippet;

use crate::project::library;

fn check(functions: Option<&str>, maps: &[(&str, &str)], text: &str, expected: &[&str]) {
    let shown: Vec<String> = match library(functions, maps) {
        Err(findings) => findings.iter().map(ToString::to_string).collect(),
        Ok(library) => match library.expression(&Snippet::new("t", text)) {
            Err(finding) => vec![finding.to_string()],
            Ok(_) => Vec::new(),
        },
    };
    assert_eq!(shown, expected, "{text}");
}

#[test]
fn unknown_functions_and_maps_are_named() {
    check(
        None,
        &[],
        "a.\n  $lowrcase(b)",
        &["t:2:3: error[unknown-function]: there is no function `$lowrcase`; did you mean `$lowercase`?"],
    );
    check(
        None,
        &[],
        "a ~> $trimm",
        &["t:1:6: error[unknown-function]: there is no function `$trimm`; did you mean `$trim`?"],
    );
    check(
        None,
        &[],
        "$mony(1, 'EUR')",
        &["t:1:1: error[unknown-function]: there is no function `$mony`; did you mean `$money`?"],
    );
    check(
        Some("( $axes := function($x) { $x } )"),
        &[],
        "$axis(1)",
        &["t:1:1: error[unknown-function]: there is no function `$axis`; did you mean `$axes`?"],
    );
    check(
        None,
        &[("address", "a")],
        "$map.adress(b)",
        &["t:1:6: error[unknown-map]: there is no map `adress`; did you mean `address`?"],
    );
    check(
        None,
        &[],
        "($f := function($g) { $g(1) }; $f($string) & $$.$string())",
        &[],
    );
}

#[test]
fn own_functions_have_their_number_of_arguments() {
    let said = "error[arguments]: `$money` is called as `$money(amount, currency)`, not with";
    check(
        None,
        &[],
        "a +\n $money(1)",
        &[&format!("t:2:2: {said} 1 arguments")],
    );
    check(
        None,
        &[],
        "a ~> $money(1, 'EUR')",
        &[&format!("t:1:6: {said} 3 arguments")],
    );
    check(None, &[], "a ~> $money('EUR')", &[]);
    check(None, &[], "($money := function($x) { $x }; $money(1))", &[]);
}

#[test]
fn broken_text_has_a_place() {
    check(
        None,
        &[],
        "{\n  'a': 1,\n  'b' c }",
        &["t:3:7: error[expression]: this is not an expression of JSONata: Expected \":\", got \"c\""],
    );
    check(
        None,
        &[],
        "a & 'b",
        &["t:1:5: error[expression]: a text begins here and never ends"],
    );
    check(
        None,
        &[],
        "a[",
        &[
            "t:1:3: error[expression]: this is not an expression of JSONata: Expected \"]\" before end of expression",
        ],
    );
    // Brackets must not close what was put before the text.
    check(
        Some("( $f := function($x) { $x } )"),
        &[],
        "$f(1)) + (1",
        &["t:1:6: error[expression]: this is not an expression of JSONata: Syntax error: \")\""],
    );
}

#[test]
fn all_mistakes_of_a_library_come_together() {
    check(
        None,
        &[
            ("a", "$qqqq(1)"),
            ("b", "/** @from akeneo */ 1"),
            ("c-d", "1"),
            ("c_d", "1"),
        ],
        "1",
        &[
            "maps/c_d.jsonata:1:1: error[map-name]: the maps `c-d` and `c_d` differ only in signs; give one another name",
            "maps/a.jsonata:1:1: error[unknown-function]: there is no function `$qqqq`",
            "maps/b.jsonata:1:5: error[map-head]: `@from` names a schema as PREFIX/NAME, for example `@from base/product`; `akeneo` is none",
        ],
    );
    let shape = "a file of functions is one block of assignments in parentheses: `( $a := function($x){ … }; $b := … )`";
    check(
        Some("$a := 1"),
        &[],
        "1",
        &[&format!("functions.jsonata:1:1: error[functions]: {shape}")],
    );
    check(
        Some("( $a := 1; 2 )"),
        &[],
        "1",
        &[&format!("functions.jsonata:1:12: error[functions]: {shape}")],
    );
    check(
        Some("( $a := 1;\n $b := $trrim('x') )"),
        &[],
        "1",
        &[
            "functions.jsonata:2:8: error[unknown-function]: there is no function `$trrim`; did you mean `$trim`?",
        ],
    );
}

#[test]
fn variables_that_nothing_sets_are_warned_of() {
    let functions = Snippet::new("functions.jsonata", "( $root := function($c) { $map.x($c) } )");
    let snippet = Snippet::new(
        "t",
        "( $a := $vers.X; $map.address($a) ~> $root; $.b@$l#$i.($l.c & $i); $source.x; 12345678901234567 )",
    );
    let shown: Vec<String> = lint(&snippet, Some(&functions), &["vars", "source"])
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "t:1:9: warning[unknown-variable]: nothing sets the variable `$vers`; did you mean `$vars`?",
            "t:1:79: warning[number-digits]: the number 12345678901234567 has more digits than can be computed with (15); write it as text"
        ]
    );
}
