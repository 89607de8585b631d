//! Templates and the line they add.

use xtask::new::{filled, with_line};

#[test]
fn placeholders_are_replaced() {
    assert_eq!(
        filled("connector: NAME # Title\n", "acme-erp"),
        "connector: acme-erp # Acme Erp\n"
    );
}

#[test]
fn a_line_finds_its_alphabetical_place() {
    let list = "mod branch;\nmod map;\n\nfn f() {}\n";
    assert_eq!(
        with_line(list, "mod ", "mod each;").as_deref(),
        Some("mod branch;\nmod each;\nmod map;\n\nfn f() {}\n")
    );
    assert_eq!(
        with_line(list, "mod ", "mod set;").as_deref(),
        Some("mod branch;\nmod map;\nmod set;\n\nfn f() {}\n")
    );
    assert_eq!(with_line(list, "use ", "use x;"), None);
}
