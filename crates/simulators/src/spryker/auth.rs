//! Who may ask: back-office users with tokens, and API keys.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Profile;
use super::problem::{Language, Problem};
use super::write::refuse_one;
use crate::front::{Incoming, Reply, form_pairs};
use crate::random::Random;

/// A back-office user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// Name to sign in with.
    pub username: String,
    /// Password.
    pub password: String,
    /// Whether a second factor protects the user, which machines cannot give.
    #[serde(default)]
    pub mfa: bool,
}

struct Token {
    user: usize,
    until: Instant,
}

#[derive(Default)]
struct State {
    serial: u64,
    access: HashMap<String, Token>,
    refresh: HashMap<String, usize>,
}

pub(crate) struct Auth {
    profile: Profile,
    users: Vec<User>,
    keys: Vec<String>,
    seconds: u64,
    state: Mutex<State>,
}

impl Auth {
    pub(crate) fn new(profile: Profile, users: Vec<User>, keys: Vec<String>, seconds: u64) -> Self {
        Self {
            profile,
            users,
            keys,
            seconds,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while tokens are held")
    }

    pub(crate) fn expire(&self) {
        let mut state = self.state();
        state.access.clear();
    }

    /// `POST /token`.
    pub(crate) fn token(&self, request: &Incoming) -> Reply {
        let form = form_pairs(&String::from_utf8_lossy(&request.body));
        let field = |name: &str| {
            form.iter()
                .find(|(have, _)| have == name)
                .map_or("", |(_, value)| value.as_str())
        };
        let form_typed = request
            .header("content-type")
            .is_some_and(|text| text.starts_with("application/x-www-form-urlencoded"));
        let german = Language::of(request.header("accept-language")) == Language::German;
        let refuse = |code, english: &str, text: &str| {
            refuse_one(Problem::new(code, 400, if german { text } else { english }))
        };
        let user = match field("grant_type") {
            "password" if form_typed => self
                .users
                .iter()
                .position(|user| user.username == field("username") && user.password == field("password")),
            "refresh_token" if form_typed && self.profile == Profile::Doc2024 => {
                self.state().refresh.remove(field("refresh_token"))
            }
            _ => {
                return refuse(
                    "unsupported_grant_type",
                    "The authorization grant type is not supported by the authorization server.",
                    "Diese Art der Anmeldung wird nicht unterstützt.",
                );
            }
        };
        match user {
            Some(user) => self.give(user),
            None => refuse(
                "invalid_grant",
                "The user credentials were incorrect.",
                "Die Anmeldedaten sind falsch.",
            ),
        }
    }

    fn give(&self, user: usize) -> Reply {
        let mut state = self.state();
        state.serial += 1;
        let serial = state.serial;
        let (access, refresh) = (self.jwt(user, serial), format!("refresh-{serial}-{user}"));
        let until = Instant::now() + Duration::from_secs(self.seconds);
        state.access.insert(access.clone(), Token { user, until });
        state.refresh.insert(refresh.clone(), user);
        let token = json!({
            "token_type": "Bearer",
            "expires_in": self.seconds,
            "access_token": access,
            "refresh_token": refresh,
        });
        match self.profile {
            Profile::Doc2024 => Reply::value(200, &token),
            Profile::Code2026 => Reply::value(201, &Value::Array(vec![token])),
        }
    }

    /// Looks like a signed token; the signature is noise, for nobody verifies it.
    fn jwt(&self, user: usize, serial: u64) -> String {
        let now = jiff::Timestamp::now().as_second();
        let subject = json!({
            "user_reference": null,
            "id_user": user + 1,
            "uuid": format!("00000000-0000-4000-8000-{:012}", user + 1),
        });
        let claims = json!({
            "aud": "backend",
            "jti": format!("{serial:016x}"),
            "iat": now,
            "exp": now + i64::try_from(self.seconds).unwrap_or(i64::MAX / 2),
            "sub": subject.to_string(),
            "scopes": ["user"],
        });
        let mut random = Random::new(serial, user as u64);
        let noise: Vec<u8> = (0..32).flat_map(|_| random.next().to_le_bytes()).collect();
        format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"typ":"JWT","alg":"RS256"}"#),
            URL_SAFE_NO_PAD.encode(claims.to_string()),
            URL_SAFE_NO_PAD.encode(noise)
        )
    }

    /// Lets a request on a protected path through, or says why not.
    pub(crate) fn admit(&self, request: &Incoming, pairs: &[(String, String)]) -> Result<(), Problem> {
        let german = Language::of(request.header("accept-language")) == Language::German;
        let say = |code, status, english: &str, text: &str| {
            Err(Problem::new(code, status, if german { text } else { english }))
        };
        let sent_key = request.header("x-api-key").or_else(|| {
            pairs
                .iter()
                .find(|(name, _)| name == "api_key")
                .map(|(_, value)| value.as_str())
        });
        if sent_key.is_some_and(|key| self.keys.iter().any(|have| have == key)) {
            return Ok(());
        }
        let Some(authorization) = request.header("authorization") else {
            return say("", 403, "Unauthorized request.", "Nicht autorisierte Anfrage.");
        };
        let Some((_, token)) = authorization.split_once(' ') else {
            return say("002", 403, "Missing access token.", "Das Zugriffstoken fehlt.");
        };
        let user = {
            let state = self.state();
            state
                .access
                .get(token.trim())
                .filter(|token| Instant::now() < token.until)
                .map(|token| token.user)
        };
        let Some(user) = user else {
            return say("001", 401, "Invalid access token.", "Ungültiges Zugriffstoken.");
        };
        if !self.users[user].mfa {
            return Ok(());
        }
        match request.header("x-mfa-code") {
            None => say(
                "5900",
                403,
                "X-MFA-Code header is missing.",
                "Der Header X-MFA-Code fehlt.",
            ),
            Some(_) => say("5901", 403, "X-MFA-Code is invalid.", "X-MFA-Code ist ungültig."),
        }
    }
}
