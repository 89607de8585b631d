//! The Akeneo stand-in: tokens, HAL lists, searches, writes, media, over a generated catalogue. Which
//! rule is where: `RULES.md`, numbers A-1 and on.

mod answer;
mod auth;
mod change;
mod lists;
mod media;
mod render;
mod search;
mod state;
mod structure;
mod writes;

use std::io;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde_json::{Value, json};

pub use auth::Connection;

use crate::catalogue;
use crate::faults::Fault;
use crate::front::{self, Incoming, Listen, Reply, Running, System};
use answer::{error, not_found, origin};
use auth::Auth;
use lists::View;
use state::State;
use writes::Target;

/// What can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// Size and seed of the catalogue.
    pub catalogue: catalogue::Options,
    /// Seed of the faults.
    pub seed: u64,
    /// Faults from the first request on.
    pub faults: Vec<Fault>,
    /// Clients with their users. Default: `weir_client`/`weir_secret` with `weir`/`weir_password`, and
    /// the same client with `restricted`/`weir_password`, who may not write and not see products.
    pub connections: Vec<Connection>,
    /// Life of a token in seconds. Default 3,600.
    pub token_seconds: u64,
    /// Whether changes carry the time of day (default), or count on from mid-2026 second by second.
    pub wall_clock: bool,
}

impl Default for Options {
    fn default() -> Self {
        let connection = |username: &str, write: bool, forbidden: &[&str]| Connection {
            client_id: "weir_client".to_owned(),
            secret: "weir_secret".to_owned(),
            username: username.to_owned(),
            password: "weir_password".to_owned(),
            write,
            forbidden: forbidden.iter().map(|name| (*name).to_owned()).collect(),
        };
        Self {
            port: 0,
            catalogue: catalogue::Options::default(),
            seed: 1,
            faults: Vec::new(),
            connections: vec![
                connection("weir", true, &[]),
                connection("restricted", false, &["products", "products-uuid"]),
            ],
            token_seconds: 3_600,
            wall_clock: true,
        }
    }
}

/// Starts a PIM with a generated catalogue.
///
/// # Errors
/// When the port is taken.
pub async fn start(options: Options) -> io::Result<Running> {
    let listen = Listen {
        port: options.port,
        faults: options.faults.clone(),
        seed: options.seed,
    };
    front::serve(Arc::new(Pim::new(options)), listen).await
}

struct Pim {
    options: Options,
    auth: Auth,
    state: RwLock<State>,
}

/// The small collections at the top, and whether they can be written.
const COLLECTIONS: &[(&str, &str, bool)] = &[
    ("categories", "Category", true),
    ("attributes", "Attribute", true),
    ("families", "Family", true),
    ("attribute-groups", "Attribute group", true),
    ("association-types", "Association type", true),
    ("channels", "Channel", true),
    ("locales", "Locale", false),
    ("currencies", "Currency", false),
    ("measurement-families", "Measurement family", false),
];

