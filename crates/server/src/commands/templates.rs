//! Templates that are part of the program. Each file is named: a test compares the list with the folder.

use super::init::Template;

macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../examples/", $folder, "/", $path)))),*]
    };
}

/// The flagship.
pub(crate) const AKENEO_TO_SPRYKER: Template = Template {
    name: "akeneo-to-spryker",
    summary: "categories, attributes and products of an Akeneo in a Spryker shop",
    files: files!("akeneo-to-spryker":
        "README.md",
        "connections/akeneo.yaml",
        "connections/spryker.yaml",
        "environments/dev.yaml",
        "functions.jsonata",
        "lookups/family-variants.yaml",
        "lookups/models.yaml",
        "lookups/tax-sets.csv",
        "lookups/tax-sets.yaml",
        "lookups/variant-axes.yaml",
        "maps/abstract.cases.yaml",
        "maps/abstract.jsonata",
        "maps/attribute.cases.yaml",
        "maps/attribute.jsonata",
        "maps/category.cases.yaml",
        "maps/category.jsonata",
        "maps/concrete.cases.yaml",
        "maps/concrete.jsonata",
        "routes/abstracts.yaml",
        "routes/attributes.yaml",
        "routes/categories.yaml",
        "routes/concretes.yaml",
        "samples/attribute.json",
        "samples/category.json",
        "samples/model.json",
        "samples/simple-product.json",
        "samples/variant.json",
        "schemas/akeneo/model-or-product.json",
        "weir.yaml",
    ),
};

/// The second way into Spryker.
pub(crate) const CATEGORIES_BACKEND_API: Template = Template {
    name: "categories-backend-api",
    summary: "categories and attributes of an Akeneo through Spryker's Backend API",
    files: files!("categories-backend-api":
        "README.md",
        "connections/akeneo.yaml",
        "connections/spryker.yaml",
        "environments/dev.yaml",
        "maps/attribute.cases.yaml",
        "maps/attribute.jsonata",
        "maps/category.cases.yaml",
        "maps/category.jsonata",
        "routes/attributes.yaml",
        "routes/categories.yaml",
        "weir.yaml",
    ),
};
