//! What makes sources run, and whose runs tasks wait for: what `weir check` says of it.

use crate::{copy, edit, text, weir};

const EVERY: (&str, &str) = ("routes/categories.yaml", "  every: 5m");
const WAITS: (&str, &str) = (
    "routes/categories.yaml",
    "  - { route: categories, keys: parent } ",
);

/// File and text that stands there once, and what it becomes.
type Edit<'a> = ((&'a str, &'a str), &'a str);

/// Checks the flagship after some edits; place and words of the one finding, or none where it is good.
fn check(edits: &[Edit], place: &str, words: &str) -> Option<String> {
    let folder = copy();
    for ((file, from), to) in edits {
        edit(folder.path(), file, from, to);
    }
    let said = weir(&["check", "--project", text(folder.path())]);
    let is_right = match place {
        "" => said.code == 0,
        place => {
            let is_said = |line: &str| line.starts_with(place) && line.contains(words);
            said.code == 1 && said.out.lines().any(is_said)
        }
    };
    (!is_right).then(|| format!("{edits:?} (exit {})\n{}{}", said.code, said.out, said.err))
}

#[test]
fn triggers_are_checked() {
    let place = "routes/categories.yaml:5:";
    let cases = [
        ("  cron: \"0 6 * * 1-5\"", "", ""),
        (
            "  cron: \"0 6 * * 1-5\"\n  timezone: Europe/Berlin\n  catch_up: all",
            "",
            "",
        ),
        ("  manual: true", "", ""),
        ("  after: { routes: [attributes] }", "", ""),
        ("  every: 5m\n  catch_up: none", "", ""),
        (
            "  cron: \"0 0 30 2 *\"",
            "routes/categories.yaml:5:9: error[wrong-cron]",
            "`0 0 30 2 *` never comes due",
        ),
        ("  cron: \"0 25 * * *\"", place, "is not a cron expression"),
        ("  cron: \"0 6 * *\"", place, "it has 4 fields and not 5"),
        (
            "  cron: \"0 6 * * *\"\n  timezone: Europe/Berlim",
            "routes/categories.yaml:6:13: error[unknown-time-zone]",
            "did you mean `Europe/Berlin`?",
        ),
        (
            "  cron: \"0 6 * * *\"\n  timezone: berlin",
            "routes/categories.yaml:6:13",
            "did you mean `Europe/Berlin`?",
        ),
        (
            "  cron: \"0 6 * * *\"\n  timezon: UTC",
            "routes/categories.yaml:6:3",
            "did you mean `timezone`?",
        ),
        (
            "  every: 5m\n  timezone: UTC",
            "routes/categories.yaml:6:13",
            "`timezone` belongs to `cron`",
        ),
        (
            "  manual: true\n  catch_up: all",
            "routes/categories.yaml:6:13",
            "here is neither",
        ),
        (
            "  every: 5m\n  catch_up: al",
            "routes/categories.yaml:6:13",
            "did you mean `all`?",
        ),
        (
            "  every: 5m\n  cron: \"0 6 * * *\"",
            "routes/categories.yaml:6:9",
            "here stand `every` and `cron`",
        ),
        ("  every: 0s", place, "longer than nothing"),
        (
            "  after: { routes: [atributes] }",
            "routes/categories.yaml:5:21: error[unknown-route]",
            "did you mean `attributes`?",
        ),
        ("  after: { routes: [] }", place, "here is none"),
        (
            "  after: { routes: [categories] }",
            place,
            "categories → categories; none of them would ever start",
        ),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(source, place, words)| check(&[(EVERY, source)], place, words))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn circles_and_routes_that_are_off_are_named() {
    let attributes = ("routes/attributes.yaml", "  every: 5m");
    let read = (
        "routes/attributes.yaml",
        "  read: { connection: akeneo, entity: attributes, with: { options: attribute-options } }",
    );
    let hook = "  webhook: { verify: none }";
    let snapshot = ("routes/attributes.yaml", "  changed_since: snapshot ");
    let resend = ("routes/attributes.yaml", "  resend_on: [variant-axes] ");
    let switches = ("environments/dev.yaml", "vars:");
    let off = "routes: { attributes: off }\nvars:";
    let cases: &[(&[Edit], &str, &str)] = &[
        (
            &[
                (EVERY, "  after: { routes: [attributes] }"),
                (attributes, "  after: { routes: [categories] }"),
            ],
            "routes/attributes.yaml:5:",
            "attributes → categories → attributes",
        ),
        (
            &[(EVERY, "  after: { routes: [attributes] }"), (switches, off)],
            "routes/categories.yaml:5:",
            "the route `attributes` is off in `dev`",
        ),
        (&[(WAITS, "  - { run: attributes } ")], "", ""),
        (
            &[(WAITS, "  - { run: atributes } ")],
            "routes/categories.yaml:12:12",
            "did you mean `attributes`?",
        ),
        (
            &[(WAITS, "  - { run: attributes } "), (switches, off)],
            "routes/categories.yaml:12:12",
            "the route `attributes` is off in `dev`",
        ),
        (
            &[(WAITS, "  - { run: categories } ")],
            "routes/categories.yaml:12:12: error[cycle]",
            "cannot wait for the next run of `categories` itself",
        ),
        (
            &[(WAITS, "  - { run: attributes, keys: parent } ")],
            "routes/categories.yaml:12:5",
            "`keys` belongs to `route` or `link`",
        ),
        (
            &[
                (WAITS, "  - { run: attributes } "),
                (read, hook),
                (attributes, ""),
                (snapshot, ""),
                (resend, ""),
            ],
            "routes/categories.yaml:12:12: error[awaits-no-run]",
            "`attributes` has a webhook and no runs",
        ),
        (
            &[
                (EVERY, "  after: { routes: [attributes] }"),
                (read, hook),
                (attributes, ""),
                (snapshot, ""),
                (resend, ""),
            ],
            "routes/categories.yaml:5:21: error[awaits-no-run]",
            "`attributes` has a webhook and no runs",
        ),
        (
            &[
                (read, hook),
                (attributes, "  cron: \"0 6 * * *\""),
                (snapshot, ""),
                (resend, ""),
            ],
            "routes/attributes.yaml:5:3",
            "`cron` is about reading",
        ),
        (
            &[(WAITS, "  - { route: categories } ")],
            "routes/categories.yaml:12:5: error[missing-key]",
            "the key `keys` is missing",
        ),
        (
            &[(WAITS, "  - { route: categories, run: attributes, keys: parent } ")],
            "routes/categories.yaml:12:5",
            "one of `route`, `link` and `run`",
        ),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|(edits, place, words)| check(edits, place, words))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
