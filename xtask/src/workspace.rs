//! The repository as the other modules see it: its root, its files and what cargo says about it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The repository: where it lies and what cargo knows of it.
pub struct Workspace {
    /// Folder that holds the workspace `Cargo.toml`.
    pub root: PathBuf,
    /// Output of `cargo metadata --locked`, all platforms.
    pub metadata: Metadata,
}

impl Workspace {
    /// Finds the repository this program was built from and asks cargo about it.
    pub fn find() -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder: it must lie directly in the workspace")?
            .to_path_buf();
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .other_options(vec!["--locked".to_owned()])
            .exec()
            .context("could not read the workspace through `cargo metadata --locked`")?;
        Ok(Self { root, metadata })
    }

    /// Every file that git holds or would hold, relative to the root, sorted. Ignored files are not seen.
    pub fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("could not list the repository's files: is git installed?")?;
        if !output.status.success() {
            bail!(
                "`git ls-files` failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        let mut files: Vec<PathBuf> = String::from_utf8(output.stdout)
            .context("a file name in the repository is not UTF-8")?
            .split('\0')
            .filter(|name| !name.is_empty())
            .map(PathBuf::from)
            // A file that is deleted but not yet committed is still listed.
            .filter(|path| self.root.join(path).is_file())
            .collect();
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// The text of a file given relative to the root; `None` when it is not text.
    pub fn text(&self, path: &Path) -> Option<String> {
        std::fs::read(self.root.join(path))
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
    }

    /// Dependencies between our own packages as (from, to), leaving out dev-dependencies, which are free.
    pub fn edges(&self) -> Vec<(String, String)> {
        let ours = self.metadata.workspace_packages();
        let names: Vec<&str> = ours.iter().map(|package| package.name.as_ref()).collect();
        let mut edges: Vec<(String, String)> = ours
            .iter()
            .flat_map(|package| {
                package
                    .dependencies
                    .iter()
                    .map(move |dependency| (package, dependency))
            })
            .filter(|(_, dependency)| dependency.kind != DependencyKind::Development)
            .filter(|(_, dependency)| names.contains(&dependency.name.as_str()))
            .map(|(package, dependency)| (package.name.to_string(), dependency.name.clone()))
            .collect();
        edges.sort();
        edges
    }

    /// The built program `weir`: `WEIR_BIN` where it is set, else the newest build in the target folder.
    pub fn weir_binary(&self) -> Option<PathBuf> {
        if let Some(path) = std::env::var_os("WEIR_BIN") {
            return Some(PathBuf::from(path)).filter(|path| path.is_file());
        }
        let target = self.metadata.target_directory.as_std_path();
        ["ship", "release", "debug"]
            .iter()
            .map(|profile| target.join(profile).join("weir"))
            .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
            .max()
            .map(|(_, path)| path)
    }
}
