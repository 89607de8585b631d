//! `weir init`: a new project from a template that is part of the program.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;

use super::templates::{AKENEO_TO_SPRYKER, CATEGORIES_BACKEND_API};
use crate::exit::Exit;
use crate::output::Output;

/// One file of a template: its path, and its text.
pub(crate) type File = (&'static str, &'static str);

/// A project that can be started from.
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) files: &'static [File],
}

/// Every template, alphabetical. Written out: a file that is missing here breaks the test that compares the lists.
pub(crate) const TEMPLATES: &[Template] = &[AKENEO_TO_SPRYKER, CATEGORIES_BACKEND_API, EMPTY];

const EMPTY: Template = Template {
    name: "empty",
    summary: "a project with one environment and nothing else",
    files: &[
        (
            "weir.yaml",
            "# The project: see `weir schema project`.\nproject: my-project\nenvironments: [dev]\nvars: {}\n",
        ),
        (
            "environments/dev.yaml",
            "# What differs from place to place.\nvars: {}\nsecrets: {}\n",
        ),
    ],
};

pub(crate) fn run(folder: &Path, from: &str, output: Output) -> anyhow::Result<Exit> {
    let Some(template) = TEMPLATES.iter().find(|template| template.name == from) else {
        let known = TEMPLATES.iter().map(|template| template.name);
        let suggestion = weir_model::did_you_mean(from, known.clone())
            .unwrap_or_else(|| format!("there are: {}", known.collect::<Vec<_>>().join(", ")));
        anyhow::bail!("there is no template `{from}`; {suggestion}");
    };
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        anyhow::bail!(
            "{} is not empty: name another folder, nothing was written",
            folder.display()
        );
    }
    write(template, folder)?;
    output.answer(
        &json!({ "folder": folder, "template": from, "files": template.files.len() }),
        || {
            format!(
                "{} ({}) with {} files\nnext: `weir check --project {}`, then look at environments/",
                folder.display(),
                template.summary,
                template.files.len(),
                folder.display()
            )
        },
    );
    Ok(Exit::Ok)
}

/// Writes a template's files.
pub(crate) fn write(template: &Template, folder: &Path) -> anyhow::Result<()> {
    for (path, text) in template.files {
        let place = folder.join(path);
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("could not make {}", parent.display()))?;
        }
        std::fs::write(&place, text).with_context(|| format!("could not write {}", place.display()))?;
    }
    Ok(())
}
