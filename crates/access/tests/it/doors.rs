use weir_access::Identity;
use weir_access::permissions::{ENDPOINTS, Need, Role, need};
use weir_model::Kind;

use crate::{house, is_on_disk};

const PASSWORD: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn the_set_up_link_works_once_and_only_the_newest() {
    let house = house();
    let access = &house.access;
    let old = access.setup_token().await.unwrap().unwrap();
    let new = access.setup_token().await.unwrap().unwrap();
    let refused = access.setup(&old, "ada", PASSWORD).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
    let weak = access.setup(&new, "ada", "short").await.unwrap_err();
    assert_eq!((weak.kind, weak.get("field")), (Kind::Invalid, Some("password")));
    let session = access.setup(&new, "ada", PASSWORD).await.unwrap();
    let identity = access.session(&session).await.unwrap();
    assert_eq!(
        identity,
        Some(Identity {
            name: "ada".to_owned(),
            role: Role::Administrator
        })
    );
    assert_eq!(
        access.setup(&new, "eve", PASSWORD).await.unwrap_err().kind,
        Kind::Forbidden
    );
    assert_eq!(
        access.setup_token().await.unwrap(),
        None,
        "there is an administrator now"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_open_with_the_password_and_end_by_age_and_by_wish() {
    let house = house();
    let access = &house.access;
    let token = access.setup_token().await.unwrap().unwrap();
    access.setup(&token, "ada", PASSWORD).await.unwrap();
    for (name, password) in [("ada", "correct horse batterz"), ("eve", PASSWORD), ("", "")] {
        assert_eq!(
            access.sign_in(name, password).await.unwrap_err().kind,
            Kind::Unauthenticated,
            "{name}"
        );
    }
    let session = access.sign_in("ada", PASSWORD).await.unwrap();
    let ended = access.sign_in("ada", PASSWORD).await.unwrap();
    access.sign_out(&ended).await.unwrap();
    assert_eq!(access.session(&ended).await.unwrap(), None);
    assert_eq!(access.session("weir_made-up").await.unwrap(), None);
    // Used every eleven hours it stays open, for a week in all.
    for _ in 0..15 {
        house.clock.turn(11 * 3_600);
        assert!(access.session(&session).await.unwrap().is_some());
    }
    house.clock.turn(11 * 3_600);
    assert_eq!(access.session(&session).await.unwrap(), None, "a week has passed");
    let idle = access.sign_in("ada", PASSWORD).await.unwrap();
    house.clock.turn(12 * 3_600);
    assert_eq!(
        access.session(&idle).await.unwrap(),
        None,
        "not used for twelve hours"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_passwords_is_slowed_down() {
    let house = house();
    let access = &house.access;
    let token = access.setup_token().await.unwrap().unwrap();
    access.setup(&token, "ada", PASSWORD).await.unwrap();
    for _ in 0..10 {
        access.sign_in("ada", "wrong").await.unwrap_err();
    }
    let error = access.sign_in("ada", PASSWORD).await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry_after_ms.is_some()),
        (Kind::RateLimited, true)
    );
    house.clock.turn(61);
    access.sign_in("ada", PASSWORD).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_until_they_expire_or_are_revoked() {
    let house = house();
    let access = &house.access;
    let made = access.make_token("ci", Role::Operator, 30).await.unwrap();
    let identity = Identity {
        name: "token ci".to_owned(),
        role: Role::Operator,
    };
    assert_eq!(access.token(&made.token).await.unwrap(), Some(identity));
    assert_eq!(access.token("weir_other").await.unwrap(), None);
    assert_eq!(
        access.make_token("ci", Role::Viewer, 30).await.unwrap_err().kind,
        Kind::Conflict
    );
    assert_eq!(
        access.make_token("a b", Role::Viewer, 30).await.unwrap_err().kind,
        Kind::Invalid
    );
    assert_eq!(
        access.make_token("ever", Role::Viewer, 0).await.unwrap_err().kind,
        Kind::Invalid
    );
    let rows = access.tokens().await.unwrap();
    assert_eq!(
        rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
        ["ci"]
    );
    house.clock.turn(30 * 86_400);
    assert_eq!(access.token(&made.token).await.unwrap(), None, "expired");
    let again = access.make_token("later", Role::Viewer, 1).await.unwrap();
    access.revoke_token("later").await.unwrap();
    assert_eq!(access.token(&again.token).await.unwrap(), None, "revoked");
    assert_eq!(
        access.revoke_token("later").await.unwrap_err().kind,
        Kind::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_opens_a_door_lies_on_the_disk() {
    let house = house();
    let access = &house.access;
    let link = access.setup_token().await.unwrap().unwrap();
    let session = access.setup(&link, "ada", PASSWORD).await.unwrap();
    let token = access.make_token("ci", Role::Viewer, 30).await.unwrap().token;
    assert!(
        is_on_disk(house.folder.path(), "ada"),
        "the search finds what is there"
    );
    for secret in [link.as_str(), session.as_str(), token.as_str(), PASSWORD] {
        assert!(!is_on_disk(house.folder.path(), secret), "{secret}");
    }
}

#[test]
fn the_table_of_permissions_is_whole_and_sorted() {
    let mut sorted: Vec<_> = ENDPOINTS
        .iter()
        .map(|(method, path, _)| (*path, *method))
        .collect();
    sorted.sort_by_key(|(path, _)| *path);
    sorted.dedup();
    assert_eq!(sorted.len(), ENDPOINTS.len(), "no endpoint stands here twice");
    let open: Vec<&str> = ENDPOINTS
        .iter()
        .filter(|(_, _, need)| *need == Need::Nothing)
        .map(|(_, p, _)| *p)
        .collect();
    // A webhook is guarded by its route's `verify`, which `weir check` wants to be said.
    let known = [
        "/health/live",
        "/health/ready",
        "/hooks/{project}/{environment}/{route}",
        "/setup",
        "/sign-in",
    ];
    assert!(open.iter().all(|path| known.contains(path)), "{open:?}");
    assert_eq!(need("PATCH", "/"), None, "what is not listed is refused");
    assert!(Role::Viewer < Role::Operator && Role::Operator < Role::Administrator);
}
