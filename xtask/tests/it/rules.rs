//! Each rule's decision, as input and expected verdict.

use std::path::Path;

use xtask::tidy::{
    budget, decisions, environment, hosts, length, licences, links, lists, names, opening, unused,
};

#[test]
fn lengths() {
    assert_eq!(length::judge(500), length::Verdict::Fine);
    assert_eq!(length::judge(501), length::Verdict::Think(501));
    assert_eq!(length::judge(800), length::Verdict::Think(800));
    assert_eq!(length::judge(801), length::Verdict::TooLong(801));
}

#[test]
fn file_names() {
    let cases = [
        ("crates/engine/src/retry.rs", None),
        ("crates/engine/src/utils.rs", Some("utils")),
        ("crates/engine/src/task_manager.rs", Some("manager")),
        ("crates/common/src/lib.rs", Some("common")),
        ("docs/Helper.md", Some("helper")),
        ("docs/commonality.md", None),
    ];
    for (path, word) in cases {
        assert_eq!(names::empty_word(Path::new(path)), word, "{path}");
    }
}

#[test]
fn openings() {
    assert!(opening::missing_in_opening("//! What it is.\n//!\n//! Read first: [`Task`].\n").is_none());
    let of = |text| opening::missing_in_opening(text).unwrap_or_default();
    assert!(of("//! What it is, without `Links`.\n\npub struct Task;\n").contains("read first"));
    assert!(of("pub struct Task;\n").contains("does not open"));
}

#[test]
fn environment_readers() {
    let text = "let a = std::env::var(\"HOME\");\n// env::var( in a comment\nlet b = env::var_os(\"UPDATE\");\n\
                let c = std::env::vars();\n#[cfg(test)]\nmod tests { fn f() { env::var(\"X\"); } }\n";
    assert_eq!(environment::reading_lines(text), vec![1, 4]);
}

#[test]
fn registry_hosts() {
    let host = concat!("crates", ".io");
    assert_eq!(
        hosts::named_hosts(&format!("a\nsee https://{host}/x\n")),
        vec![(2, host)]
    );
    assert!(hosts::named_hosts("see example.com\n").is_empty());
}

#[test]
fn package_counts() {
    let tree = "a v1.0.0\nb v2.0.0 (proc-macro)\na v1.0.0 (*)\n\na v1.1.0\n";
    assert_eq!(budget::count_packages(tree), 3);
}

#[test]
fn licence_expressions() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "ISC"].map(str::to_owned);
    let cases = [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT OR GPL-3.0-only", true),
        ("MIT AND GPL-3.0-only", false),
        ("MIT/GPL-2.0", true),
        ("GPL-2.0 / LGPL-2.1", false),
        ("(MIT OR GPL-3.0-only) AND ISC", true),
        ("ISC AND (GPL-2.0 OR LGPL-2.1)", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true),
        ("Apache-2.0 WITH Classpath-exception", false),
        ("MIT OR Apache-2.0 AND GPL-3.0-only", true),
        ("GPL-3.0-only OR MIT AND GPL-2.0", false),
        ("(MIT", false),
        ("MIT GPL-3.0-only", false),
        ("", false),
    ];
    for (expression, expected) in cases {
        assert_eq!(
            licences::permitted(expression, &allowed),
            expected,
            "{expression}"
        );
    }
}

#[test]
fn the_allow_list_is_read() {
    let text =
        "[licenses]\n# why\nallow = [\n    \"MIT\", # short\n    \"ISC\",\n]\n\n[bans]\n\"not this\"\n";
    assert_eq!(licences::allow_list(text), ["MIT", "ISC"]);
}

#[test]
fn links_in_documents() {
    let text = "See [a](a.md) and [b](../b.md#part), [site](https://example.com).\n\
                `[c](c.md)`\n```\n[d](d.md)\n```\n![e](e.svg)\n";
    let expected: Vec<(usize, String)> = vec![
        (1, "a.md".to_owned()),
        (1, "../b.md#part".to_owned()),
        (6, "e.svg".to_owned()),
    ];
    assert_eq!(links::relative_links(text), expected);
}

#[test]
fn anchors_of_headings() {
    let text = "# Weir: the files\n## 2. `weir.yaml` and more\n```\n# no heading\n```\n";
    assert_eq!(links::anchors(text), ["weir-the-files", "2-weiryaml-and-more"]);
}

#[test]
fn decisions_are_numbered_and_complete() {
    let text = "# t\n## Context\n## Decision\n## Consequences\n## Alternatives refused\n";
    let of = |names: &[&str]| -> Vec<(String, String)> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), text.to_owned()))
            .collect()
    };
    assert!(decisions::irregularities(&of(&["0001-a.md", "0002-b.md"])).is_empty());
    assert_eq!(
        decisions::irregularities(&of(&["0001-a.md", "0003-b.md"])).len(),
        1
    );
    let short = vec![("0001-a.md".to_owned(), "# t\n## Context\n".to_owned())];
    assert_eq!(decisions::irregularities(&short).len(), 3);
}

#[test]
fn lists_are_alphabetical() {
    let sorted =
        "mod branch;\nmod map;\n\nvec![\n    Box::new(branch::Branch),\n    Box::new(map::Map),\n]\n";
    assert!(lists::out_of_order(sorted).is_empty());
    let modules = "mod map;\nmod branch;\n";
    assert_eq!(
        lists::out_of_order(modules),
        vec![(2, "branch".to_owned(), "map".to_owned())]
    );
    let entries = "&[\n    &map::SPEC,\n    &branch::SPEC,\n]\n";
    assert_eq!(lists::out_of_order(entries).len(), 1);
}

#[test]
fn used_dependencies() {
    let cases = [
        ("use serde_json::Value;", "serde_json", true),
        ("let v = serde_json::json!({});", "serde-json", true),
        ("use anyhow;", "anyhow", true),
        ("// use anyhow::Context;", "anyhow", false),
        ("use my_anyhow::Context;", "anyhow", false),
        ("use anyhow_extra::Context;", "anyhow", false),
        ("let anyhow = 1;", "anyhow", false),
    ];
    for (code, dependency, used) in cases {
        assert_eq!(unused::names(code, dependency), used, "{code}");
    }
}
