//! Typing errors in every kind of file: each gives file, line, column and what was probably meant.

use serde_json::Value;

use crate::{copy, edit, flagship, text, weir};

#[test]
fn the_flagship_is_good() {
    let said = weir(&["check", "--json", "--project", text(&flagship())]);
    assert_eq!(
        (said.code, said.json()["findings"].clone()),
        (0, Value::Array(vec![])),
        "{}",
        said.err
    );
}

/// File, text that stands there once, what it becomes, place of the finding, part of its words.
const TYPOS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "weir.yaml",
        "environments:",
        "enviroments:",
        "weir.yaml:2:1",
        "did you mean `environments`?",
    ),
    (
        "weir.yaml",
        "attempts: 8",
        "atempts: 8",
        "weir.yaml:13:12",
        "did you mean `attempts`?",
    ),
    (
        "weir.yaml",
        "trace: full ",
        "trace: ful ",
        "weir.yaml:16:8",
        "did you mean `full`?",
    ),
    (
        "weir.yaml",
        "project: akeneo-to-spryker",
        "project: [akeneo",
        "weir.yaml:",
        "not valid YAML",
    ),
    (
        "environments/dev.yaml",
        "AKENEO_URL:",
        "AKENEO_URI:",
        "connections/akeneo.yaml:2:",
        "did you mean `AKENEO_URI`?",
    ),
    (
        "environments/dev.yaml",
        "{ env: AKENEO_SECRET }",
        "{ enf: AKENEO_SECRET }",
        "environments/dev.yaml:11:",
        "did you mean `env`?",
    ),
    (
        "connections/akeneo.yaml",
        "akeneo@1",
        "akeneo@2",
        "connections/akeneo.yaml:1:12",
        "did you mean `akeneo@1`?",
    ),
    (
        "connections/akeneo.yaml",
        "base_url:",
        "base_ur:",
        "connections/akeneo.yaml:2:13",
        "did you mean `base_url`?",
    ),
    (
        "connections/akeneo.yaml",
        "  password:                ",
        "  pasword:                ",
        "connections/akeneo.yaml:4:3",
        "did you mean `password`?",
    ),
    (
        "connections/akeneo.yaml",
        "username:",
        "user_name:",
        "connections/akeneo.yaml:7:5",
        "did you mean `username`?",
    ),
    (
        "connections/akeneo.yaml",
        "${secrets.AKENEO_SECRET}",
        "${secrets.AKENEO_SECRETS}",
        "connections/akeneo.yaml:6:13",
        "did you mean `AKENEO_SECRET`?",
    ),
    (
        "connections/akeneo.yaml",
        "allow_private",
        "allow_privat",
        "connections/akeneo.yaml:9:12",
        "did you mean `allow_private`?",
    ),
    (
        "routes/categories.yaml",
        "source:",
        "sourc:",
        "routes/categories.yaml:2:1",
        "did you mean `source`?",
    ),
    (
        "routes/categories.yaml",
        "connection: akeneo",
        "connection: akeno",
        "routes/categories.yaml:3:",
        "did you mean `akeneo`?",
    ),
    (
        "routes/categories.yaml",
        "connection: akeneo, entity: categories",
        "connection: akeneo, entity: categoris",
        "routes/categories.yaml:3:",
        "did you mean `categories`?",
    ),
    (
        "routes/categories.yaml",
        "changed_since: updated",
        "changed_since: update",
        "routes/categories.yaml:4:",
        "did you mean `updated`?",
    ),
    (
        "routes/categories.yaml",
        "every: 5m",
        "every: 5 minutes",
        "routes/categories.yaml:5:",
        "for example `5m`",
    ),
    (
        "routes/categories.yaml",
        "akeneo/category",
        "akeneo/categry",
        "routes/categories.yaml:6:",
        "did you mean `akeneo/category`?",
    ),
    (
        "routes/categories.yaml",
        "- map: category",
        "- mapp: category",
        "routes/categories.yaml:8:5",
        "did you mean `map`?",
    ),
    (
        "routes/categories.yaml",
        "- map: category",
        "- map: categori",
        "routes/categories.yaml:8:",
        "did you mean `category`?",
    ),
    (
        "routes/categories.yaml",
        "- map: category",
        "- { map: category, wen: code }",
        "routes/categories.yaml:8:",
        "did you mean `when`?",
    ),
    (
        "routes/categories.yaml",
        "unchanged: skip",
        "unchanged: skp",
        "routes/categories.yaml:9:",
        "`skip`",
    ),
    (
        "routes/categories.yaml",
        "entity: categories, mode: upsert",
        "entity: categoris, mode: upsert",
        "routes/categories.yaml:10:",
        "did you mean `categories`?",
    ),
    (
        "routes/categories.yaml",
        "mode: upsert",
        "mode: upsrt",
        "routes/categories.yaml:10:",
        "did you mean `upsert`?",
    ),
    (
        "routes/categories.yaml",
        "route: categories",
        "route: categoris",
        "routes/categories.yaml:12:",
        "did you mean `categories`?",
    ),
    (
        "routes/categories.yaml",
        "keys: parent",
        "keys: \"parent[\"",
        "routes/categories.yaml:12:",
        "",
    ),
    (
        "routes/abstracts.yaml",
        "product-models, filter: { parent:",
        "product-models, filter: { parnt:",
        "routes/abstracts.yaml:4:",
        "did you mean `parent`?",
    ),
    (
        "routes/abstracts.yaml",
        "product-models, filter: { parent: { empty:",
        "product-models, filter: { parent: { emty:",
        "routes/abstracts.yaml:4:",
        "did you mean `empty`?",
    ),
    (
        "routes/attributes.yaml",
        "[variant-axes]",
        "[variant-axis]",
        "routes/attributes.yaml:",
        "did you mean `variant-axes`?",
    ),
    (
        "routes/attributes.yaml",
        "attribute-options",
        "attribute-option",
        "routes/attributes.yaml:",
        "did you mean `attribute-options`?",
    ),
    (
        "lookups/tax-sets.yaml",
        "tax-sets.csv",
        "tax-set.csv",
        "lookups/tax-sets.yaml:",
        "did you mean `tax-sets.csv`?",
    ),
    (
        "lookups/models.yaml",
        "product-models",
        "product-model",
        "lookups/models.yaml:",
        "did you mean `product-models`?",
    ),
    (
        "lookups/models.yaml",
        "cache:",
        "cach:",
        "lookups/models.yaml:",
        "did you mean `cache`?",
    ),
    (
        "maps/category.jsonata",
        "@to   spryker/category",
        "@to   spryker/categori",
        "maps/category.jsonata:",
        "did you mean `spryker/category`?",
    ),
    (
        "maps/abstract.jsonata",
        "$ref(\"tax-sets\"",
        "$ref(\"tax-set\"",
        "maps/abstract.jsonata:",
        "did you mean `tax-sets`?",
    ),
    (
        "maps/abstract.jsonata",
        "\"approval_status\":",
        "\"aproval_status\":",
        "maps/abstract.jsonata:",
        "did you mean `approval_status`?",
    ),
    (
        "maps/category.jsonata",
        "$vars.STORES",
        "$vers.STORES",
        "maps/category.jsonata:13:",
        "did you mean `$vars`?",
    ),
    (
        "maps/category.jsonata",
        "$$.labels",
        "$$.lables",
        "maps/category.jsonata:14:",
        "did you mean `labels`?",
    ),
    (
        "maps/category.cases.yaml",
        "- name: a category below another",
        "- nmae: a category below another",
        "maps/category.cases.yaml:",
        "did you mean `name`?",
    ),
];

