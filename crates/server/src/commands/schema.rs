//! `weir schema`: JSON Schemas of the files people write.

use std::path::Path;

use anyhow::Context as _;

use crate::exit::Exit;
use crate::output::print;
use crate::schema;
use crate::wiring::Wiring;

pub(crate) fn run(name: Option<&str>, all: bool, out: Option<&Path>) -> anyhow::Result<Exit> {
    let schemas = schema::all(&Wiring::new()?.catalog);
    if let (true, Some(folder)) = (all, out) {
        std::fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
        for (name, value) in &schemas {
            let path = folder.join(format!("{name}.json"));
            let text = format!("{}\n", serde_json::to_string_pretty(value)?);
            std::fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
        }
        return Ok(Exit::Ok);
    }
    let Some(name) = name else {
        for (name, value) in &schemas {
            let title = value
                .get("description")
                .and_then(|d| d.as_str())
                .unwrap_or_default();
            print(&format!(
                "{name:<12} {}",
                title.lines().next().unwrap_or_default()
            ));
        }
        return Ok(Exit::Ok);
    };
    let Some(value) = schemas.get(name) else {
        let known = || schemas.keys().map(String::as_str);
        let suggestion = weir_model::did_you_mean(name, known())
            .unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
        anyhow::bail!("there is no schema `{name}`; {suggestion}");
    };
    print(&serde_json::to_string_pretty(value)?);
    Ok(Exit::Ok)
}
