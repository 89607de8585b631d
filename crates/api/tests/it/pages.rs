use crate::house;

const FORM: &str = "content-type: application/x-www-form-urlencoded";

#[tokio::test(flavor = "multi_thread")]
async fn set_up_sign_in_look_around_sign_out() {
    let house = house();
    let token = house.api.access.setup_token().await.unwrap().unwrap();
    let page = house.ask("GET", &format!("/setup?token={token}"), &[], "").await;
    assert!(page.status == 200 && page.text.contains(&token));

    let weak = house
        .ask(
            "POST",
            "/setup",
            &[FORM],
            &format!("token={token}&name=ada&password=short"),
        )
        .await;
    assert!(
        weak.status == 422 && weak.text.contains("12 and 256 characters"),
        "{}",
        weak.text
    );
    let form = format!("token={token}&name=ada&password=correct+horse+battery");
    let done = house.ask("POST", "/setup", &[FORM], &form).await;
    assert_eq!((done.status, done.header("location")), (303, "/"));
    let cookie = done.header("set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );

    let again = house.ask("POST", "/setup", &[FORM], &form).await;
    assert_eq!(again.status, 403, "the link works once");
    let wrong = house
        .ask("POST", "/sign-in", &[FORM], "name=ada&password=wrong")
        .await;
    assert_eq!(wrong.status, 401);
    let signed_in = house
        .ask(
            "POST",
            "/sign-in",
            &[FORM],
            "name=ada&password=correct+horse+battery",
        )
        .await;
    let session = signed_in
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let cookie = format!("cookie: {session}");

    let status = house.ask("GET", "/", &[&cookie], "").await;
    assert!(status.status == 200 && status.text.contains("shop/dev") && status.text.contains("release 3"));
    let out = house.ask("POST", "/sign-out", &[&cookie], "").await;
    assert_eq!(out.status, 303);
    assert_eq!(house.ask("GET", "/", &[&cookie], "").await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_can_do_nothing_with_a_session() {
    let house = house();
    let token = house.api.access.setup_token().await.unwrap().unwrap();
    let session = house
        .api
        .access
        .setup(&token, "ada", "correct horse battery")
        .await
        .unwrap();
    let cookie = format!("cookie: weir_session={session}");
    let body = r#"{"name": "x", "role": "viewer"}"#;
    for (header, expected) in [
        ("sec-fetch-site: cross-site", 403),
        ("sec-fetch-site: same-site", 403),
        ("origin: https://evil.example", 403),
        ("origin: null", 403),
        ("sec-fetch-site: same-origin", 201),
        ("origin: http://weir.example", 409),
    ] {
        let headers = [cookie.as_str(), header, "content-type: application/json"];
        let said = house.ask("POST", "/api/v1/tokens", &headers, body).await;
        assert_eq!(said.status, expected, "{header}: {}", said.text);
    }
    let said = house
        .ask(
            "POST",
            "/sign-in",
            &[FORM, "sec-fetch-site: cross-site"],
            "name=a&password=b",
        )
        .await;
    assert_eq!(said.status, 403, "nobody is signed in by another site either");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_in_pages_are_texts() {
    let house = house();
    let said = house.ask("GET", "/setup?token=%22%3E%3Cscript%3E", &[], "").await;
    assert!(!said.text.contains("<script>"), "{}", said.text);
}
