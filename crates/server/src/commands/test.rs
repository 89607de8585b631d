//! `weir test`: the cases of the maps.

use serde_json::json;
use weir_mapping::CaseResult;
use weir_model::Finding;

use crate::exit::Exit;
use crate::output::{Output, counted};
use crate::place::Places;
use crate::project;
use crate::wiring::Wiring;

pub(crate) fn run(places: &Places, filter: Option<&str>, output: Output) -> anyhow::Result<Exit> {
    let wiring = Wiring::new()?;
    let (texts, _) = project::read(&places.project)?;
    let loaded = project::load(&texts, places.environment.as_deref(), &wiring);
    let Some((project, expressions)) = loaded.project.and_then(|p| p.expressions.clone().map(|e| (p, e)))
    else {
        output.findings(&loaded.findings);
        anyhow::bail!("the maps cannot be tried: `weir check` says what is wrong");
    };
    let vars = project::vars_value(&project.vars);
    let (mut results, mut findings): (Vec<CaseResult>, Vec<Finding>) = (Vec::new(), Vec::new());
    for (path, text) in &project.texts {
        let Some(map) = path
            .strip_prefix("maps/")
            .and_then(|name| name.strip_suffix(".cases.yaml"))
        else {
            continue;
        };
        if filter.is_some_and(|part| !map.contains(part)) {
            continue;
        }
        match wiring.cases(&*expressions, map, (path, text), &vars) {
            Ok(found) => results.extend(found),
            Err(found) => findings.extend(found),
        }
    }
    let failed = results.iter().filter(|result| !result.passed).count();
    let good = failed == 0 && findings.is_empty();
    let passed = results.len() - failed;
    let answer = json!({ "ok": good, "passed": passed, "failed": failed + findings.len(), "cases": results, "findings": findings });
    output.answer(&answer, || {
        let mut lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        lines.extend(
            results
                .iter()
                .filter(|result| !result.passed)
                .map(ToString::to_string),
        );
        if results.is_empty() && findings.is_empty() {
            lines.push("there are no cases: write maps/NAME.cases.yaml beside a map".to_owned());
        }
        if !good {
            lines.push(format!(
                "{} of {} wrong",
                failed + findings.len(),
                counted(results.len(), "case")
            ));
        }
        // script/test counts by this line.
        lines.push(format!("{passed} passed, {} failed", failed + findings.len()));
        lines.join("\n")
    });
    Ok(Exit::of(good))
}
