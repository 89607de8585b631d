//! Names of projects, environments and files: they become parts of addresses.

use weir_model::Finding;
use weir_model::config::Project as Settings;

use super::{Part, Texts};

const NAME_CHARACTERS_MAX: usize = 64;

/// Letters, digits, hyphens and underscores; not at the start or end of nothing.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_CHARACTERS_MAX
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

pub(super) fn check(settings: &Part<Settings>, texts: &Texts, findings: &mut Vec<Finding>) {
    let rule = "use letters, digits, `-` and `_`, at most 64";
    if !is_name(&settings.value.project) {
        let message = format!(
            "`{}` cannot be the name of a project: {rule}",
            settings.value.project
        );
        findings.push(settings.document.finding(&["project"], "bad-name", message));
    }
    for (i, name) in settings.value.environments.iter().enumerate() {
        if !is_name(name) {
            let message = format!("`{name}` cannot be the name of an environment: {rule}");
            findings.push(
                settings
                    .document
                    .finding(&["environments", &i.to_string()], "bad-name", message),
            );
        }
    }
    for path in texts.keys() {
        let Some((folder, file)) = path.split_once('/') else {
            continue;
        };
        let stem = file.split('.').next().unwrap_or(file);
        if matches!(folder, "connections" | "routes" | "lookups" | "maps") && !is_name(stem) {
            let message = format!("`{stem}` cannot be a name: {rule}");
            findings.push(Finding::error("bad-name", path, 0, 0, message));
        }
        if folder == "environments" && !settings.value.environments.iter().any(|name| name == stem) {
            let message = format!("weir.yaml names no environment `{stem}`, so nobody reads this file");
            let suggestion =
                weir_model::did_you_mean(stem, settings.value.environments.iter().map(String::as_str));
            findings.push(Finding::warning("unused-environment", path, 0, 0, message).suggest(suggestion));
        }
    }
}
