//! The project folder as texts: which files belong there, and what stands in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use weir_model::{Finding, did_you_mean};

/// Largest file of a project; a table beyond it belongs into a system.
const FILE_BYTES_MAX: u64 = 64_000_000;
/// Most files of a project; beyond it the folder is surely not one.
const FILES_MAX: usize = 10_000;

/// Folders of a project and the endings of the files in them.
const FOLDERS: &[(&str, &[&str])] = &[
    ("environments", &[".yaml"]),
    ("connections", &[".yaml"]),
    ("routes", &[".yaml"]),
    ("maps", &[".jsonata", ".cases.yaml"]),
    ("lookups", &[".yaml", ".csv"]),
    ("schemas", &[".json"]),
    ("scripts", &[".js"]),
    ("connectors", &[".yaml", ".jsonata", ".json", ".md"]),
];

/// Folders that formats.md names and that this version does not read.
const NOT_YET: &[&str] = &["sources", "monitors"];

/// Entries beside the project's own files that nobody needs to hear about.
const BYSTANDERS: &[&str] = &["samples", "expected", "data"];

/// Path within the project (with `/`) → text.
pub(crate) type Texts = BTreeMap<String, String>;

/// Reads every file that belongs to the project. What does not belong becomes a finding. Names that start with a dot are
/// passed over.
pub(crate) fn read(root: &Path) -> anyhow::Result<(Texts, Vec<Finding>)> {
    let mut reader = Reader {
        root: root.to_owned(),
        texts: Texts::new(),
        findings: Vec::new(),
    };
    let entries = reader.list("")?;
    anyhow::ensure!(
        root.join("weir.yaml").is_file(),
        "{} is not a project folder: it has no weir.yaml. Name one with --project, or make one with `weir init FOLDER`",
        root.display()
    );
    for (name, is_folder) in entries {
        reader.root_entry(&name, is_folder)?;
    }
    Ok((reader.texts, reader.findings))
}

/// A hash over all paths and texts, in hexadecimal.
pub(crate) fn hash(texts: &Texts) -> String {
    let mut hasher = blake3::Hasher::new();
    for (path, text) in texts {
        for part in [path, text] {
            hasher
                .update(&(part.len() as u64).to_le_bytes())
                .update(part.as_bytes());
        }
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

struct Reader {
    root: PathBuf,
    texts: Texts,
    findings: Vec<Finding>,
}

impl Reader {
    fn root_entry(&mut self, name: &str, is_folder: bool) -> anyhow::Result<()> {
        let stem = name.split('.').next().unwrap_or(name);
        match (name, is_folder) {
            ("weir.yaml" | "functions.jsonata", false) => self.file(name),
            (_, true) if FOLDERS.iter().any(|(folder, _)| *folder == name) => {
                let (_, endings) = FOLDERS
                    .iter()
                    .find(|(folder, _)| *folder == name)
                    .expect("found above");
                self.folder(name, name, endings)
            }
            (_, true) if NOT_YET.contains(&name) => {
                let message = format!("the folder `{name}/` is not read by this version of Weir yet");
                self.findings.push(Finding::error("not-yet", name, 0, 0, message));
                Ok(())
            }
            (_, true) if BYSTANDERS.contains(&name) => Ok(()),
            (_, false) if matches!(stem, "README" | "LICENSE" | "CHANGELOG") => Ok(()),
            (_, true) => {
                let known = FOLDERS.iter().map(|(folder, _)| *folder);
                self.stranger(name, did_you_mean(name, known));
                Ok(())
            }
            (_, false) => {
                self.stranger(name, did_you_mean(name, ["weir.yaml", "functions.jsonata"]));
                Ok(())
            }
        }
    }

    fn folder(&mut self, top: &str, folder: &str, endings: &[&str]) -> anyhow::Result<()> {
        for (name, is_folder) in self.list(folder)? {
            let path = format!("{folder}/{name}");
            if is_folder && matches!(top, "schemas" | "connectors") {
                self.folder(top, &path, endings)?;
            } else if !is_folder && endings.iter().any(|ending| name.ends_with(ending)) {
                self.file(&path)?;
            } else {
                let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
                let suggestion = if name.ends_with(".yml") && endings.contains(&".yaml") {
                    Some(format!("rename it to `{stem}.yaml`"))
                } else {
                    Some(format!("files here end in {}", endings.join(", ")))
                };
                self.stranger(&path, suggestion);
            }
        }
        Ok(())
    }

    fn stranger(&mut self, path: &str, suggestion: Option<String>) {
        let message = "this does not belong to a project and is not read";
        self.findings
            .push(Finding::warning("unknown-file", path, 0, 0, message).suggest(suggestion));
    }

    fn file(&mut self, path: &str) -> anyhow::Result<()> {
        let place = self.root.join(path);
        let refuse = |message: String| Finding::error("unreadable-file", path, 0, 0, message);
        anyhow::ensure!(
            self.texts.len() < FILES_MAX,
            "{} holds more than {FILES_MAX} files; is this the folder of a project?",
            self.root.display()
        );
        let size = std::fs::metadata(&place).map(|m| m.len()).unwrap_or(0);
        if size > FILE_BYTES_MAX {
            let message = format!("the file has {size} bytes; at most {FILE_BYTES_MAX} are read");
            self.findings.push(refuse(message));
            return Ok(());
        }
        match std::fs::read(&place) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => {
                    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
                    self.texts.insert(path.to_owned(), text);
                }
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    self.findings.push(refuse(format!(
                        "the file is not UTF-8 (byte {at}); save it as UTF-8"
                    )));
                }
            },
            Err(error) => self
                .findings
                .push(refuse(format!("the file cannot be read: {error}"))),
        }
        Ok(())
    }

    /// Names and whether each is a folder, sorted; dotted names left out.
    fn list(&self, folder: &str) -> anyhow::Result<Vec<(String, bool)>> {
        let place = self.root.join(folder);
        let entries = std::fs::read_dir(&place).with_context(|| {
            format!(
                "could not list {}: name a project folder with --project",
                place.display()
            )
        })?;
        let mut names: Vec<(String, bool)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let name = entry.file_name().into_string().ok()?;
                let is_folder = std::fs::metadata(entry.path()).ok()?.is_dir();
                (!name.starts_with('.')).then_some((name, is_folder))
            })
            .collect();
        names.sort();
        Ok(names)
    }
}
