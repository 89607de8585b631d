use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_model::{Error, Kind};
use weir_sdk::context::Clock;
use weir_sdk::store::{Change, Store};

use crate::attempts::Attempts;
use crate::password;
use crate::permissions::Role;
use crate::token;

const USERS: &str = "users";
const SESSIONS: &str = "sessions";
const TOKENS: &str = "tokens";
const SETUP: &str = "setup";

/// A session ends when it was not used for this long.
const SESSION_HOURS: i64 = 12;
/// Its expiry moves with use, but is written down at most this often.
const SESSION_TOUCH_MINUTES: i64 = 10;
/// A session ends at this age in any case.
const SESSION_DAYS_MAX: i64 = 7;
const TOKEN_DAYS_MAX: u32 = 3_650;
const TOKENS_MAX: usize = 1_000;

/// Somebody who has shown who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A user's name, `token NAME`, or `socket`.
    pub name: String,
    pub role: Role,
}

/// Users, sessions and tokens.
pub struct Access {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    attempts: Attempts,
}

#[derive(Serialize, Deserialize)]
struct User {
    password: String,
    role: Role,
    created_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Session {
    user: String,
    created_at: Timestamp,
    expires_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Token {
    hash: String,
    role: Role,
    created_at: Timestamp,
    expires_at: Timestamp,
}

/// A token as lists show it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct TokenRow {
    pub name: String,
    pub role: Role,
    #[schemars(with = "String")]
    pub created_at: Timestamp,
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
}

/// A fresh token: the only time its text is seen.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct MadeToken {
    pub name: String,
    pub token: String,
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
}

