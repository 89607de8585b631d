//! Commands in documents: what is read from Markdown, and when an output is as shown.

use std::path::Path;

use xtask::documents::{Excerpt, Shell, excerpts, matches};

const DOCUMENT: &str = "Text\n```yaml a/b.yaml\nx: 1\n```\n```console\n$ weir check \\\n    --json\n{}\n…\n$ true\n```\n\
                        ```\n$ not this\n```\n```yaml\nnor: this\n```\n";

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn commands_and_files_are_read_in_order() {
    let expected = [
        Excerpt::File {
            path: "a/b.yaml".to_owned(),
            text: "x: 1\n".to_owned(),
        },
        Excerpt::Command {
            line: 6,
            command: "weir check --json".to_owned(),
            expected: lines("{}\n…"),
        },
        Excerpt::Command {
            line: 10,
            command: "true".to_owned(),
            expected: Vec::new(),
        },
    ];
    assert_eq!(excerpts(DOCUMENT), expected);
}

#[test]
fn outputs() {
    let cases = [
        ("a\nb", "a\nb", true),
        ("a\nb", "a", false),
        ("a", "a\nb", false),
        ("a", "a  \n\n", true),
        ("", "", true),
        ("", "a", false),
        ("…", "", true),
        ("…", "a\nb", true),
        ("a\n…\nd", "a\nb\nc\nd", true),
        ("a\n…\nd", "a\nb\nc", false),
        ("took … s", "took 1.5 s", true),
        ("took …", "took 1.5 s", true),
        ("took … s", "took 1.5 ms!", false),
        ("… of …: ok", "3 of 4: ok", true),
        ("…", "[exit status: 1]", true),
    ];
    for (expected, printed, is_as_shown) in cases {
        assert_eq!(
            matches(&lines(expected), &lines(printed)),
            is_as_shown,
            "{expected:?} against {printed:?}"
        );
    }
}

#[test]
fn a_shell_shows_output_failure_and_what_stays_in_the_background() {
    let folder = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shell");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    let mut shell = Shell::new(&folder, Path::new("/nowhere/weir"), Path::new("/"));
    let mut run = |command: &str, expected: &str| shell.run(command, &lines(expected)).expect("bash runs");
    assert_eq!(run("echo one; echo two >&2", ""), ["one", "two"]);
    assert_eq!(run("false", ""), ["[exit status: 1]"]);
    assert_eq!(run("echo ready; exec sleep 600 &", "ready"), ["ready"]);
}
