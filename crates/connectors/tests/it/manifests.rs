use weir_connectors::{Source, load, shipped};
use weir_mapping::Jsonata;

use crate::stage::source;

#[test]
fn every_shipped_connector_loads_and_names_schemas_that_are_there() {
    assert!(!shipped().is_empty());
    for source in shipped() {
        let loaded = load(&source, &Jsonata).unwrap_or_else(|findings| panic!("{findings:#?}"));
        for (name, entity) in &loaded.connector.description().entities {
            if let Some(schema) = &entity.schema {
                assert!(
                    loaded.schemas.contains_key(schema),
                    "{}: {name} names schema {schema}",
                    loaded.name
                );
            }
            assert!(
                entity.can_read || entity.can_lookup || !entity.modes.is_empty(),
                "{}: {name} can nothing",
                loaded.name
            );
        }
    }
}

/// A change to a good manifest, and what is said about it.
fn check(from: &str, to: &str, expected: &str) {
    let good = source("spryker-data-exchange");
    assert!(good.manifest.contains(from), "{from}");
    let broken = Source {
        manifest: good.manifest.replacen(from, to, 1),
        ..good
    };
    let findings = load(&broken, &Jsonata).err().unwrap_or_default();
    let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        text.iter().any(|line| line.contains(expected)),
        "{text:#?} does not say `{expected}`"
    );
    assert!(findings.iter().all(|finding| finding.line > 0), "{text:#?}");
}

#[test]
fn a_typing_error_in_a_manifest_is_found_with_its_place() {
    check("kind: offset,", "kind: ofset,", "did you mean `offset`?");
    check("max_keys: 100", "max_key: 100", "did you mean `max_keys`?");
    check("shape: resource", "shape: resourse", "did you mean `resource`?");
    check(
        "entity: tax-sets,",
        "entity: tax-set,",
        "did you mean `tax-sets`?",
    );
    check("records: body.data", "records: \"body.(data\"", "connector.yaml:");
    check(
        "\"1305\": invalid",
        "\"1305\": invalit",
        "did you mean `invalid`?",
    );
}
