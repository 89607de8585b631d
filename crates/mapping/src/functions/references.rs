//! What other systems know: lookup rows and remembered ids.

use serde_json::Value;
use weir_model::Address;
use weir_model::json::{at, key_text};
use weir_sdk::expressions::Known;

use super::{Call, Fault, Function, example, says};

pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "ref",
        signature: "$ref(lookup, key[, column])",
        summary: "The row of a lookup under a key, or one column of it (a dotted path). Nothing when there is no such row or \
                  the key is missing, null or empty. While the row is not at hand the engine fetches it, together with those of \
                  the whole batch, and evaluates again.",
        arguments: (2, 3),
        examples: &[
            example(
                r#"$ref("tax-sets", "full")"#,
                r#"{"akeneo": "full", "spryker": "DE-full", "rate": {"percent": 19}}"#,
            ),
            example(r#"$ref("tax-sets", "full", "spryker")"#, r#""DE-full""#),
            example(r#"$ref("tax-sets", "full", "rate.percent")"#, "19"),
            example(
                r#"$ref("tax-sets", "none", "spryker") ?: "Standard Taxes""#,
                r#""Standard Taxes""#,
            ),
            example(r#"$ref("tax-sets", missing)"#, "nothing"),
        ],
        body: row,
    },
    Function {
        name: "link",
        signature: "$link(\"connection/entity\", key[, id_name])",
        summary: "The id that a write remembered for a key. With several ids name the one you want. Nothing when there is no \
                  link or the key is missing, null or empty.",
        arguments: (2, 3),
        examples: &[
            example(
                r#"$link("spryker/categories", "shirts", "id_category_node")"#,
                "17",
            ),
            example(r#"$link("spryker/stores", "DE")"#, "1"),
            example(r#"$link("spryker/categories", "shirts")"#, "error: several ids"),
            example(r#"$link("spryker/categories", "hats")"#, "nothing"),
            example(r#"$link("categories", "hats")"#, "error: is not an address"),
        ],
        body: link,
    },
];

fn row(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let table = call.required_text(0, "name of the lookup")?;
    let Some(key) = call.get(1).and_then(key_text) else {
        return Ok(None);
    };
    let column = call.text(2, "column")?;
    match call.session.scope.references.row(table, &key) {
        Known::Found(row) => Ok(match column {
            None => Some(Value::clone(&row)),
            Some(column) => at(&row, column).cloned(),
        }),
        Known::Missing | Known::Pending => Ok(None),
    }
}

fn link(call: &Call<'_>) -> Result<Option<Value>, Fault> {
    let address: Address = call
        .required_text(0, "CONNECTION/ENTITY")?
        .parse()
        .map_err(|message| Fault::Says(format!("cannot look for a link: {message}"), None))?;
    let Some(key) = call.get(1).and_then(key_text) else {
        return Ok(None);
    };
    let name = call.text(2, "name of the id")?;
    let Known::Found(ids) = call.session.scope.references.link(&address, &key) else {
        return Ok(None);
    };
    match (name, &*ids) {
        (Some(name), ids) => Ok(ids.get(name).cloned()),
        (None, Value::Object(fields)) if fields.len() > 1 => {
            let names: Vec<String> = fields.keys().map(|name| format!("\"{name}\"")).collect();
            Err(says(
                format!(
                    "found several ids of `{key}` in `{address}`; name one of {} as third argument",
                    names.join(", ")
                ),
                &ids,
            ))
        }
        (None, Value::Object(fields)) => Ok(fields.values().next().cloned()),
        (None, id) => Ok(Some(id.clone())),
    }
}
