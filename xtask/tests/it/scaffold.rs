//! Templates and the line they add.

use xtask::new::{filled, with_lines_like};

#[test]
fn placeholders_are_replaced() {
    assert_eq!(
        filled("NAME # Title, TypeName\n", "acme-erp", "Acme"),
        "acme-erp # Acme Erp, Acme\n"
    );
}

#[test]
fn lines_are_added_where_the_alphabet_wants_them() {
    let list = "mod branch;\nmod map;\n\nfn all() {\n    [\n        Arc::new(branch::Branch),\n        Arc::new(map::Map),\n    ]\n}\n";
    let added = |name: &str| with_lines_like(list, "map", name).unwrap_or_default();
    assert_eq!(
        added("each"),
        "mod branch;\nmod each;\nmod map;\n\nfn all() {\n    [\n        Arc::new(branch::Branch),\n        Arc::new(each::Each),\n        \
         Arc::new(map::Map),\n    ]\n}\n"
    );
    assert!(added("split").starts_with("mod branch;\nmod map;\nmod split;\n\n"));
    assert!(added("split").contains("Arc::new(map::Map),\n        Arc::new(split::Split),\n    ]"));
    assert!(added("add").starts_with("mod add;\nmod branch;\n"));
    assert_eq!(with_lines_like(list, "filter", "each"), None);
    assert_eq!(with_lines_like("mod remap;\n", "map", "each"), None);
}