impl Access {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Access {
            store,
            clock,
            attempts: Attempts::default(),
        }
    }

    /// A fresh one-time token for the set-up link while there is no administrator; each call makes the former one
    /// useless. `None` once somebody was set up.
    pub async fn setup_token(&self) -> Result<Option<String>, Error> {
        if !self.store.documents(USERS).await?.is_empty() {
            return Ok(None);
        }
        let text = token::fresh();
        self.put(SETUP, "token", Some(Value::String(token::hash(&text))))
            .await?;
        Ok(Some(text))
    }

    /// Makes the administrator, once, with the token of the link; answers a session.
    pub async fn setup(&self, token: &str, name: &str, password: &str) -> Result<String, Error> {
        self.attempts.allow(self.clock.monotonic_ms())?;
        let stored = self.store.document(SETUP, "token").await?;
        let good = stored.as_ref().and_then(Value::as_str) == Some(token::hash(token).as_str());
        if !good || !self.store.documents(USERS).await?.is_empty() {
            self.attempts.failed(self.clock.monotonic_ms());
            let message = "this set-up link was used already or is not the newest: the server prints one when it starts, \
                           as long as there is no administrator";
            return Err(Error::new(Kind::Forbidden, message));
        }
        let named = !name.is_empty() && name.chars().count() <= 64 && !name.chars().any(char::is_control);
        if !named {
            return Err(
                Error::new(Kind::Invalid, "a name has between 1 and 64 characters").with("field", "name"),
            );
        }
        let password = password::hash(password.to_owned()).await?;
        let user = User {
            password,
            role: Role::Administrator,
            created_at: self.clock.now(),
        };
        // One commit: the token is used up exactly when the administrator exists.
        self.store
            .commit(vec![
                put(USERS, name, Some(document(&user)?)),
                put(SETUP, "token", None),
            ])
            .await?;
        self.open_session(name).await
    }

    /// A session for a name and password; the text goes into a cookie.
    pub async fn sign_in(&self, name: &str, password: &str) -> Result<String, Error> {
        self.attempts.allow(self.clock.monotonic_ms())?;
        let user: Option<User> = self.get(USERS, name).await?;
        if !password::verify(password.to_owned(), user.map(|user| user.password)).await? {
            self.attempts.failed(self.clock.monotonic_ms());
            return Err(Error::new(
                Kind::Unauthenticated,
                "this name and password do not belong together",
            ));
        }
        self.open_session(name).await
    }

    pub async fn sign_out(&self, session: &str) -> Result<(), Error> {
        self.put(SESSIONS, &token::hash(session), None).await
    }

    /// Who a session belongs to, while it lasts.
    pub async fn session(&self, session: &str) -> Result<Option<Identity>, Error> {
        let key = token::hash(session);
        let Some(mut stored) = self.get::<Session>(SESSIONS, &key).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        if stored.expires_at <= now {
            self.put(SESSIONS, &key, None).await?;
            return Ok(None);
        }
        let Some(user) = self.get::<User>(USERS, &stored.user).await? else {
            return Ok(None);
        };
        let fresh = self.session_end(stored.created_at, now);
        if fresh.duration_since(stored.expires_at) > SignedDuration::from_mins(SESSION_TOUCH_MINUTES) {
            stored.expires_at = fresh;
            self.put(SESSIONS, &key, Some(document(&stored)?)).await?;
        }
        Ok(Some(Identity {
            name: stored.user,
            role: user.role,
        }))
    }

    /// Makes an API token. Its text is in the answer and nowhere else.
    pub async fn make_token(&self, name: &str, role: Role, days: u32) -> Result<MadeToken, Error> {
        let good = !name.is_empty()
            && name.len() <= 64
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        if !good {
            let message = "a token's name has letters, digits, `-`, `_` and `.`, at most 64";
            return Err(Error::new(Kind::Invalid, message).with("field", "name"));
        }
        if days == 0 || days > TOKEN_DAYS_MAX {
            let message = format!("a token lasts between 1 and {TOKEN_DAYS_MAX} days");
            return Err(Error::new(Kind::Invalid, message).with("field", "days"));
        }
        let all = self.store.documents(TOKENS).await?;
        if all.iter().any(|(other, _)| other == name) {
            let message =
                format!("there is a token `{name}` already: revoke it first, or choose another name");
            return Err(Error::new(Kind::Conflict, message));
        }
        if all.len() >= TOKENS_MAX {
            return Err(Error::new(
                Kind::Limit,
                format!("there are {TOKENS_MAX} tokens: revoke some first"),
            ));
        }
        let (text, now) = (token::fresh(), self.clock.now());
        let expires_at = later(now, SignedDuration::from_hours(24 * i64::from(days)));
        let stored = Token {
            hash: token::hash(&text),
            role,
            created_at: now,
            expires_at,
        };
        self.put(TOKENS, name, Some(document(&stored)?)).await?;
        Ok(MadeToken {
            name: name.to_owned(),
            token: text,
            expires_at,
        })
    }

    pub async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        let mut rows = Vec::new();
        for (name, value) in self.store.documents(TOKENS).await? {
            let Token {
                role,
                created_at,
                expires_at,
                ..
            } = read(TOKENS, &name, value)?;
            rows.push(TokenRow {
                name,
                role,
                created_at,
                expires_at,
            });
        }
        Ok(rows)
    }

    /// Error `not_found` where there is none.
    pub async fn revoke_token(&self, name: &str) -> Result<(), Error> {
        if self.store.document(TOKENS, name).await?.is_none() {
            return Err(Error::new(Kind::NotFound, format!("there is no token `{name}`")));
        }
        self.put(TOKENS, name, None).await
    }

    /// Who a token belongs to, while it lasts.
    pub async fn token(&self, text: &str) -> Result<Option<Identity>, Error> {
        let hash = token::hash(text);
        for (name, value) in self.store.documents(TOKENS).await? {
            let stored: Token = read(TOKENS, &name, value)?;
            if stored.hash == hash {
                let alive = stored.expires_at > self.clock.now();
                return Ok(alive.then(|| Identity {
                    name: format!("token {name}"),
                    role: stored.role,
                }));
            }
        }
        Ok(None)
    }

    async fn open_session(&self, user: &str) -> Result<String, Error> {
        let (text, now) = (token::fresh(), self.clock.now());
        self.forget_old_sessions(now).await?;
        let session = Session {
            user: user.to_owned(),
            created_at: now,
            expires_at: self.session_end(now, now),
        };
        self.put(SESSIONS, &token::hash(&text), Some(document(&session)?))
            .await?;
        Ok(text)
    }

    async fn forget_old_sessions(&self, now: Timestamp) -> Result<(), Error> {
        let mut changes = Vec::new();
        for (key, value) in self.store.documents(SESSIONS).await? {
            if read::<Session>(SESSIONS, &key, value)?.expires_at <= now {
                changes.push(put(SESSIONS, &key, None));
            }
        }
        if changes.is_empty() {
            Ok(())
        } else {
            self.store.commit(changes).await.map(drop)
        }
    }

    fn session_end(&self, created_at: Timestamp, now: Timestamp) -> Timestamp {
        let by_use = later(now, SignedDuration::from_hours(SESSION_HOURS));
        by_use.min(later(
            created_at,
            SignedDuration::from_hours(24 * SESSION_DAYS_MAX),
        ))
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        collection: &str,
        key: &str,
    ) -> Result<Option<T>, Error> {
        let value = self.store.document(collection, key).await?;
        value.map(|value| read(collection, key, value)).transpose()
    }

    async fn put(&self, collection: &str, key: &str, document: Option<Value>) -> Result<(), Error> {
        self.store
            .commit(vec![put(collection, key, document)])
            .await
            .map(drop)
    }
}

fn put(collection: &str, key: &str, document: Option<Value>) -> Change {
    Change::PutDocument {
        collection: collection.to_owned(),
        key: key.to_owned(),
        document,
    }
}

fn document(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value)
        .map_err(|error| Error::bug("a document cannot be written as JSON").source(error))
}

fn read<T: serde::de::DeserializeOwned>(collection: &str, key: &str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| {
        Error::bug(format!(
            "the stored document {collection}/{key} is not what it should be"
        ))
        .source(error)
    })
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
