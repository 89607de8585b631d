//! The OpenAPI document: paths from the handlers (utoipa), schemas from the types that are sent (schemars, since OpenAPI
//! 3.1 speaks JSON Schema 2020-12).

use std::collections::BTreeMap;

use axum::Json;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;
use weir_access::permissions::{Need, Role, need};

use crate::problem::Problem;
use crate::{
    connections, entities, health, hooks, links, operations, pages, routes, runs, scopes, secrets, tasks,
    tokens,
};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Weir",
        description = "Routes, runs, tasks and links of a running Weir. Closed by default: everything but set-up, \
                       sign-in, health and webhooks needs a session or a token.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        document,
        scopes::list,
        connections::list,
        connections::check,
        health::store,
        entities::create,
        hooks::receive,
        links::search,
        operations::list,
        operations::execute,
        operations::show,
        operations::cancel,
        operations::pause,
        operations::resume,
        operations::preview,
        routes::list,
        routes::switch,
        routes::status,
        runs::list,
        runs::start,
        runs::ask,
        secrets::list,
        secrets::set,
        secrets::remove,
        tasks::list,
        tasks::show,
        tasks::cancel,
        tasks::correct,
        tasks::answer,
        tasks::release,
        tasks::replay,
        tasks::retry,
        tasks::skip,
        tokens::list,
        tokens::create,
        tokens::revoke,
        health::live,
        health::ready,
        pages::status,
        pages::setup_form,
        pages::setup,
        pages::sign_in_form,
        pages::sign_in,
        pages::sign_out,
    )
)]
struct Document;

/// The OpenAPI 3.1 document, as checked in at docs/openapi.json.
pub fn openapi() -> Value {
    let mut document = serde_json::to_value(Document::openapi()).expect("an OpenAPI document is plain JSON");
    document["components"]["schemas"] = Value::Object(schemas());
    document["components"]["securitySchemes"] = json!({
        "session": { "type": "apiKey", "in": "cookie", "name": crate::guard::COOKIE },
        "token": { "type": "http", "scheme": "bearer" },
    });
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        for (path, operations) in paths {
            let Value::Object(operations) = operations else {
                continue;
            };
            for (method, operation) in operations {
                finish(operation, need(&method.to_uppercase(), path));
            }
        }
    }
    document
}

/// What every endpoint has in common: who may call it and how it refuses.
fn finish(operation: &mut Value, need: Option<Need>) {
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        })
    };
    let (security, role) = match need {
        Some(Need::Nothing) => (json!([]), "nobody in particular"),
        Some(Need::Role(Role::Viewer)) => (json!([{ "session": [] }, { "token": [] }]), "viewer"),
        Some(Need::Role(Role::Operator)) => (json!([{ "session": [] }, { "token": [] }]), "operator"),
        Some(Need::Role(Role::Administrator)) | None => {
            (json!([{ "session": [] }, { "token": [] }]), "administrator")
        }
    };
    operation["x-weir-role"] = json!(role);
    if security.as_array().is_some_and(|ways| !ways.is_empty()) {
        operation["responses"]["401"] = problem("Neither a session nor a token");
        operation["responses"]["403"] = problem("The role does not allow it");
    }
    operation["security"] = security;
    operation["responses"]["default"] = problem("What went wrong");
}

fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    add::<Problem>(&mut generator);
    add::<routes::SwitchTo>(&mut generator);
    add::<runs::RunAsk>(&mut generator);
    add::<runs::StartRun>(&mut generator);
    add::<runs::StartedRun>(&mut generator);
    add::<secrets::SetSecret>(&mut generator);
    add::<tokens::MakeToken>(&mut generator);
    add::<weir_access::MadeToken>(&mut generator);
    add::<weir_engine::Status>(&mut generator);
    add::<weir_sdk::store::TaskPage>(&mut generator);
    add::<tasks::TaskShown>(&mut generator);
    add::<tasks::Acted>(&mut generator);
    add::<tasks::Corrected>(&mut generator);
    add::<tasks::Replayed>(&mut generator);
    add::<weir_engine::Answer>(&mut generator);
    add::<weir_engine::Correction>(&mut generator);
    add::<weir_engine::Accepted>(&mut generator);
    add::<tasks::Replay>(&mut generator);
    add::<operations::PreviewAction>(&mut generator);
    add::<operations::Execute>(&mut generator);
    add::<weir_engine::operations::Preview>(&mut generator);
    add::<weir_engine::operations::Progress>(&mut generator);
    add::<health::Alive>(&mut generator);
    let lists = [
        ("ScopeRows", list::<scopes::ScopeRow>(&mut generator)),
        ("RouteRows", list::<routes::RouteRow>(&mut generator)),
        ("RunRows", list::<runs::RunRow>(&mut generator)),
        (
            "ConnectionRows",
            list::<connections::ConnectionRow>(&mut generator),
        ),
        ("CheckRows", list::<connections::CheckRow>(&mut generator)),
        (
            "Progresses",
            list::<weir_engine::operations::Progress>(&mut generator),
        ),
        ("TokenRows", list::<weir_access::TokenRow>(&mut generator)),
        ("Links", list::<weir_sdk::store::Link>(&mut generator)),
        ("Names", list::<String>(&mut generator)),
    ];
    let mut schemas: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
    schemas.extend(lists.map(|(name, schema)| (name.to_owned(), schema)));
    let text = json!({ "type": "string" });
    schemas.insert(
        "SignIn".to_owned(),
        json!({ "type": "object", "properties": { "name": text, "password": text }, "required": ["name", "password"] }),
    );
    schemas.insert(
        "SetUp".to_owned(),
        json!({
            "type": "object",
            "properties": { "token": text, "name": text, "password": text },
            "required": ["token", "name", "password"],
        }),
    );
    schemas.insert(
        "Entities".to_owned(),
        json!({ "description": "One entity, or a list of them, as the source of the route gives them." }),
    );
    schemas.insert(
        "Health".to_owned(),
        json!({ "type": "object", "additionalProperties": true }),
    );
    schemas.into_iter().collect()
}

fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
    generator.subschema_for::<T>();
}

fn list<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    json!({ "type": "array", "items": generator.subschema_for::<T>() })
}

/// This document.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "openapi",
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json")))]
pub(crate) async fn document() -> Json<Value> {
    Json(openapi())
}
