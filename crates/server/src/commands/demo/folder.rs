//! The demo's data folder: the flagship project, pointed at the simulators, and the store.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::simulators::Simulators;
use crate::commands::init;
use crate::commands::templates::AKENEO_TO_SPRYKER;

/// What the simulators take, by the name of the secret in the flagship.
const SECRETS: &[(&str, &str)] = &[
    ("AKENEO_SECRET", "weir_secret"),
    ("AKENEO_PASSWORD", "weir_password"),
    ("SPRYKER_API_KEY", "weir-api-key"),
];

/// Removed at the end unless it was named.
pub(super) struct Folder {
    root: PathBuf,
    is_ours: bool,
}

impl Folder {
    /// The named folder, which must be empty or missing, or a fresh one among the temporary files.
    pub(super) fn make(named: Option<PathBuf>) -> anyhow::Result<Folder> {
        let (root, is_ours) = match named {
            Some(root) => (root, false),
            None => (
                std::env::temp_dir().join(format!("weir-demo-{}", std::process::id())),
                true,
            ),
        };
        if std::fs::read_dir(&root).is_ok_and(|mut entries| entries.next().is_some()) {
            anyhow::bail!(
                "{} is not empty; the simulators start with nothing, so the demo does too: name another with --data",
                root.display()
            );
        }
        std::fs::create_dir_all(&root).with_context(|| format!("could not make {}", root.display()))?;
        let root = std::fs::canonicalize(&root)?;
        Ok(Folder { root, is_ours })
    }

    pub(super) fn project(&self) -> PathBuf {
        self.root.join("project")
    }

    pub(super) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The template, with the addresses of the simulators and files in the place of the process's variables.
    pub(super) fn write_project(&self, simulators: &Simulators) -> anyhow::Result<()> {
        let project = self.project();
        init::write(&AKENEO_TO_SPRYKER, &project)?;
        let secrets = self.root.join("secrets");
        std::fs::create_dir_all(&secrets)?;
        for (name, value) in SECRETS {
            write_private(&secrets.join(name), value)?;
        }
        let path = project.join("environments/dev.yaml");
        let text = std::fs::read_to_string(&path)?;
        let text = point(&text, &simulators.akeneo, &simulators.spryker);
        std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))
    }

    pub(super) fn remove(&self) {
        if self.is_ours {
            let _ = std::fs::remove_dir_all(&self.root);
        }
    }
}

/// The environment file with other addresses and sources of secrets; comments stay.
fn point(text: &str, akeneo: &str, spryker: &str) -> String {
    let lines = text.lines().map(|line| {
        let name = line.trim_start().split(':').next().unwrap_or_default();
        let indent = &line[..line.len() - line.trim_start().len()];
        match name {
            "AKENEO_URL" => format!("{indent}{name}: \"{akeneo}\""),
            "SPRYKER_URL" => format!("{indent}{name}: \"{spryker}\""),
            name if SECRETS.iter().any(|(secret, _)| *secret == name) => {
                format!("{indent}{name}: {{ file: ../secrets/{name} }}")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("could not write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    Ok(())
}
