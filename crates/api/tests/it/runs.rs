//! Runs that are asked for with more than a name.

use weir_api::Door;

use crate::work::working;
use crate::{BASE, ask};

#[tokio::test]
async fn what_a_run_shall_read_is_checked_before_anything_starts() {
    let work = working().await;
    let router = || weir_api::router(work.api.clone(), Door::Socket);
    let headers = &["content-type: application/json"];
    let path = format!("{BASE}/routes/things/runs");
    for (body, status, words) in [
        (r#"{"since": "yesterday"}"#, 422, "`yesterday` is not a time"),
        (r#"{"until": "2026-01-01"}"#, 422, "begins with `since`"),
        (
            r#"{"since": "2026-01-01", "full": true}"#,
            422,
            "one of `since`, `full`",
        ),
        (r#"{"where_read": "tax-sets"}"#, 422, "write TABLE/KEY"),
        (
            r#"{"where_read": "tax-sets/full"}"#,
            404,
            "there is no lookup `tax-sets`",
        ),
        (r#"{"since": "2026-01-01"}"#, 422, "cannot be read by time"),
        (r#"{"sinse": "2026-01-01"}"#, 422, "sinse"),
    ] {
        let said = ask(router(), "POST", &path, headers, body).await;
        assert!(
            said.status == status && said.text.contains(words),
            "{body}: {} {}",
            said.status,
            said.text
        );
    }
    let unknown = ask(
        router(),
        "POST",
        &format!("{BASE}/routes/thing/runs"),
        headers,
        "{}",
    )
    .await;
    assert!(
        unknown.status == 404 && unknown.text.contains("did you mean `things`?"),
        "{}",
        unknown.text
    );
    let listed = ask(router(), "GET", &format!("{BASE}/runs"), &[], "").await;
    assert_eq!(listed.text, "[]");

    let started = ask(router(), "POST", &path, headers, r#"{"full": true}"#).await;
    assert!(
        started.status == 202 && started.json()["run"].is_string(),
        "{}",
        started.text
    );
    work.engine.wait_settled().await;
    work.engine.stop().await;
}
