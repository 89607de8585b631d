//! Walls between crates: who may depend on whom (the table in ARCHITECTURE.md).
//!
//! Dev-dependencies are free: a test may stand in several rooms at once.

use super::Findings;
use crate::workspace::Workspace;

/// Where a crate stands in the house, from the ground up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Storey {
    Ground,
    Stairs,
    Room,
    Engine,
    Doors,
    Roof,
    Garden,
}

/// Every crate of the workspace and its storey, alphabetical. A new crate gets its line here.
const STOREYS: &[(&str, Storey)] = &[
    ("weir-access", Storey::Room),
    ("weir-api", Storey::Doors),
    ("weir-bench", Storey::Garden),
    ("weir-checks", Storey::Room),
    ("weir-connectors", Storey::Room),
    ("weir-engine", Storey::Engine),
    ("weir-mapping", Storey::Room),
    ("weir-model", Storey::Ground),
    ("weir-sdk", Storey::Stairs),
    ("weir-server", Storey::Roof),
    ("weir-simulators", Storey::Garden),
    ("weir-steps", Storey::Room),
    ("weir-store", Storey::Room),
    ("xtask", Storey::Roof),
];

pub fn check(workspace: &Workspace) -> anyhow::Result<Findings> {
    let crates: Vec<String> = workspace
        .metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    Ok(Findings::of_errors(broken_walls(&crates, &workspace.edges())))
}

/// What is wrong with these crates and the dependencies between them; empty when the house stands.
pub fn broken_walls(crates: &[String], edges: &[(String, String)]) -> Vec<String> {
    let unplaced = crates.iter().filter(|name| storey(name).is_none()).map(|name| {
        format!(
            "crate `{name}` has no storey: give it its line in xtask/src/tidy/edges.rs and ARCHITECTURE.md"
        )
    });
    let crossing = edges.iter().filter(|(from, to)| !allowed(from, to)).map(|(from, to)| {
        format!(
            "`{from}` may not depend on `{to}`: move the shared contract to weir-sdk (or plain data to weir-model) \
             and let weir-server hand in the implementation"
        )
    });
    unplaced.chain(crossing).collect()
}

fn storey(name: &str) -> Option<Storey> {
    STOREYS
        .iter()
        .find(|(of, _)| *of == name)
        .map(|(_, storey)| *storey)
}

fn allowed(from: &str, to: &str) -> bool {
    let (Some(from_storey), Some(to_storey)) = (storey(from), storey(to)) else {
        return true; // reported as unplaced
    };
    match from_storey {
        Storey::Ground => false,
        Storey::Stairs | Storey::Garden => to_storey == Storey::Ground,
        Storey::Room | Storey::Engine => matches!(to_storey, Storey::Ground | Storey::Stairs),
        // The API signs people in, so it is the one crate below the roof that knows a room.
        Storey::Doors => {
            matches!(to_storey, Storey::Ground | Storey::Stairs | Storey::Engine) || to == "weir-access"
        }
        Storey::Roof => to_storey != Storey::Roof,
    }
}
