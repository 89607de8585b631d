//! No file names the host of a package registry: packages come through the ordinary clients, and an
//! installation behind a mirror must not find an address built in.

use std::path::Path;

use super::Findings;
use crate::workspace::Workspace;

/// Written in two halves, so that this file passes its own rule.
const HOSTS: &[&str] = &[
    concat!("crates", ".io"),
    concat!("registry.", "npmjs.org"),
    concat!("npmjs", ".com"),
    concat!("py", "pi.org"),
    concat!("python", "hosted.org"),
    concat!("proxy.", "golang.org"),
    concat!("ruby", "gems.org"),
];

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut errors = Vec::new();
    for path in workspace.files()? {
        if is_lock(&path) {
            continue;
        }
        let text = workspace.text(&path).unwrap_or_default();
        errors.extend(named_hosts(&text).into_iter().map(|(line, host)| {
            format!(
                "{}:{line} names the registry host {host}: leave addresses to the clients",
                path.display()
            )
        }));
    }
    Ok(Findings::of_errors(errors))
}

/// Lock files are written by the clients themselves.
fn is_lock(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "Cargo.lock" || name == "package-lock.json")
}

/// Line numbers (from 1) and the registry hosts they name.
pub fn named_hosts(text: &str) -> Vec<(usize, &'static str)> {
    text.lines()
        .enumerate()
        .flat_map(|(index, line)| {
            HOSTS
                .iter()
                .filter(move |host| line.contains(**host))
                .map(move |host| (index + 1, *host))
        })
        .collect()
}