impl Pim {
    fn new(options: Options) -> Self {
        Self {
            auth: Auth::new(options.connections.clone(), options.token_seconds),
            state: RwLock::new(State::new(&options.catalogue, options.wall_clock)),
            options,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().expect("no panic while the state is held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().expect("no panic while the state is held")
    }

    fn rest(&self, request: &Incoming, parts: &[&str]) -> Reply {
        if let Some(resource) = parts.first() {
            if let Err(reply) = self.auth.admit(request, resource) {
                return reply;
            }
            if let Err(reply) = media_types(request, parts.len() % 2 == 1) {
                return reply;
            }
        }
        let entry = parts.first().and_then(|name| View::of(name));
        match (request.method.as_str(), parts, entry) {
            ("GET", [], _) => Reply::value(200, &json!({ "host": origin(request), "routes": {} })),
            ("GET", ["system-information"], _) => {
                Reply::value(200, &json!({ "version": "7.0.0", "edition": "CE" }))
            }
            ("GET", ["media-files", rest @ ..], _) => media::answer(&self.read(), request, rest),
            ("GET", [_], Some(view)) => lists::entries(&self.read(), request, view),
            ("GET", [_, key], Some(view)) => lists::entry(&self.read(), request, view, key),
            ("POST", [_], Some(view)) => writes::create(&mut self.write(), Target::Entry(view), request),
            ("PATCH", [_], Some(view)) => {
                writes::patch_lines(&mut self.write(), Target::Entry(view), request)
            }
            ("PATCH", [_, key], Some(view)) => {
                writes::patch(&mut self.write(), Target::Entry(view), key, request)
            }
            (_, _, None) => self.items(request, parts),
            _ => error(405, "Method Not Allowed"),
        }
    }

    /// The small collections and the two that hang below others.
    fn items(&self, request: &Incoming, parts: &[&str]) -> Reply {
        let (path, what, writable, key) = match parts {
            [name, rest @ ..] if rest.len() < 2 => {
                let Some((_, what, writable)) =
                    COLLECTIONS.iter().find(|(collection, _, _)| collection == name)
                else {
                    return error(404, "No route found.");
                };
                ((*name).to_owned(), *what, *writable, rest.first())
            }
            ["families", family, "variants", rest @ ..] if rest.len() < 2 => (
                format!("families/{family}/variants"),
                "Family variant",
                true,
                rest.first(),
            ),
            ["attributes", attribute, "options", rest @ ..] if rest.len() < 2 => (
                format!("attributes/{attribute}/options"),
                "Attribute option",
                true,
                rest.first(),
            ),
            _ => return error(404, "No route found."),
        };
        if let [above @ ("families" | "attributes"), code, _, ..] = parts {
            let state = self.read();
            if !state.collection(above).is_some_and(|all| all.contains_key(*code)) {
                let above = if *above == "families" {
                    "Family"
                } else {
                    "Attribute"
                };
                return not_found(above, code);
            }
        }
        match (request.method.as_str(), key) {
            ("GET", None) => {
                let state = self.read();
                match state.collection(&path) {
                    Some(items) => lists::collection(items, request, &path),
                    None => error(
                        422,
                        "Only attributes of the types simple and multi select have options.",
                    ),
                }
            }
            ("GET", Some(key)) => {
                let state = self.read();
                match state.collection(&path).and_then(|items| items.get(*key)) {
                    Some(item) => Reply::value(200, &lists::linked(&origin(request), &path, item)),
                    None => not_found(what, key),
                }
            }
            ("POST", None) if writable => writes::create(&mut self.write(), Target::Item(&path), request),
            ("PATCH", None) if writable => {
                writes::patch_lines(&mut self.write(), Target::Item(&path), request)
            }
            ("PATCH", Some(key)) if writable => {
                writes::patch(&mut self.write(), Target::Item(&path), key, request)
            }
            _ => error(405, "Method Not Allowed"),
        }
    }
}

/// 406 for an answer that is not JSON, 415 for a body of the wrong kind; `list` says that the path is
/// that of a list, where a PATCH carries lines.
fn media_types(request: &Incoming, list: bool) -> Result<(), Reply> {
    let download = request.path.ends_with("/download");
    if let Some(accept) = request.header("accept")
        && !download
        && !accept.contains("application/json")
        && !accept.contains("*/*")
    {
        return Err(error(
            406,
            &format!("'{accept}' in 'Accept' header is not valid. Only 'application/json' is allowed."),
        ));
    }
    let allowed = match request.method.as_str() {
        "GET" => return Ok(()),
        "PATCH" if list => "application/vnd.akeneo.collection+json",
        _ => "application/json",
    };
    let sent = request.header("content-type").unwrap_or_default();
    if sent.split(';').next().unwrap_or_default().trim() == allowed {
        return Ok(());
    }
    Err(error(
        415,
        &format!("The '{sent}' content type is not allowed. Allowed content type is '{allowed}'."),
    ))
}

impl System for Pim {
    fn name(&self) -> &'static str {
        "akeneo"
    }

    fn answer(&self, request: &Incoming) -> Reply {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            ["api", "oauth", "v1", "token"] if request.method == "POST" => self.auth.token(request),
            ["api", "rest", "v1", rest @ ..] => self.rest(request, rest),
            _ => error(404, "No route found."),
        }
    }

