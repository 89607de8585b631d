//! From the validator's errors to sentences that a person who knows nothing of JSON Schema understands.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;
use weir_model::did_you_mean;
use weir_sdk::checker::Violation;

/// One or more violations of one error; `root` is the checked value.
pub(crate) fn violations(error: &ValidationError<'_>, root: &Value, schema: &Value) -> Vec<Violation> {
    let path = path(error.instance_path(), root);
    let value = error.instance().as_ref();
    let rule = error.kind().keyword().to_owned();
    let of = |path: String, value: Value, message: String| Violation {
        path,
        rule: rule.clone(),
        value,
        message,
    };
    match error.kind() {
        Kind::Required { property } => {
            let path = join(&path, property.as_str().unwrap_or_default());
            let message = format!("`{path}` is required and missing");
            vec![of(path, Value::Null, message)]
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| {
                let path = join(&path, name);
                let known = known_properties(error.schema_path(), schema);
                let hint = did_you_mean(name, known).map_or(String::new(), |hint| format!("; {hint}"));
                let message = format!("`{path}` is not a field that is allowed here{hint}");
                of(path, value.get(name).cloned().unwrap_or_default(), message)
            })
            .collect(),
        kind => {
            let message = format!("{} {}", subject(&path), sentence(kind, value, root, schema));
            vec![of(path, value.clone(), message)]
        }
    }
}

fn subject(path: &str) -> String {
    match path {
        "" => "the value".to_owned(),
        path => format!("`{path}`"),
    }
}

/// What comes after the name of the field.
fn sentence(kind: &Kind, value: &Value, root: &Value, schema: &Value) -> String {
    let shown = shown(value);
    match kind {
        Kind::Type { kind } => format!("must be {}, not {shown}", types(kind)),
        Kind::Enum { options } => format!("must be one of {}, not {shown}", list(options)),
        Kind::Constant { expected_value } => format!("must be {expected_value}, not {shown}"),
        Kind::Minimum { limit } => format!("must be at least {limit}, not {shown}"),
        Kind::Maximum { limit } => format!("must be at most {limit}, not {shown}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}, not {shown}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}, not {shown}"),
        Kind::MultipleOf { multiple_of } => format!("must be a multiple of {multiple_of}, not {shown}"),
        Kind::MinLength { limit: 1 } => "must not be empty".to_owned(),
        Kind::MinLength { limit } => format!("must have at least {limit} characters, not {shown}"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters, not {shown}"),
        Kind::MinItems { limit } => format!("must have at least {limit} items, not {}", length(value)),
        Kind::MaxItems { limit } => format!("must have at most {limit} items, not {}", length(value)),
        Kind::AdditionalItems { limit } => format!("must have at most {limit} items, not {}", length(value)),
        Kind::MinProperties { limit } => format!("must have at least {limit} fields, not {}", length(value)),
        Kind::MaxProperties { limit } => format!("must have at most {limit} fields, not {}", length(value)),
        Kind::Pattern { pattern } => format!("must look like the pattern `{pattern}`, not {shown}"),
        Kind::Format { format } => format!("must be {}, not {shown}", format_name(format)),
        Kind::UniqueItems => "must not have the same item twice".to_owned(),
        Kind::Contains => "must contain an item that it does not contain".to_owned(),
        Kind::Not { .. } => format!("must not be what it is, {shown}"),
        Kind::FalseSchema => "must not be there".to_owned(),
        Kind::OneOfMultipleValid { .. } => {
            "fits more than one alternative and must fit exactly one".to_owned()
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            let count = context.len();
            // The alternative with the fewest complaints is likely the one that was meant.
            let nearest = context.iter().min_by_key(|errors| errors.len());
            let why: Vec<String> = nearest
                .into_iter()
                .flatten()
                .flat_map(|error| violations(error, root, schema))
                .take(3)
                .map(|violation| violation.message)
                .collect();
            format!(
                "fits none of {count} alternatives; for the nearest: {}",
                why.join(", ")
            )
        }
        Kind::PropertyNames { error } => format!("has a field with a name that is not allowed: {error}"),
        other => format!("breaks the rule `{}`: {shown}", other.keyword()),
    }
}

fn types(kind: &TypeKind) -> String {
    let mut names: Vec<&str> = match kind {
        TypeKind::Single(one) => vec![type_name(one.as_str())],
        TypeKind::Multiple(many) => many.into_iter().map(|one| type_name(one.as_str())).collect(),
    };
    names.sort_by_key(|name| *name == "null");
    names.join(" or ")
}

fn type_name(name: &str) -> &str {
    match name {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "object" => "an object",
        "string" => "a text",
        other => other,
    }
}

fn format_name(format: &str) -> &str {
    match format {
        "date" => "a date such as 2026-03-01",
        "date-time" => "a time such as 2026-03-01T12:00:00Z",
        "time" => "a time of day such as 12:00:00Z",
        "email" => "an e-mail address",
        "uri" => "an address such as https://example.org/",
        "uuid" => "a UUID",
        other => other,
    }
}

fn list(options: &Value) -> String {
    let items: Vec<String> = options
        .as_array()
        .map(|items| items.iter().take(20).map(Value::to_string).collect())
        .unwrap_or_default();
    items.join(", ")
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    }
}

/// A value in a sentence.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() > 80 => {
            format!("the text \"{}…\"", text.chars().take(80).collect::<String>())
        }
        Value::String(text) => format!("the text \"{text}\""),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// `prices[0].gross`. A number in a pointer is an index only where the value has a list.
fn path(location: &Location, root: &Value) -> String {
    let mut path = String::new();
    let mut at = Some(root);
    for segment in location.segments() {
        match segment {
            LocationSegment::Index(index) if at.is_none_or(Value::is_array) => {
                path.push_str(&format!("[{index}]"));
                at = at.and_then(|value| value.get(index));
            }
            LocationSegment::Index(index) => {
                let name = index.to_string();
                at = at.and_then(|value| value.get(&name));
                path = join(&path, &name);
            }
            LocationSegment::Property(name) => {
                path = join(&path, &name);
                at = at.and_then(|value| value.get(name.as_ref()));
            }
        }
    }
    path
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    }
}

/// Names of the `properties` beside the rule that was broken, where the rule stands in this very schema.
fn known_properties<'a>(rule: &Location, schema: &'a Value) -> Vec<&'a str> {
    let Some((parent, _)) = rule.as_str().rsplit_once('/') else {
        return Vec::new();
    };
    schema
        .pointer(&format!("{parent}/properties"))
        .and_then(Value::as_object)
        .map(|fields| fields.keys().map(String::as_str).collect())
        .unwrap_or_default()
}