#[test]
fn every_typing_error_has_a_place_and_a_suggestion() {
    let mut wrong = Vec::new();
    for (file, from, to, place, words) in TYPOS {
        let folder = copy();
        edit(folder.path(), file, from, to);
        let said = weir(&["check", "--project", text(folder.path())]);
        let found = said
            .out
            .lines()
            .any(|line| line.starts_with(place) && line.contains(words));
        let is_warning = said.out.contains("good, with");
        if !found || (said.code != 1 && !is_warning) {
            wrong.push(format!(
                "{file}: {to} (exit {})\n{}{}",
                said.code, said.out, said.err
            ));
        }
        if said.out.lines().count() > 5 {
            wrong.push(format!("{file}: {to} makes too much noise\n{}", said.out));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_that_do_not_belong_are_named() {
    let folder = copy();
    std::fs::rename(
        folder.path().join("routes/categories.yaml"),
        folder.path().join("routes/categories.yml"),
    )
    .unwrap();
    std::fs::create_dir(folder.path().join("rutes")).unwrap();
    std::fs::create_dir(folder.path().join("monitors")).unwrap();
    let said = weir(&["check", "--project", text(folder.path())]);
    for part in [
        "rename it to `categories.yaml`",
        "did you mean `routes`?",
        "monitors: error[not-yet]",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

#[test]
fn what_is_off_and_awaited_what_waits_in_a_ring_and_what_nobody_uses() {
    let folder = copy();
    let environment = folder.path().join("environments/dev.yaml");
    let mut text_of = std::fs::read_to_string(&environment).unwrap();
    text_of.push_str("routes: { categories: off }\n");
    std::fs::write(&environment, text_of).unwrap();
    let attributes = folder.path().join("routes/attributes.yaml");
    let mut route = std::fs::read_to_string(&attributes).unwrap();
    route.push_str("waits_for: [ { route: abstracts, keys: code } ]\n");
    std::fs::write(&attributes, route).unwrap();
    std::fs::write(folder.path().join("maps/spare.jsonata"), "{ \"a\": 1 }\n").unwrap();
    std::fs::write(
        folder.path().join("lookups/spare.yaml"),
        "kept: true\nkey: code\n",
    )
    .unwrap();
    let said = weir(&["check", "--json", "--project", text(folder.path())]);
    let findings = said.json()["findings"].clone();
    let codes: Vec<(&str, &str)> = findings
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["code"].as_str().unwrap(), f["severity"].as_str().unwrap()))
        .collect();
    for expected in [
        ("awaits-off-route", "error"),
        ("cycle", "warning"),
        ("unused-map", "warning"),
        ("unused-lookup", "warning"),
    ] {
        assert!(codes.contains(&expected), "{expected:?}: {codes:?}");
    }
    assert_eq!(said.code, 1);
}

#[test]
fn every_environment_is_checked_and_one_when_named() {
    let folder = copy();
    edit(
        folder.path(),
        "weir.yaml",
        "environments: [dev]",
        "environments: [dev, prod]",
    );
    let said = weir(&["check", "--project", text(folder.path())]);
    assert!(
        said.code == 1 && said.out.contains("there is no variable `AKENEO_URL`"),
        "{}",
        said.out
    );
    assert_eq!(
        weir(&["check", "--env", "dev", "--project", text(folder.path())]).code,
        0
    );
    let said = weir(&["check", "--env", "prd", "--project", text(folder.path())]);
    assert!(
        said.code == 1 && said.out.contains("did you mean `prod`?"),
        "{}",
        said.out
    );
}

/// Steps in a branch and in a list of elements, each with one mistake: place and words of the finding.
const NESTED: &[(&str, &str, &str)] = &[
    (
        "{ mpa: category }",
        "routes/categories.yaml:9:40",
        "there is no step `mpa`; did you mean `map`?",
    ),
    (
        "{ map: categori }",
        "routes/categories.yaml:9:45",
        "did you mean `category`?",
    ),
    (
        "{ log: a, whem: b }",
        "routes/categories.yaml:9:48",
        "did you mean `when`?",
    ),
    (
        "{ log: a, when: \"b[\" }",
        "routes/categories.yaml:9:56",
        "error[",
    ),
    (
        "{ write: { connection: spriker, entity: categories } }",
        "routes/categories.yaml:9:",
        "did you mean `spryker`?",
    ),
    (
        "{ write: { connection: spryker, entity: categorys } }",
        "routes/categories.yaml:9:",
        "did you mean `categories`?",
    ),
    (
        "{ log: a, name: x }, { log: b, name: x }",
        "routes/categories.yaml:9:",
        "two steps of this list are called `x`",
    ),
    (
        "{ collect: { by: a,until: { after: 1m } } }",
        "routes/categories.yaml:9:",
        "it stands in the route's own list: say `when` there",
    ),
    (
        "{ call: { connection: spryker,operation: price.get } }",
        "routes/categories.yaml:9:",
        "`spryker` has no operation `price.get`; there are: none",
    ),
    (
        "{ file: { op: copy } }",
        "routes/categories.yaml:9:",
        "not built in this version",
    ),
];

#[test]
fn nested_steps_are_checked_like_the_others() {
    for around in [
        "branch: [ { when: code, steps: [ STEP ] } ]",
        "each: { of: ab,into: b, steps: [ STEP ] }",
    ] {
        let mut wrong = Vec::new();
        for (step, place, words) in NESTED {
            let folder = copy();
            let list = around.replace("STEP", step);
            let line = "  - map: category                              # replaces the entity; what was read stays reachable as $source";
            edit(
                folder.path(),
                "routes/categories.yaml",
                line,
                &format!("{line}\n  - {list}"),
            );
            let said = weir(&["check", "--project", text(folder.path())]);
            let found = said
                .out
                .lines()
                .any(|line| line.starts_with(place) && line.contains(words));
            if !found || said.code != 1 || said.out.lines().count() > 4 {
                wrong.push(format!("{list} (exit {})\n{}{}", said.code, said.out, said.err));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn scripts_are_run_once_and_their_mistakes_have_a_line() {
    for (script, place, words) in [
        ("function go(e) { return e }", "", ""),
        (
            "function go(e) {\n  return e +;\n}",
            "scripts/go.js:2:1",
            "SyntaxError",
        ),
        (
            "function og(e) { return e }",
            "routes/categories.yaml:9:",
            "there is no function `go`",
        ),
    ] {
        let folder = copy();
        let line = "  - map: category                              # replaces the entity; what was read stays reachable as $source";
        let step = format!("{line}\n  - script: {{ file: scripts/go.js, function: go }}");
        edit(folder.path(), "routes/categories.yaml", line, &step);
        std::fs::create_dir(folder.path().join("scripts")).unwrap();
        std::fs::write(folder.path().join("scripts/go.js"), script).unwrap();
        let said = weir(&["check", "--project", text(folder.path())]);
        let found = said
            .out
            .lines()
            .any(|line| line.starts_with(place) && line.contains(words));
        assert_eq!(
            (found, said.code),
            (true, i32::from(!words.is_empty())),
            "{script}: {}",
            said.out
        );
    }
}

#[test]
fn a_map_that_only_a_nested_step_uses_is_used() {
    let folder = copy();
    let nested = "  - branch: [ { when: code, steps: [ { map: category } ] } ]\n";
    let line = "  - map: category                              # replaces the entity; what was read stays reachable as $source\n";
    edit(folder.path(), "routes/categories.yaml", line, nested);
    let said = weir(&["check", "--json", "--project", text(folder.path())]);
    assert_eq!(
        (said.code, said.json()["findings"].clone()),
        (0, Value::Array(vec![])),
        "{}",
        said.err
    );
}
