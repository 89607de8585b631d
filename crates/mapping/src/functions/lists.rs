//! Lists and objects.

use serde_json::{Map, Value, json};
use weir_model::json::{at, key_text, same};

use super::{Call, Fault, Function, example, kind_of, rows, says};

pub(crate) const FUNCTIONS: &[Function] = &[
    Function {
        name: "index_by",
        signature: "$index_by(rows, key)",
        summary: "An object with each row under its key; `key` is a field (a dotted path) or a function of the row. Of two rows \
                  with one key the later stays; rows without a key are left out.",
        arguments: (2, 2),
        examples: &[
            example(
                r#"$index_by([{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "sku")"#,
                r#"{"a": {"sku": "a", "n": 1}, "b": {"sku": "b", "n": 2}}"#,
            ),
            example(
                r#"$index_by([{"n": 1}, {"n": 2}], function($row) { "no-" & $row.n }).`no-2`.n"#,
                "2",
            ),
            example(r#"$index_by(missing, "sku")"#, "nothing"),
        ],
        body: |call| {
            grouped(call, |object, key, row| {
                object.insert(key, row.clone());
            })
        },
    },
    Function {
        name: "group",
        signature: "$group(rows, key)",
        summary: "An object with the list of rows under each key, always a list; `key` is a field (a dotted path) or a function \
                  of the row. Rows without a key are left out.",
        arguments: (2, 2),
        examples: &[
            example(
                r#"$group([{"o": 1, "sku": "a"}, {"o": 2, "sku": "b"}, {"o": 1, "sku": "c"}], "o")"#,
                r#"{"1": [{"o": 1, "sku": "a"}, {"o": 1, "sku": "c"}], "2": [{"o": 2, "sku": "b"}]}"#,
            ),
            example(
                r#"$group({"a": {"b": "x"}}, "a.b")"#,
                r#"{"x": [{"a": {"b": "x"}}]}"#,
            ),
            example(r#"$group(missing, "o")"#, "nothing"),
        ],
        body: |call| {
            grouped(call, |object, key, row| {
                if let Value::Array(list) = object.entry(key).or_insert_with(|| json!([])) {
                    list.push(row.clone());
                }
            })
        },
    },
    Function {
        name: "diff",
        signature: "$diff(before, after)",
        summary: "The list of changes that lead from one value to another, each with `path` and what was `before` and is \
                  `after` (left out where there is nothing). Objects are compared field by field, lists as a whole, numbers by \
                  value.",
        arguments: (2, 2),
        examples: &[
            example(
                r#"$diff({"a": 1, "b": {"c": 2}, "d": [1]}, {"a": 1.0, "b": {"c": 3, "e": null}})"#,
                r#"[{"path": "b.c", "before": 2, "after": 3}, {"path": "d", "before": [1]}, {"path": "b.e", "after": null}]"#,
            ),
            example(r#"$diff({"a": 1}, {"a": 1})"#, "[]"),
            example(r#"$diff(missing, 5)"#, r#"[{"path": "", "after": 5}]"#),
        ],
        body: |call| {
            let mut changes = Vec::new();
            compare("", call.get(0), call.get(1), &mut changes);
            // Fields that only the second value has stand at the end.
            changes.sort_by_key(|change| change.get("before").is_none());
            Ok(Some(Value::Array(changes)))
        },
    },
];

fn grouped(
    call: &Call<'_>,
    put: fn(&mut Map<String, Value>, String, &Value),
) -> Result<Option<Value>, Fault> {
    let Some(list) = call.get(0) else {
        return Ok(None);
    };
    let function = call.function(1);
    let field = match &function {
        Some(_) => "",
        None => call.required_text(1, "key, a field or a function")?,
    };
    let mut object = Map::new();
    for row in rows(list) {
        let key = match &function {
            Some(function) => function.call(&[Some(row.clone())])?,
            None => at(row, field).cloned(),
        };
        match key {
            Some(Value::Array(_) | Value::Object(_)) => {
                return Err(says(
                    format!(
                        "needs a text or a number as key of a row, not {}",
                        key.as_ref().map_or_else(String::new, kind_of)
                    ),
                    row,
                ));
            }
            key => {
                if let Some(key) = key.as_ref().and_then(key_text) {
                    put(&mut object, key, row);
                }
            }
        }
    }
    Ok(Some(Value::Object(object)))
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, changes: &mut Vec<Value>) {
    if let (Some(Value::Object(old)), Some(Value::Object(new))) = (before, after) {
        let names = old
            .keys()
            .chain(new.keys().filter(|name| !old.contains_key(*name)));
        for name in names {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            compare(&path, old.get(name), new.get(name), changes);
        }
        return;
    }
    let equal = match (before, after) {
        (Some(before), Some(after)) => same(before, after),
        (None, None) => true,
        _ => false,
    };
    if !equal {
        let mut change = Map::new();
        change.insert("path".to_owned(), json!(path));
        for (name, value) in [("before", before), ("after", after)] {
            if let Some(value) = value {
                change.insert(name.to_owned(), value.clone());
            }
        }
        changes.push(Value::Object(change));
    }
}
