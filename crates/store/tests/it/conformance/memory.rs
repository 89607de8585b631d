//! What is remembered across tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use weir_model::{Address, Scope};
use weir_sdk::expressions::Want;
use weir_sdk::store::{Change, Delivered, Link, NewTask, Store};

use super::given::{at, insert, new_task, scope, task_id};

fn delivered(version: i64, entity: Option<&str>) -> Delivered {
    Delivered {
        version,
        hash: entity.map(|_| [version as u8; 16]),
        release: 1,
        at: at(version),
        entity: entity.map(|entity| entity.as_bytes().to_vec()),
        filtered: false,
    }
}

fn put(key: &str, delivered: Delivered, reads: Option<Vec<Want>>) -> Change {
    Change::PutDelivered {
        scope: scope(),
        route: "products".to_owned(),
        key: key.to_owned(),
        delivered,
        reads,
    }
}

async fn stored(store: &dyn Store, key: &str) -> Option<Delivered> {
    let mut found = store
        .delivered(&scope(), "products", &["nothing".to_owned(), key.to_owned()])
        .await
        .unwrap();
    assert_eq!((found.len(), &found[0]), (2, &None));
    found.remove(1)
}

pub(super) async fn versions_of_a_delivery_never_go_back(store: Arc<dyn Store>) {
    assert_eq!(stored(store.as_ref(), "tee").await, None);
    for (version, expected) in [(5, 5), (3, 5), (5, 5), (8, 8)] {
        store
            .commit(vec![put(
                "tee",
                delivered(version, Some(&format!("v{version}"))),
                None,
            )])
            .await
            .unwrap();
        let found = stored(store.as_ref(), "tee").await.unwrap();
        assert_eq!(found, delivered(expected, Some(&format!("v{expected}"))));
    }
}

pub(super) async fn a_filtered_key_keeps_what_was_delivered(store: Arc<dyn Store>) {
    let filtered = |version| Delivered {
        filtered: true,
        ..delivered(version, None)
    };
    store
        .commit(vec![
            put("tee", delivered(1, Some("old")), None),
            put("tee", filtered(2), None),
            put("never", filtered(3), None),
        ])
        .await
        .unwrap();
    let found = stored(store.as_ref(), "tee").await.unwrap();
    assert_eq!((found.version, found.filtered), (2, true));
    assert_eq!((found.entity, found.hash), (Some(b"old".to_vec()), Some([1; 16])));
    let found = stored(store.as_ref(), "never").await.unwrap();
    assert_eq!((found.entity, found.hash, found.filtered), (None, None, true));
}

pub(super) async fn read_sets_are_replaced_and_asked_for(store: Arc<dyn Store>) {
    let row = |key: &str| Want::Row {
        table: "tax-sets".to_owned(),
        key: key.to_owned(),
    };
    let link = Want::Link {
        address: "spryker/categories".parse().unwrap(),
        key: "full".to_owned(),
    };
    store
        .commit(vec![
            put(
                "a",
                delivered(1, Some("a")),
                Some(vec![row("full"), link.clone()]),
            ),
            put(
                "b",
                delivered(2, Some("b")),
                Some(vec![row("full"), row("full"), row("half")]),
            ),
        ])
        .await
        .unwrap();
    let ask = async |wants: &[Want]| {
        store
            .readers(&scope(), "products", wants)
            .await
            .unwrap()
            .join(" ")
    };
    assert_eq!(ask(&[row("full")]).await, "a b");
    assert_eq!(
        ask(std::slice::from_ref(&link)).await,
        "a",
        "a row and a link of one key are two things"
    );
    assert_eq!(ask(&[row("half"), link.clone()]).await, "a b");
    store
        .commit(vec![
            put("a", delivered(3, Some("a")), Some(vec![row("half")])),
            put("b", delivered(1, Some("b")), Some(Vec::new())),
            put("b", delivered(4, Some("b")), None),
        ])
        .await
        .unwrap();
    assert_eq!(
        ask(&[row("full")]).await,
        "b",
        "an older delivery or none named changes nothing"
    );
    assert_eq!(ask(&[row("half")]).await, "a b");
    assert_eq!(ask(&[link]).await, "");
}

