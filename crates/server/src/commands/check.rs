//! `weir check`.

use serde_json::json;

use crate::exit::Exit;
use crate::output::{Output, tally};
use crate::place::Places;
use crate::project;
use crate::wiring::Wiring;

pub(crate) fn run(places: &Places, output: Output) -> anyhow::Result<Exit> {
    let wiring = Wiring::new()?;
    let checked = project::check(&places.project, places.environment.as_deref(), &wiring)?;
    let ok = project::is_clean(&checked.findings);
    let answer = json!({ "ok": ok, "environments": checked.environments, "findings": checked.findings });
    output.answer(&answer, || {
        let mut lines: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
        let of = checked.environments.join(", ");
        lines.push(match (ok, checked.findings.is_empty()) {
            (true, true) => format!("all good ({of})"),
            (true, false) => format!("good, with {} ({of})", tally(&checked.findings)),
            (false, _) => format!(
                "{}; correct them and run `weir check` again",
                tally(&checked.findings)
            ),
        });
        lines.join("\n")
    });
    Ok(Exit::of(ok))
}
