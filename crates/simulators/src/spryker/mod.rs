//! The Spryker stand-in: Data Exchange API, token endpoint, and two Backend API resources on the same
//! tables. Which rule is where: `RULES.md`, numbers S-1 and on.

mod auth;
mod backend;
mod book;
mod cell;
mod definition;
mod problem;
mod read;
mod report;
mod seed;
mod store;
mod table;
mod validate;
mod write;

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use auth::User;
pub use definition::{FieldText, RelationText, ResourceText};
pub use validate::ChildWithoutId;

use crate::faults::Fault;
use crate::front::{self, Incoming, Listen, Reply, Running, System};
use auth::Auth;
use definition::Definitions;
use problem::{Language, Problem, Problems};
use store::Store;
use validate::Mode;
use write::{Write, refuse_one};

/// Where the documents and the server code differ, one of the two is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// As documented in 2024: token as an object with 200, one entity as a list, 20 rows by default,
    /// refusals of the database with 400.
    Doc2024,
    /// As in the code of 2026: token as a list with 201, one entity as an object, 1000 rows by
    /// default, refusals of the database with 500.
    #[default]
    Code2026,
}

/// What can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// Which version is played.
    pub profile: Profile,
    /// Seed of the faults.
    pub seed: u64,
    /// Faults from the first request on.
    pub faults: Vec<Fault>,
    /// Back-office users. Default: `admin@weir.example` and, protected by a second factor,
    /// `mfa@weir.example`, both with `change123`.
    pub users: Vec<User>,
    /// API keys. Default: `weir-api-key`.
    pub api_keys: Vec<String>,
    /// Life of a token in seconds. Default 28,800.
    pub token_seconds: u64,
    /// Resources that are not active. Default: none.
    pub inactive: Vec<String>,
    /// Resources that allow DELETE besides the configured ones.
    pub deletable: Vec<String>,
    /// What happens to a child without an identifier in a PATCH.
    pub child_without_id: ChildWithoutId,
    /// Whether each commit turns the order of unfiltered pages.
    pub shuffle_pages: bool,
    /// Whether `/categories` and `/product-attributes` exist. Default true.
    pub backend_api: bool,
    /// Further resources.
    pub more_resources: Vec<ResourceText>,
}

impl Default for Options {
    fn default() -> Self {
        let user = |username: &str, mfa| User {
            username: username.to_owned(),
            password: "change123".to_owned(),
            mfa,
        };
        Self {
            port: 0,
            profile: Profile::default(),
            seed: 1,
            faults: Vec::new(),
            users: vec![user("admin@weir.example", false), user("mfa@weir.example", true)],
            api_keys: vec!["weir-api-key".to_owned()],
            token_seconds: 28_800,
            inactive: Vec::new(),
            deletable: Vec::new(),
            child_without_id: ChildWithoutId::default(),
            shuffle_pages: false,
            backend_api: true,
            more_resources: Vec::new(),
        }
    }
}

/// Starts a shop that has its stores, locales and taxes and no product.
///
/// # Errors
/// When the port is taken.
pub async fn start(options: Options) -> io::Result<Running> {
    let listen = Listen {
        port: options.port,
        faults: options.faults.clone(),
        seed: options.seed,
    };
    front::serve(Arc::new(Shop::new(options)), listen).await
}

/// What can be switched while it runs.
#[derive(Default)]
struct Switches {
    inactive: HashSet<usize>,
    deletable: HashSet<usize>,
}

struct Shop {
    options: Options,
    definitions: Definitions,
    auth: Auth,
    store: RwLock<Store>,
    switches: RwLock<Switches>,
    /// Image sets of categories, which no table of the shipped resources holds.
    images: std::sync::Mutex<std::collections::HashMap<String, Value>>,
}

