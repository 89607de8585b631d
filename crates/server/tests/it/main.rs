//! The real program, as a person runs it: its answers, its exit codes, its sentences.
#![expect(clippy::unwrap_used, reason = "tests")]

mod check;
mod cli;
mod crash;
mod demo;
mod hooks;
mod serve;
mod steps;
mod store;
mod triggers;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

pub(crate) const WEIR: &str = env!("CARGO_BIN_EXE_weir");

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Its last line as JSON.
    pub(crate) fn json(&self) -> Value {
        let line = self.out.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

pub(crate) fn weir(arguments: &[&str]) -> Said {
    weir_with(arguments, "")
}

/// With something on standard input.
pub(crate) fn weir_with(arguments: &[&str], input: &str) -> Said {
    use std::io::Write as _;
    let mut child = command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The program without the settings of whoever runs the tests.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(WEIR);
    command.args(arguments);
    for name in [
        "WEIR_PROJECT",
        "WEIR_DATA",
        "WEIR_SERVER",
        "WEIR_TOKEN",
        "WEIR_LOG",
        "WEIR_DATA_KEY",
    ] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn root() -> PathBuf {
    std::fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

pub(crate) fn flagship() -> PathBuf {
    root().join("examples/akeneo-to-spryker")
}

/// A copy of the flagship that a test may spoil.
pub(crate) fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&flagship(), folder.path());
    folder
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Replaces a text that stands in a file exactly once.
pub(crate) fn edit(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        text.matches(from).count(),
        1,
        "`{from}` must stand in {file} once"
    );
    std::fs::write(path, text.replace(from, to)).unwrap();
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
