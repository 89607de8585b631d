use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use weir_access::{DataKey, Secrets};
use weir_model::{Kind, Scope};

use crate::{house, is_on_disk};

const CANARY: &str = "canary-7f3a91";

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_encrypted_by_environment_and_come_back() {
    let house = house();
    let key = Arc::new(DataKey::open(house.folder.path()).unwrap());
    let secrets = Secrets::new(house.store.clone(), key);
    let (dev, prod) = (Scope::new("shop", "dev"), Scope::new("shop", "prod"));
    secrets.set(&dev, "KEY", CANARY).await.unwrap();
    secrets.set(&prod, "KEY", "other").await.unwrap();
    assert_eq!(secrets.values(&dev).await.unwrap()["KEY"], CANARY);
    assert_eq!(secrets.names(&prod).await.unwrap(), ["KEY"]);
    assert!(!is_on_disk(house.folder.path(), CANARY));
    for (name, value) in [("", "x"), ("a b", "x"), ("KEY", "")] {
        assert_eq!(
            secrets.set(&dev, name, value).await.unwrap_err().kind,
            Kind::Invalid,
            "{name}"
        );
    }
    secrets.remove(&dev, "KEY").await.unwrap();
    assert!(secrets.values(&dev).await.unwrap().is_empty());
    assert_eq!(
        secrets.remove(&dev, "KEY").await.unwrap_err().kind,
        Kind::NotFound
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_key_or_another_name_reveals_nothing() {
    let house = house();
    let key = Arc::new(DataKey::open(house.folder.path()).unwrap());
    let scope = Scope::new("shop", "dev");
    Secrets::new(house.store.clone(), key.clone())
        .set(&scope, "KEY", CANARY)
        .await
        .unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = Arc::new(DataKey::open(elsewhere.path()).unwrap());
    let error = Secrets::new(house.store.clone(), other)
        .values(&scope)
        .await
        .unwrap_err();
    assert!(
        error.kind == Kind::Configuration && error.message.contains("another key"),
        "{error}"
    );
    let moved = key.encrypt("secrets/a", CANARY).unwrap();
    assert!(
        key.decrypt("secrets/b", &moved).is_err(),
        "a value is bound to its name"
    );
    assert_ne!(
        moved,
        key.encrypt("secrets/a", CANARY).unwrap(),
        "a nonce of its own each time"
    );
}

#[test]
fn the_key_file_is_private_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let key = DataKey::open(folder.path()).unwrap();
    let path = folder.path().join("data.key");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let cipher = key.encrypt("x", CANARY).unwrap();
    assert_eq!(
        DataKey::open(folder.path())
            .unwrap()
            .decrypt("x", &cipher)
            .unwrap(),
        CANARY
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let error = DataKey::open(folder.path()).err().unwrap();
    assert!(error.message.contains("chmod 600"), "{error}");
    assert!(DataKey::from_text("c2hvcnQ=").is_err(), "a short key is no key");
}