    fn template(&self, request: &Incoming) -> String {
        let Some(rest) = request.path.strip_prefix("/api/rest/v1/") else {
            return request.path.clone();
        };
        if let Some(media) = rest.strip_prefix("media-files/") {
            let end = if media.ends_with("/download") {
                "/download"
            } else {
                ""
            };
            return format!("/api/rest/v1/media-files/{{code}}{end}");
        }
        let parts: Vec<&str> = rest
            .split('/')
            .filter(|part| !part.is_empty())
            .enumerate()
            .map(|(position, part)| if position % 2 == 1 { "{code}" } else { part })
            .collect();
        format!("/api/rest/v1/{}", parts.join("/"))
    }

    fn report(&self) -> Value {
        let state = self.read();
        let lost = lost_categories(&state);
        let mut sentences = Vec::new();
        if !lost.is_empty() {
            sentences.push(format!(
                "{} categories hang below one that does not exist.",
                lost.len()
            ));
        }
        if !state.broken.is_empty() {
            sentences.push(format!("{} products were broken on demand.", state.broken.len()));
        }
        let simple = state
            .products
            .entries
            .iter()
            .filter(|entry| entry.parent.is_none());
        let roots = state.models.entries.iter().filter(|entry| entry.parent.is_none());
        let (simple, roots) = (simple.count(), roots.count());
        let options: usize = state
            .collections
            .iter()
            .filter(|(path, _)| path.ends_with("/options"))
            .map(|(_, items)| items.len())
            .sum();
        json!({
            "simulator": "akeneo",
            "clean": lost.is_empty(),
            "sentences": sentences,
            "totals": state.totals(),
            "counts": {
                "products": state.products.entries.len(),
                "simple_products": simple,
                "variants": state.products.entries.len() - simple,
                "product_models": state.models.entries.len(),
                "root_models": roots,
                "sub_models": state.models.entries.len() - roots,
                "families": state.collection("families").map_or(0, |all| all.len()),
                "attribute_options": options,
                "disabled_products": state.products.entries.iter().filter(|entry| !entry.enabled).count(),
            },
            "broken": state.broken,
        })
    }

    fn keys(&self, kind: &str) -> Option<Vec<String>> {
        let state = self.read();
        let mut keys: Vec<String> = match kind {
            "categories" | "attributes" => state.collection(kind)?.keys().cloned().collect(),
            "abstracts" => state.abstracts().map(|entry| entry.key.to_string()).collect(),
            "concretes" => state
                .products
                .entries
                .iter()
                .map(|entry| entry.key.to_string())
                .collect(),
            _ => return None,
        };
        keys.sort_unstable();
        Some(keys)
    }

    fn change(&self, change: &Value) -> Result<Value, String> {
        change::change(&mut self.write(), change)
    }

    fn reset(&self) {
        *self.write() = State::new(&self.options.catalogue, self.options.wall_clock);
    }

    fn expire_tokens(&self) {
        self.auth.expire();
    }

    fn control(&self, _request: &Incoming, _parts: &[&str]) -> Option<Reply> {
        None
    }
}

fn lost_categories(state: &State) -> Vec<String> {
    let Some(all) = state.collection("categories") else {
        return Vec::new();
    };
    all.iter()
        .filter(|(_, item)| {
            item["parent"]
                .as_str()
                .is_some_and(|parent| !all.contains_key(parent))
        })
        .map(|(code, _)| code.clone())
        .collect()
}
