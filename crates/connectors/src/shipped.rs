//! The connectors that come with the binary.

use crate::load::Source;

macro_rules! connector {
    ($name:literal, [$($schema:literal),* $(,)?], $functions:expr) => {
        Source {
            folder: concat!("connectors/", $name).to_owned(),
            manifest: include_str!(concat!("../../../connectors/", $name, "/connector.yaml")).to_owned(),
            functions: $functions,
            schemas: [$((
                $schema.to_owned(),
                include_str!(concat!("../../../connectors/", $name, "/schemas/", $schema, ".json")).to_owned(),
            )),*]
            .into_iter()
            .collect(),
        }
    };
}

/// The files of every shipped connector, in alphabetical order.
pub fn shipped() -> Vec<Source> {
    vec![
        connector!(
            "akeneo",
            [
                "attribute",
                "attribute-option",
                "category",
                "family",
                "family-variant",
                "product",
                "product-model"
            ],
            Some(include_str!("../../../connectors/akeneo/functions.jsonata").to_owned())
        ),
        connector!(
            "spryker-backend-api",
            ["category", "product-attribute"],
            Some(include_str!("../../../connectors/spryker-backend-api/functions.jsonata").to_owned())
        ),
        connector!(
            "spryker-data-exchange",
            ["attribute", "category", "product", "product-abstract"],
            None
        ),
    ]
}
