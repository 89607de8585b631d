use serde_json::json;

use crate::{BASE, house};

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_used_and_revoked() {
    let house = house();
    let made = house
        .trusted("POST", "/api/v1/tokens", r#"{"name": "ci", "role": "viewer"}"#)
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let header = format!("authorization: Bearer {}", made.json()["token"].as_str().unwrap());
    let tasks = house.ask("GET", &format!("{BASE}/tasks"), &[&header], "").await;
    assert_eq!(
        (tasks.status, tasks.json()),
        (200, json!({ "tasks": [], "next": null }))
    );
    let listed = house.trusted("GET", "/api/v1/tokens", "").await.json();
    assert!(
        listed[0].get("token").is_none() && listed[0]["role"] == "viewer",
        "{listed}"
    );
    assert_eq!(house.trusted("DELETE", "/api/v1/tokens/ci", "").await.status, 204);
    assert_eq!(
        house
            .ask("GET", &format!("{BASE}/tasks"), &[&header], "")
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_in_and_only_names_come_out() {
    let house = house();
    let path = format!("{BASE}/secrets/KEY");
    assert_eq!(
        house
            .trusted("PUT", &path, r#"{"value": "canary-12"}"#)
            .await
            .status,
        204
    );
    let listed = house.trusted("GET", &format!("{BASE}/secrets"), "").await;
    assert_eq!(listed.json(), json!(["KEY"]));
    assert_eq!(house.trusted("DELETE", &path, "").await.status, 204);
    assert_eq!(house.trusted("DELETE", &path, "").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_told_what_is_wrong() {
    let house = house();
    for (method, path, body, status, part) in [
        ("GET", "/tasks?state=ded", "", 422, "did you mean `dead`?"),
        ("GET", "/tasks?colour=red", "", 422, "unknown field"),
        ("GET", "/tasks/7", "", 422, "not the id of a task"),
        (
            "GET",
            "/tasks/018f0000-0000-7000-8000-000000000000",
            "",
            404,
            "there is no task",
        ),
        ("GET", "/links?of=spryker", "", 422, "CONNECTION/ENTITY"),
        ("POST", "/runs", r#"{"rout": "x"}"#, 422, "unknown field"),
        ("POST", "/runs", r#"{"route": "x"}"#, 503, "weir serve"),
        ("POST", "/connections/x/check", "", 404, "there is no connection"),
        (
            "PUT",
            "/routes/x/switch",
            r#"{"switch": "of"}"#,
            422,
            "unknown variant",
        ),
    ] {
        let said = house.trusted(method, &format!("{BASE}{path}"), body).await;
        assert_eq!(said.status, status, "{method} {path}: {}", said.text);
        assert!(
            said.json()["detail"].as_str().unwrap().contains(part),
            "{method} {path}: {}",
            said.text
        );
    }
    let elsewhere = house.trusted("GET", "/api/v1/shop/prod/tasks", "").await;
    assert!(
        elsewhere.status == 404 && elsewhere.text.contains("shop/dev"),
        "{}",
        elsewhere.text
    );
}