pub(super) async fn links_are_found_by_key_and_by_text(store: Arc<dyn Store>) {
    let link = |address: &str, key: &str, id: u64| Link {
        scope: scope(),
        address: address.parse().unwrap(),
        key: key.to_owned(),
        ids: BTreeMap::from([("id".to_owned(), json!(id))]),
        at: at(1),
    };
    let (shoes, hats, image) = (
        link("spryker/categories", "shoes", 4_711),
        link("spryker/categories", "hats_100%", 12),
        link("akeneo/images", "shoes", 13),
    );
    let changes = [&link("spryker/categories", "shoes", 1), &shoes, &hats, &image];
    store
        .commit(changes.map(|link| Change::PutLink(link.clone())).to_vec())
        .await
        .unwrap();
    let categories: Address = "spryker/categories".parse().unwrap();
    let found = store
        .links(&scope(), &categories, &["x".to_owned(), "shoes".to_owned()])
        .await
        .unwrap();
    assert_eq!(found, [None, Some(shoes.clone())]);
    for (address, text, limit, expected) in [
        (None, "SHOE", 10, vec![&shoes, &image]),
        (Some(&categories), "shoe", 10, vec![&shoes]),
        (None, "471", 10, vec![&shoes]),
        (None, "100%", 10, vec![&hats]),
        (None, "hats%100", 10, vec![]),
        (Some(&categories), "", 1, vec![&hats]),
    ] {
        let found = store.links_search(&scope(), address, text, limit).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{text}");
    }
}

pub(super) async fn lookup_rows_and_documents_are_put_and_removed(store: Arc<dyn Store>) {
    let number = serde_json::from_str("1.10").unwrap();
    let row = |key: &str, row| Change::PutLookupRow {
        scope: scope(),
        table: "tax-sets".to_owned(),
        key: key.to_owned(),
        row,
    };
    let document = |key: &str, document| Change::PutDocument {
        collection: "users".to_owned(),
        key: key.to_owned(),
        document,
    };
    store
        .commit(vec![
            row("b", Some(number)),
            row("a", Some(json!({"rate": 7}))),
            row("c", Some(json!(1))),
            row("c", None),
            document("mia", Some(json!({"role": "viewer"}))),
            document("ada", Some(json!({"role": "owner"}))),
            document("mia", Some(json!({"role": "editor"}))),
            document("tom", Some(json!({}))),
            document("tom", None),
        ])
        .await
        .unwrap();
    let rows = store.lookup_rows(&scope(), "tax-sets").await.unwrap();
    let rows: Vec<String> = rows.iter().map(|(key, row)| format!("{key} {row}")).collect();
    assert_eq!(rows, [r#"a {"rate":7}"#, "b 1.10"]);
    assert_eq!(
        store.document("users", "mia").await.unwrap(),
        Some(json!({"role": "editor"}))
    );
    assert_eq!(store.document("tokens", "mia").await.unwrap(), None);
    let asked = ["tom", "mia", "ada"].map(str::to_owned);
    assert_eq!(
        store.documents_of("users", &asked).await.unwrap(),
        [
            None,
            Some(json!({"role": "editor"})),
            Some(json!({"role": "owner"}))
        ]
    );
    let users = store.documents("users").await.unwrap();
    let users: Vec<&str> = users.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(users, ["ada", "mia"]);
}

pub(super) async fn scopes_do_not_see_each_other(store: Arc<dyn Store>) {
    let other = Scope::new("shop", "live");
    let id = task_id();
    store
        .commit(vec![
            insert(task_id(), "products", "ours"),
            Change::InsertTask(NewTask {
                scope: other.clone(),
                ..new_task(id, "products", "theirs")
            }),
            put("ours", delivered(1, Some("x")), None),
        ])
        .await
        .unwrap();
    let live = store.live(&other, 0, 10).await.unwrap();
    assert_eq!(
        live.iter().map(|task| task.key.as_str()).collect::<Vec<_>>(),
        ["theirs"]
    );
    let counts = store.counts(&other).await.unwrap();
    assert_eq!(counts["products"].values().sum::<u64>(), 1);
    let found = store
        .delivered(&other, "products", &["ours".to_owned()])
        .await
        .unwrap();
    assert_eq!(found, [None]);
}
