//! Tokens of the PIM: client and password, refresh, rights.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answer::{error, unprocessable};
use crate::front::{Incoming, Reply, form_pairs};
use crate::random::Random;

/// A connection as set up in the PIM: client, user and what the user may do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub secret: String,
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
    /// Whether writes are allowed. Default true.
    #[serde(default = "yes")]
    pub write: bool,
    /// Resources that may not even be listed, for example `products`.
    #[serde(default)]
    pub forbidden: Vec<String>,
}

fn yes() -> bool {
    true
}

struct Token {
    connection: usize,
    until: Instant,
}

#[derive(Default)]
struct State {
    serial: u64,
    access: HashMap<String, Token>,
    refresh: HashMap<String, usize>,
}

pub(crate) struct Auth {
    connections: Vec<Connection>,
    seconds: u64,
    state: Mutex<State>,
}

impl Auth {
    pub(crate) fn new(connections: Vec<Connection>, seconds: u64) -> Self {
        Self {
            connections,
            seconds,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic while tokens are held")
    }

    /// Refresh tokens survive, so that both ways back are open.
    pub(crate) fn expire(&self) {
        self.state().access.clear();
    }

    /// `POST /api/oauth/v1/token`, body as JSON or form.
    pub(crate) fn token(&self, request: &Incoming) -> Reply {
        let body: Value = match serde_json::from_slice(&request.body) {
            Ok(value) => value,
            Err(_) => form_pairs(&String::from_utf8_lossy(&request.body))
                .into_iter()
                .map(|(name, value)| (name, Value::String(value)))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        };
        let client = request
            .header("authorization")
            .and_then(|text| text.strip_prefix("Basic "))
            .and_then(|text| STANDARD.decode(text.trim()).ok())
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let client = client.as_deref().and_then(|text| text.split_once(':'));
        let is_client = |connection: &Connection| {
            client == Some((connection.client_id.as_str(), connection.secret.as_str()))
        };
        if !self.connections.iter().any(is_client) {
            return unprocessable(
                "Parameter \"client_id\" is missing or does not match any client, or secret is invalid",
            );
        }
        let field = |name: &str| body[name].as_str().unwrap_or_default();
        match field("grant_type") {
            "password" => {
                let found = self.connections.iter().position(|connection| {
                    is_client(connection)
                        && connection.username == field("username")
                        && connection.password == field("password")
                });
                match found {
                    Some(connection) => self.give(connection),
                    None => unprocessable("No user found for the given username and password"),
                }
            }
            "refresh_token" => {
                let found = self.state().refresh.remove(field("refresh_token"));
                match found {
                    Some(connection) => self.give(connection),
                    None => unprocessable("Refresh token is invalid or has expired"),
                }
            }
            _ => unprocessable("The grant type must be password or refresh_token"),
        }
    }

    fn give(&self, connection: usize) -> Reply {
        let mut state = self.state();
        state.serial += 1;
        let mut random = Random::new(state.serial, 0x70c);
        let mut noise = || {
            STANDARD
                .encode(
                    (0..8)
                        .flat_map(|_| random.next().to_le_bytes())
                        .collect::<Vec<u8>>(),
                )
                .replace(['/', '+', '='], "x")
        };
        let (access, refresh) = (noise(), noise());
        let until = Instant::now() + Duration::from_secs(self.seconds);
        state.access.insert(access.clone(), Token { connection, until });
        state.refresh.insert(refresh.clone(), connection);
        Reply::value(
            200,
            &json!({
                "access_token": access,
                "expires_in": self.seconds,
                "token_type": "bearer",
                "scope": null,
                "refresh_token": refresh,
            }),
        )
    }

    /// Lets a request through, or answers why not; `resource` is the first part of the path.
    pub(crate) fn admit(&self, request: &Incoming, resource: &str) -> Result<(), Reply> {
        let Some(authorization) = request.header("authorization") else {
            return Err(error(401, "Authentication is required"));
        };
        let token = authorization
            .split_once(' ')
            .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        let connection = {
            let state = self.state();
            match state.access.get(token) {
                None => return Err(error(401, "The access token provided is invalid.")),
                Some(token) if Instant::now() >= token.until => {
                    return Err(error(401, "The access token provided has expired."));
                }
                Some(token) => token.connection,
            }
        };
        let connection = &self.connections[connection];
        let writes = request.method != "GET";
        if connection.forbidden.iter().any(|name| name == resource) || (writes && !connection.write) {
            let what = if writes { "create or update" } else { "list" };
            return Err(error(
                403,
                &format!("Access forbidden. You are not allowed to {what} {resource}."),
            ));
        }
        Ok(())
    }
}