impl Shop {
    fn new(options: Options) -> Self {
        let definitions = Definitions::load(&options.more_resources);
        let positions = |names: &[String]| {
            names
                .iter()
                .filter_map(|name| definitions.position(name))
                .collect()
        };
        Self {
            auth: Auth::new(
                options.profile,
                options.users.clone(),
                options.api_keys.clone(),
                options.token_seconds,
            ),
            store: RwLock::new(seed::store(&definitions)),
            switches: RwLock::new(Switches {
                inactive: positions(&options.inactive),
                deletable: positions(&options.deletable),
            }),
            images: std::sync::Mutex::default(),
            definitions,
            options,
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Store> {
        self.store.read().expect("no panic while the store is held")
    }

    fn write(&self) -> RwLockWriteGuard<'_, Store> {
        self.store.write().expect("no panic while the store is held")
    }

    fn problems(&self, request: &Incoming) -> Problems {
        Problems {
            language: Language::of(request.header("accept-language")),
            profile: self.options.profile,
        }
    }

    /// `/dynamic-entity/{resource}` and `/dynamic-entity/{resource}/{id}`.
    fn dynamic(&self, request: &Incoming, name: &str, id: Option<&str>) -> Reply {
        let problems = self.problems(request);
        let pairs = request.pairs();
        if let Err(problem) = self.auth.admit(request, &pairs) {
            return refuse_one(problem);
        }
        if let Err(problem) = media(request) {
            return refuse_one(problem);
        }
        let (resource, deletable) = {
            let switches = self.switches.read().expect("no panic while switches are held");
            match self.definitions.position(name) {
                Some(resource) if !switches.inactive.contains(&resource) => {
                    let also = switches.deletable.contains(&resource);
                    (resource, also || self.definitions.resources[resource].deletable)
                }
                _ => return refuse_one(problems.not_found()),
            }
        };
        let number = id.map(|id| id.parse::<i64>().unwrap_or(-1));
        let mode = match request.method.as_str() {
            "GET" => return self.get(problems, resource, number, &pairs),
            "POST" if id.is_none() => Mode::Create,
            "PATCH" => Mode::Update,
            "PUT" => Mode::Replace,
            "DELETE" => {
                if !deletable {
                    return refuse_one(problems.not_deletable(name));
                }
                return match read::understand(&self.definitions, problems, resource, &pairs) {
                    Ok(query) => write::delete(
                        &mut self.write(),
                        &self.definitions,
                        problems,
                        resource,
                        number,
                        &query,
                    ),
                    Err(problem) => refuse_one(problem),
                };
            }
            _ => return refuse_one(problems.not_found()),
        };
        let apart = request
            .header("x-is-transactional")
            .is_some_and(|value| value == "0" || value.eq_ignore_ascii_case("false"));
        let write = Write {
            definitions: &self.definitions,
            problems,
            child_without_id: self.options.child_without_id,
            resource,
            mode,
            id: number,
            whole: !apart,
        };
        write.run(&self.store, &request.body)
    }

    fn get(&self, problems: Problems, resource: usize, id: Option<i64>, pairs: &[(String, String)]) -> Reply {
        let query = match read::understand(&self.definitions, problems, resource, pairs) {
            Ok(query) => query,
            Err(problem) => return refuse_one(problem),
        };
        let needed = read::indexes(&self.definitions, resource, &query);
        let mut store = self.read();
        let missing: Vec<_> = needed
            .iter()
            .filter(|(table, field)| !store.tables[*table].has_index(*field))
            .collect();
        if !missing.is_empty() {
            drop(store);
            let mut writable = self.write();
            for (table, field) in missing {
                writable.tables[*table].ensure_index(*field);
            }
            drop(writable);
            // A reset in between may have dropped the indexes; they are looked at again below.
            store = self.read();
            if needed
                .iter()
                .any(|(table, field)| !store.tables[*table].has_index(*field))
            {
                drop(store);
                return self.get(problems, resource, id, pairs);
            }
        }
        if let Some(id) = id {
            return read::one(&store, &self.definitions, problems, resource, Some(id), &query);
        }
        let default_limit = match self.options.profile {
            Profile::Doc2024 => 20,
            Profile::Code2026 => 1000,
        };
        read::list(
            &store,
            &self.definitions,
            resource,
            &query,
            default_limit,
            self.options.shuffle_pages,
        )
    }
}

/// The content type chooses the form of the answer, so the real server needs it on GET, too.
fn media(request: &Incoming) -> Result<(), Problem> {
    match request.header("content-type") {
        None => {
            return Err(Problem::new(
                "",
                500,
                "Internal server error: the request has no content type",
            ));
        }
        Some(kind) if !kind.starts_with("application/json") => {
            return Err(Problem::new("", 415, "Unsupported media type"));
        }
        Some(_) => {}
    }
    match request.header("accept") {
        None => Ok(()),
        Some(accept) if accept.contains("application/json") || accept.contains("*/*") => Ok(()),
        Some(_) => Err(Problem::new("", 415, "Unsupported media type")),
    }
}

impl System for Shop {
    fn name(&self) -> &'static str {
        "spryker"
    }

    fn answer(&self, request: &Incoming) -> Reply {
        let segments = request.segments();
        let parts: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            ["token"] if request.method == "POST" => self.auth.token(request),
            ["dynamic-entity", name] => self.dynamic(request, name, None),
            ["dynamic-entity", name, id] => self.dynamic(request, name, Some(id)),
            [kind @ ("categories" | "product-attributes"), rest @ ..]
                if self.options.backend_api && rest.len() < 2 =>
            {
                self.backend(request, kind, rest.first().copied())
            }
            _ => refuse_one(self.problems(request).not_found()),
        }
    }

    fn template(&self, request: &Incoming) -> String {
        let mut parts = request.path.split('/').filter(|part| !part.is_empty());
        match (parts.next(), parts.next(), parts.next()) {
            (Some("dynamic-entity"), Some(name), Some(_)) => format!("/dynamic-entity/{name}/{{id}}"),
            (Some(kind @ ("categories" | "product-attributes")), Some(_), _) => {
                format!("/{kind}/{{key}}")
            }
            _ => request.path.clone(),
        }
    }

    fn report(&self) -> Value {
        report::report(&mut self.write(), &self.definitions)
    }

    fn keys(&self, kind: &str) -> Option<Vec<String>> {
        report::keys(&self.read(), &self.definitions, kind)
    }

    /// `{"kind": "activate" | "deactivate" | "allow_delete" | "forbid_delete", "resource": NAME}`.
    fn change(&self, change: &Value) -> Result<Value, String> {
        let name = change["resource"].as_str().unwrap_or_default();
        let resource = self
            .definitions
            .position(name)
            .ok_or_else(|| format!("There is no resource `{name}`."))?;
        let mut switches = self.switches.write().expect("no panic while switches are held");
        match change["kind"].as_str().unwrap_or_default() {
            "activate" => switches.inactive.remove(&resource),
            "deactivate" => switches.inactive.insert(resource),
            "allow_delete" => switches.deletable.insert(resource),
            "forbid_delete" => switches.deletable.remove(&resource),
            other => {
                return Err(format!(
                    "`{other}` is no change of this simulator; it knows activate, deactivate, allow_delete, forbid_delete."
                ));
            }
        };
        Ok(json!({ "ok": true }))
    }

    fn reset(&self) {
        *self.write() = seed::store(&self.definitions);
        self.images
            .lock()
            .expect("no panic while images are held")
            .clear();
    }

    fn expire_tokens(&self) {
        self.auth.expire();
    }

    fn control(&self, _request: &Incoming, _parts: &[&str]) -> Option<Reply> {
        None
    }
}
