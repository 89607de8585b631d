use std::collections::BTreeSet;
use std::path::Path;

use crate::{flagship, root, text, weir};

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let said = weir(&["--help"]);
    assert_eq!(said.code, 0);
    for word in [
        "demo",
        "serve",
        "check",
        "test",
        "run",
        "try",
        "tasks",
        "operations",
        "links",
        "secrets",
        "tokens",
        "doctor",
        "schema",
        "init",
        "simulate",
        "completions",
        "Exit codes",
    ] {
        assert!(said.out.contains(word), "{word}");
    }
    assert_eq!(weir(&["chekc"]).code, 2);
    let shell = weir(&["completions", "bash"]);
    assert!(shell.code == 0 && shell.out.contains("weir"), "{}", shell.err);
}

#[test]
fn a_template_starts_a_project_in_an_empty_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    for template in ["akeneo-to-spryker", "categories-backend-api"] {
        let place = folder.path().join(template);
        let said = weir(&["init", text(&place), "--from", template, "--json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        let example = root().join("examples").join(template);
        assert_eq!(
            files(&place),
            files(&example),
            "the list in templates.rs names every file of the folder"
        );
    }
    let place = folder.path().join("akeneo-to-spryker");
    let again = weir(&["init", text(&place)]);
    assert!(
        again.code == 3 && again.err.contains("not empty"),
        "{}",
        again.err
    );
    let unknown = weir(&[
        "init",
        text(&folder.path().join("x")),
        "--from",
        "akeneo-to-sprykr",
    ]);
    assert!(
        unknown.code == 3 && unknown.err.contains("did you mean `akeneo-to-spryker`?"),
        "{}",
        unknown.err
    );
    let empty = folder.path().join("empty");
    assert_eq!(weir(&["init", text(&empty)]).code, 0);
    let checked = weir(&["check", "--project", text(&empty)]);
    assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
}

fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = text(path.strip_prefix(folder).unwrap()).to_owned();
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                open.push(path)
            } else {
                found.insert(name);
            }
        }
    }
    found
}

#[test]
fn cases_of_maps_pass_and_failures_show_what_differs() {
    let said = weir(&["test", "--project", text(&flagship())]);
    assert_eq!(said.code, 0, "{}", said.out);
    assert!(said.out.trim_end().ends_with(" passed, 0 failed"), "{}", said.out);
    let folder = crate::copy();
    let cases = folder.path().join("maps/category.cases.yaml");
    std::fs::write(
        &cases,
        "- name: wrong\n  input: { code: shoes }\n  expect: { category_key: boots }\n",
    )
    .unwrap();
    let said = weir(&["test", "category", "--project", text(folder.path())]);
    assert_eq!(said.code, 1);
    for part in [
        "maps/category.cases.yaml:1",
        "category_key",
        "\"boots\"",
        "0 passed, 1 failed",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
}

#[test]
fn schemas_are_printed_and_the_checked_in_ones_are_fresh() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(weir(&["schema", "--all", "--out", text(folder.path())]).code, 0);
    let stored = root().join("docs/schemas");
    assert_eq!(files(folder.path()), files(&stored));
    for name in files(folder.path()) {
        let fresh = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        let stored = std::fs::read_to_string(stored.join(&name)).unwrap();
        assert!(
            fresh == stored,
            "docs/schemas/{name} is stale: `cargo xtask generate`"
        );
    }
    let route = weir(&["schema", "route"]);
    for part in ["\"map\"", "\"unchanged\"", "waits_for", "additionalProperties"] {
        assert!(route.out.contains(part), "{part}");
    }
    let unknown = weir(&["schema", "rout"]);
    assert!(
        unknown.code == 3 && unknown.err.contains("did you mean `route`?"),
        "{}",
        unknown.err
    );
}

#[test]
fn a_folder_that_is_no_project_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let said = weir(&["check", "--project", text(folder.path())]);
    assert!(said.code == 3 && said.err.contains("weir init"), "{}", said.err);
    let said = weir(&["check", "--project", "/nowhere/at/all"]);
    assert!(said.code == 3 && said.err.contains("--project"), "{}", said.err);
}
