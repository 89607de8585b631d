//! Eight ways to break the engine, each of which the simulation must find: the proof that its judge looks. A mutation is
//! applied in a git worktree of its own; nothing of it stays.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

use crate::report::Report;
use crate::workspace::Workspace;

/// A place in the engine and what it is made of it.
pub struct Mutation {
    /// What is broken.
    pub name: &'static str,
    /// Path of the file.
    pub file: &'static str,
    /// Stands there exactly once.
    pub before: &'static str,
    /// Stands there instead.
    pub after: &'static str,
}

/// All of them.
pub const MUTATIONS: [Mutation; 8] = [
    Mutation {
        name: "a refused write is remembered as delivered",
        file: "crates/engine/src/write.rs",
        before: "                item.verdict = Verdict::Fail(error);\n            }\n            Outcome::Waits",
        after: "                drop(error);\n            }\n            Outcome::Waits",
    },
    Mutation {
        name: "the cursor moves without its tasks",
        file: "crates/engine/src/source.rs",
        before: "        store(shared, route, run, found, changes).await?;\n        shared",
        after: "        store(shared, route, run, Vec::new(), changes).await?;\n        shared",
    },
    Mutation {
        name: "the intention is not stored before the request",
        file: "crates/engine/src/write.rs",
        before: "        self.shared().store.commit(changes).await?;\n        self.touched()",
        after: "        drop(changes);\n        self.touched()",
    },
    Mutation {
        name: "a wake-up between look and parking is lost",
        file: "crates/engine/src/dispatch.rs",
        before: "if is_told && shared.lock().keep_needs(name, &task, &now.needs) {",
        after: "if is_told && now.needs.len() > 1_000 && shared.lock().keep_needs(name, &task, &now.needs) {",
    },
    Mutation {
        name: "latest_only replaces a task with an effect",
        file: "crates/model/src/order.rs",
        before: "                    && !entry.has_effect\n",
        after: "",
    },
    Mutation {
        name: "what may have been created is not looked for",
        file: "crates/engine/src/write.rs",
        before: "            uncertain,\n            finished,",
        after: "            uncertain: false,\n            finished,",
    },
    Mutation {
        name: "a retrying task is overtaken by newer ones of its key",
        file: "crates/model/src/order.rs",
        before: "            head = false;\n",
        after: "            head = head && entry.state == State::Retrying;\n",
    },
    Mutation {
        name: "a task whose batch failed stays leased",
        file: "crates/engine/src/dispatch.rs",
        before: "    shared.let_go(name, &held).await;\n",
        after: "    drop(held);\n",
    },
];

/// Tries all of them; each must be found within so many seeds.
pub fn run(workspace: &Workspace, seeds: u64) -> anyhow::Result<ExitCode> {
    let root = workspace.root.as_path();
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("weir");
    git(
        root,
        &["worktree", "add", "--detach", &copy.to_string_lossy(), "HEAD"],
    )?;
    let report = try_all(root, &copy, seeds);
    git(root, &["worktree", "remove", "--force", &copy.to_string_lossy()])?;
    Ok(report?.finish())
}

fn try_all(root: &Path, copy: &Path, seeds: u64) -> anyhow::Result<Report> {
    let mut report = Report::new("simulate mutations");
    for mutation in &MUTATIONS {
        let path = copy.join(mutation.file);
        let text = std::fs::read_to_string(&path)?;
        let places = text.matches(mutation.before).count();
        ensure!(
            places == 1,
            "`{}` fits {places} places of {}",
            mutation.name,
            mutation.file
        );
        std::fs::write(&path, text.replace(mutation.before, mutation.after))?;
        let output = Command::new("cargo")
            .args([
                "run",
                "--quiet",
                "--locked",
                "-p",
                "xtask",
                "--",
                "simulate",
                "--failures",
                "1",
            ])
            .args(["--seeds", &seeds.to_string()])
            .current_dir(copy)
            .env("CARGO_TARGET_DIR", root.join("target/mutations"))
            .output()
            .context("could not run cargo")?;
        std::fs::write(&path, text)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let found = said.lines().find(|line| line.starts_with("seed "));
        ensure!(
            found.is_some() || output.status.success(),
            "the mutation `{}` does not build: {}",
            mutation.name,
            String::from_utf8_lossy(&output.stderr)
        );
        let by = found.unwrap_or("not found");
        println!("{}: {by}", mutation.name);
        report.check(format!("{}: {by}", mutation.name), found.is_some());
    }
    Ok(report)
}

fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("git").args(arguments).current_dir(root).status()?;
    ensure!(status.success(), "git {} failed", arguments.join(" "));
    Ok(())
}
