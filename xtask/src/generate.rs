//! `cargo xtask generate`: rewrites what is derived from the code, through the program itself, so that
//! what is checked in and what users get from `weir schema` can not differ.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::workspace::Workspace;

/// Where the schemas of the configuration files are checked in.
pub const SCHEMAS: &str = "docs/schemas";

/// Regenerates docs/schemas with the newest built `weir`, building one where there is none.
pub fn run(workspace: &Workspace) -> anyhow::Result<()> {
    let status = Command::new("cargo")
        .args(["build", "--locked", "-p", "weir-server"])
        .current_dir(&workspace.root)
        .status()
        .context("could not run cargo to build `weir`")?;
    anyhow::ensure!(
        status.success(),
        "`weir` does not build, see above: nothing was generated"
    );
    let weir = workspace
        .metadata
        .target_directory
        .as_std_path()
        .join("debug")
        .join("weir");
    let folder = workspace.root.join(SCHEMAS);
    write_schemas(&weir, &folder)?;
    println!("{SCHEMAS}: {} schemas", names(&folder)?.len());
    Ok(())
}

/// Writes every schema into `folder`, which holds nothing else afterwards.
pub fn write_schemas(weir: &Path, folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        for name in names(folder)? {
            std::fs::remove_file(folder.join(&name)).with_context(|| {
                format!("could not remove the old schema {name} from {}", folder.display())
            })?;
        }
    }
    std::fs::create_dir_all(folder).with_context(|| format!("could not create {}", folder.display()))?;
    let output = Command::new(weir)
        .args(["schema", "--all", "--out"])
        .arg(folder)
        .output()
        .with_context(|| format!("could not run {}", weir.display()))?;
    if !output.status.success() {
        bail!(
            "`{} schema --all --out {}` failed: {}",
            weir.display(),
            folder.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Which JSON files differ between two folders, as `NAME is missing|stale|left over`.
pub fn differences(stored: &Path, fresh: &Path) -> anyhow::Result<Vec<String>> {
    let (stored_names, fresh_names) = (names(stored)?, names(fresh)?);
    let missing = fresh_names
        .difference(&stored_names)
        .map(|name| format!("{name} is missing"));
    let left_over = stored_names
        .difference(&fresh_names)
        .map(|name| format!("{name} is left over"));
    let stale = fresh_names
        .intersection(&stored_names)
        .filter(|name| std::fs::read(stored.join(name)).ok() != std::fs::read(fresh.join(name)).ok())
        .map(|name| format!("{name} is stale"));
    Ok(missing.chain(left_over).chain(stale).collect())
}

/// Names of the JSON files in a folder; none when it does not exist.
fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    if !folder.exists() {
        return Ok(BTreeSet::new());
    }
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("could not list {}", folder.display()))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".json"))
        .collect())
}
