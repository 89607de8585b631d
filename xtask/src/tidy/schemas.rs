//! The JSON Schemas in docs/schemas are what the types say. Needs a built `weir`; says so when there is none.

use super::Findings;
use crate::generate;
use crate::workspace::Workspace;

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let Some(weir) = workspace.weir_binary() else {
        findings
            .notes
            .push("not compared: no `weir` is built (script/build) and WEIR_BIN names none".to_owned());
        return Ok(findings);
    };
    let fresh = workspace
        .metadata
        .target_directory
        .as_std_path()
        .join("schemas-fresh");
    generate::write_schemas(&weir, &fresh)?;
    let stored = workspace.root.join(generate::SCHEMAS);
    findings.errors = generate::differences(&stored, &fresh)?
        .into_iter()
        .map(|difference| {
            format!(
                "{}/{difference}: run `cargo xtask generate` and commit",
                generate::SCHEMAS
            )
        })
        .collect();
    Ok(findings)
}
