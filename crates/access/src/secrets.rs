//! Secrets that are entered by people: stored encrypted, handed out to connections only.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use weir_model::{Error, Kind, Scope};
use weir_sdk::store::{Change, Store};

use crate::data_key::DataKey;

const COLLECTION: &str = "secrets";
const BYTES_MAX: usize = 64_000;

/// Secrets by project, environment and name.
#[derive(Clone)]
pub struct Secrets {
    store: Arc<dyn Store>,
    key: Arc<DataKey>,
}

impl Secrets {
    pub fn new(store: Arc<dyn Store>, key: Arc<DataKey>) -> Self {
        Secrets { store, key }
    }

    /// Names only; values are never listed.
    pub async fn names(&self, scope: &Scope) -> Result<Vec<String>, Error> {
        let prefix = format!("{scope}/");
        let documents = self.store.documents(COLLECTION).await?;
        Ok(documents
            .iter()
            .filter_map(|(key, _)| key.strip_prefix(&prefix))
            .map(str::to_owned)
            .collect())
    }

    /// Every value of one environment, for connections to be made.
    pub async fn values(&self, scope: &Scope) -> Result<BTreeMap<String, String>, Error> {
        let prefix = format!("{scope}/");
        let mut values = BTreeMap::new();
        for (key, document) in self.store.documents(COLLECTION).await? {
            if let Some(name) = key.strip_prefix(&prefix) {
                let cipher = document.get("cipher").and_then(Value::as_str).unwrap_or_default();
                values.insert(name.to_owned(), self.key.decrypt(&place(&key), cipher)?);
            }
        }
        Ok(values)
    }

    pub async fn set(&self, scope: &Scope, name: &str, value: &str) -> Result<(), Error> {
        if name.is_empty()
            || !name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        {
            let message =
                format!("`{name}` cannot be the name of a secret: use letters, digits, `_` and `-`");
            return Err(Error::new(Kind::Invalid, message).with("field", "name"));
        }
        if value.is_empty() || value.len() > BYTES_MAX {
            let message = format!("a secret has between 1 and {BYTES_MAX} bytes");
            return Err(Error::new(Kind::Invalid, message).with("field", "value"));
        }
        let key = format!("{scope}/{name}");
        let cipher = self.key.encrypt(&place(&key), value)?;
        self.put(key, Some(json!({ "cipher": cipher }))).await
    }

    /// Error `not_found` where there is none.
    pub async fn remove(&self, scope: &Scope, name: &str) -> Result<(), Error> {
        let key = format!("{scope}/{name}");
        if self.store.document(COLLECTION, &key).await?.is_none() {
            return Err(Error::new(
                Kind::NotFound,
                format!("there is no stored secret `{name}` in {scope}"),
            ));
        }
        self.put(key, None).await
    }

    async fn put(&self, key: String, document: Option<Value>) -> Result<(), Error> {
        let change = Change::PutDocument {
            collection: COLLECTION.to_owned(),
            key,
            document,
        };
        self.store.commit(vec![change]).await.map(drop)
    }
}

fn place(key: &str) -> String {
    format!("{COLLECTION}/{key}")
}
