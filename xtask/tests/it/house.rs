//! The walls of the real workspace, and the rule that guards them held against invented ones.

use xtask::tidy::edges;
use xtask::workspace::Workspace;

#[test]
fn the_walls_of_this_workspace_stand() {
    let workspace = Workspace::find().expect("the test runs inside the workspace");
    let findings = edges::check(&workspace).expect("cargo metadata answers");
    assert!(findings.errors.is_empty(), "{}", findings.errors.join("\n"));
}

#[test]
fn allowed_and_forbidden_edges() {
    let cases = [
        ("weir-sdk", "weir-model", true),
        ("weir-model", "weir-sdk", false),
        ("weir-store", "weir-sdk", true),
        ("weir-store", "weir-mapping", false),
        ("weir-steps", "weir-checks", false),
        ("weir-mapping", "weir-engine", false),
        ("weir-engine", "weir-model", true),
        ("weir-engine", "weir-steps", false),
        ("weir-engine", "weir-connectors", false),
        ("weir-api", "weir-engine", true),
        ("weir-api", "weir-access", true),
        ("weir-api", "weir-store", false),
        ("weir-simulators", "weir-model", true),
        ("weir-simulators", "weir-sdk", false),
        ("weir-connectors", "weir-simulators", false),
        ("weir-server", "weir-store", true),
        ("weir-sdk", "weir-server", false),
        ("xtask", "weir-model", true),
    ];
    for (from, to, allowed) in cases {
        let crates = [from.to_owned(), to.to_owned()];
        let broken = edges::broken_walls(&crates, &[(from.to_owned(), to.to_owned())]);
        assert_eq!(broken.is_empty(), allowed, "{from} → {to}: {broken:?}");
    }
}

#[test]
fn a_crate_without_a_storey_is_named() {
    let broken = edges::broken_walls(&["weir-attic".to_owned()], &[]);
    assert_eq!(broken.len(), 1);
    assert!(broken[0].contains("weir-attic"), "{broken:?}");
}
