//! Closed by default: the OpenAPI document is walked, and each endpoint refuses whoever has not shown who they are.

use serde_json::Value;
use weir_access::permissions::{ENDPOINTS, Need, Role};

use crate::house;

/// Every operation of the document: method, path as written, and as a path that could be asked.
fn operations() -> Vec<(String, String, String)> {
    let document = weir_api::openapi();
    let Value::Object(paths) = &document["paths"] else {
        panic!("no paths")
    };
    let mut operations = Vec::new();
    for (path, methods) in paths {
        for method in methods.as_object().unwrap().keys() {
            let filled = path
                .replace("{project}", "shop")
                .replace("{environment}", "dev")
                .replace("{task}", "018f0000-0000-7000-8000-000000000000")
                .replace("{operation}", "018f0000-0000-7000-8000-000000000000")
                .replace("{route}", "categories")
                .replace("{connection}", "akeneo")
                .replace("{name}", "x");
            assert!(!filled.contains('{'), "{path}");
            operations.push((method.to_uppercase(), path.clone(), filled));
        }
    }
    operations
}

#[test]
fn document_and_permissions_name_the_same_endpoints() {
    let mut documented: Vec<(String, String)> = operations().into_iter().map(|(m, p, _)| (p, m)).collect();
    let mut permitted: Vec<(String, String)> = ENDPOINTS
        .iter()
        .map(|(method, path, _)| ((*path).to_owned(), (*method).to_owned()))
        .collect();
    documented.sort();
    permitted.sort();
    assert_eq!(documented, permitted);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_refuses_without_credentials() {
    let house = house();
    let mut closed = 0;
    for (method, path, filled) in operations() {
        let (_, _, need) = ENDPOINTS
            .iter()
            .find(|(m, p, _)| *m == method && *p == path)
            .unwrap();
        if *need == Need::Nothing {
            continue;
        }
        closed += 1;
        for headers in [
            &["content-type: application/json"][..],
            &[
                "content-type: application/json",
                "authorization: Bearer weir_wrong",
            ],
            &[
                "content-type: application/json",
                "cookie: weir_session=weir_wrong",
            ],
            &["content-type: application/json", "authorization: Basic YTpi"],
        ] {
            let said = house.ask(&method, &filled, headers, "{}").await;
            if (method.as_str(), path.as_str()) == ("GET", "/") {
                assert_eq!((said.status, said.header("location")), (303, "/sign-in"));
                continue;
            }
            assert_eq!(
                said.status, 401,
                "{method} {path} with {headers:?}: {}",
                said.text
            );
            assert_eq!(said.header("content-type"), "application/problem+json");
            assert_eq!(said.json()["kind"], "unauthenticated");
        }
    }
    assert!(closed > 20, "the document was walked");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_do_what_its_line_says_and_no_more() {
    let house = house();
    for (role, days) in [(Role::Viewer, 1), (Role::Operator, 2), (Role::Administrator, 3)] {
        let name = format!("t{days}");
        let token = house
            .api
            .access
            .make_token(&name, role, days)
            .await
            .unwrap()
            .token;
        let header = format!("authorization: Bearer {token}");
        for (method, path, filled) in operations() {
            let (_, _, need) = ENDPOINTS
                .iter()
                .find(|(m, p, _)| *m == method && *p == path)
                .unwrap();
            let Need::Role(needed) = need else { continue };
            // Made as a token of its own below, and ending it here would end the walk.
            if path == "/api/v1/tokens/{name}" || path == "/sign-out" {
                continue;
            }
            let said = house
                .ask(
                    &method,
                    &filled,
                    &[&header, "content-type: application/json"],
                    "{}",
                )
                .await;
            let allowed = role >= *needed;
            assert_eq!(
                said.status != 403,
                allowed,
                "{role:?} {method} {path}: {} {}",
                said.status,
                said.text
            );
            assert_ne!(said.status, 401, "{role:?} {method} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_listed_is_not_there() {
    let house = house();
    for (method, path) in [
        ("GET", "/nothing"),
        ("PATCH", "/"),
        ("DELETE", "/api/v1/shop/dev/tasks"),
        ("GET", "/../"),
    ] {
        let said = house.ask(method, path, &[], "").await;
        assert_eq!(said.status, 404, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_trusted_and_answers_carry_careful_headers() {
    let house = house();
    let said = house.trusted("GET", "/api/v1/scopes", "").await;
    assert_eq!(said.status, 200);
    assert_eq!(said.json()[0]["scope"]["environment"], "dev");
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(said.header(name), value);
    }
    assert!(
        said.header("content-security-policy")
            .contains("default-src 'none'")
    );
}
