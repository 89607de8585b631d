//! Commands on a data folder that no server uses.

use crate::{copy, text, weir, weir_with};

#[test]
fn secrets_and_tokens_are_kept_and_not_shown() {
    let folder = copy();
    let data = folder.path().join(".weir");
    let place = ["--project", text(folder.path()), "--json"];
    let with = |words: &[&str], input: &str| {
        let said = weir_with(&[words, &place[..]].concat(), input);
        assert_eq!(said.code, 0, "{words:?}: {}", said.err);
        said
    };
    with(&["secrets", "set", "KEY"], "canary-4711\n");
    assert_eq!(with(&["secrets", "list"], "").out.trim(), "[\"KEY\"]");
    with(&["secrets", "remove", "KEY"], "");
    let missing = weir(&["secrets", "remove", "KEY", "--project", text(folder.path())]);
    assert!(
        missing.code == 3 && missing.err.contains("no stored secret `KEY`"),
        "{}",
        missing.err
    );
    let token = with(&["tokens", "create", "ci"], "").json();
    let token = token["token"].as_str().unwrap().to_owned();
    assert!(!with(&["tokens", "list"], "").out.contains(&token));
    with(&["tokens", "revoke", "ci"], "");
    assert_eq!(
        with(&["tasks", "list"], "").json()["tasks"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
    assert_eq!(with(&["links", "search"], "").out.trim(), "[]");
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(data).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the data folder is private");
}

#[test]
fn wrong_words_say_what_to_do() {
    let folder = copy();
    let place = ["--project", text(folder.path())];
    for (words, part) in [
        (&["tasks", "show", "7"][..], "not the id of a task"),
        (&["tasks", "list", "--state", "ded"], "did you mean `dead`?"),
        (&["links", "search", "--of", "spryker"], "CONNECTION/ENTITY"),
        (&["run", "categoris"], "AKENEO_SECRET"),
        (
            &["tasks", "list", "--server", "http://127.0.0.1:1"],
            "could not reach the server",
        ),
    ] {
        let said = weir(&[words, &place[..]].concat());
        assert!(said.code == 3, "{words:?}: {}", said.out);
        assert!(
            format!("{}{}", said.out, said.err).contains(part),
            "{words:?}: {}{}",
            said.out,
            said.err
        );
    }
}

#[test]
fn many_tasks_at_once_need_a_search_and_a_yes() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("p");
    assert_eq!(weir(&["init", text(&project)]).code, 0);
    let with = |words: &[&str]| weir(&[words, &["--project", text(&project)]].concat());
    let nothing = with(&["tasks", "retry", "--state", "dead", "--since", "2h", "--yes"]);
    assert_eq!(
        (nothing.code, nothing.out.trim()),
        (0, "0 tasks"),
        "{}",
        nothing.err
    );
    assert_eq!(with(&["operations", "list"]).out.trim(), "no operations");
    let id = "018f0000-0000-7000-8000-000000000000";
    for (words, part) in [
        (&["tasks", "retry"][..], "this would mean every task"),
        (&["tasks", "skip", id, "--route", "things"], "not both"),
        (&["tasks", "skip", "--state", "ded"], "unknown variant `ded`"),
        (
            &["tasks", "skip", "--route", "things"],
            "there is no route `things`",
        ),
        (&["tasks", "retry", id], "there is no task"),
        (
            &["tasks", "list", "--error", "rejektd"],
            "did you mean `rejected`?",
        ),
        (&["tasks", "list", "--since", "noon"], "`2h` for two hours ago"),
        (&["operations", "show", id], "there is no operation"),
        (&["operations", "pause", "7"], "not the id of an operation"),
    ] {
        let said = with(words);
        assert!(
            said.code == 3 && said.err.contains(part),
            "{words:?}: {}{}",
            said.out,
            said.err
        );
    }
}
