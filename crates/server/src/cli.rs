//! The command line: what can be said to `weir`. What each command does is in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::exit;

/// Moves records between systems: durably, in the right order, checked, findable.
#[derive(Parser)]
#[command(name = "weir", version, after_help = exit::HELP, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where things are, and how answers look.
#[derive(Args, Clone)]
pub(crate) struct Place {
    /// The project folder [default: the folder one stands in; or WEIR_PROJECT].
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) project: Option<PathBuf>,
    /// The environment [default: the first that weir.yaml names; `check` looks at all].
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The data folder [default: `.weir` in the project folder; or WEIR_DATA].
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) data: Option<PathBuf>,
    /// Address of a running server, instead of the one that uses the data folder [or WEIR_SERVER].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// API token for `--server` [or WEIR_TOKEN].
    #[arg(long, global = true, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// Answer as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Shows it all: starts a simulated Akeneo and Spryker and delivers a catalogue from one to the other.
    Demo(Demo),
    /// Runs the project's routes, and the API and status page.
    Serve(Serve),
    /// Checks every file of the project, offline.
    Check,
    /// Runs the cases of the maps (maps/*.cases.yaml), offline.
    Test {
        /// Only maps whose name contains this.
        filter: Option<String>,
    },
    /// Runs one route, here or in the running server, and waits until it is settled.
    Run(Run),
    /// Sends one entity through a route's steps and shows what would be written; nothing is sent.
    Try {
        route: String,
        /// A JSON file with the entity as the source gives it; `-` reads standard input.
        #[arg(long, value_name = "FILE")]
        input: PathBuf,
    },
    /// Lists tasks, shows one, or acts on one or many.
    #[command(subcommand)]
    Tasks(Box<Tasks>),
    /// Actions on many tasks: how they come along; pause, resume or cancel one.
    #[command(subcommand)]
    Operations(Operations),
    /// Remembered pairs of keys and ids.
    #[command(subcommand)]
    Links(Links),
    /// Secrets that environment files declare as `store`.
    #[command(subcommand)]
    Secrets(Secrets),
    /// API tokens.
    #[command(subcommand)]
    Tokens(Tokens),
    /// Looks at the installation and tries every connection, and says what is wrong in plain words.
    Doctor {
        /// Only this connection.
        connection: Option<String>,
        /// Also sends one good and one bad row in a transaction that the target must roll back. Opt-in: plugins that
        /// run after a create still run before the rollback, so try it on a test system first.
        #[arg(long)]
        dry_run_write: bool,
    },
    /// Prints the JSON Schema of a project file, or writes all of them.
    Schema {
        /// project, environment, connection, route, lookup … [default: lists them].
        name: Option<String>,
        /// Every schema.
        #[arg(long, requires = "out")]
        all: bool,
        /// Folder to write into.
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// Starts a project from a template.
    Init {
        /// Folder to make; must be empty or missing.
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// The template.
        #[arg(long, value_name = "TEMPLATE", default_value = "empty")]
        from: String,
    },
    /// Starts a stand-in of a system by hand, until Ctrl-C.
    Simulate(Simulate),
    /// Prints completions for a shell.
    Completions { shell: clap_complete::Shell },
    /// Prints the description of the API.
    #[command(hide = true)]
    Openapi,
}

#[derive(Args)]
pub(crate) struct Run {
    pub(crate) route: String,
    /// A back-fill: reads again what changed at this time or later, a date (from midnight UTC) or a time with its zone. The
    /// route's cursor stays where it is; cut off, the same command goes on.
    #[arg(long, value_name = "TIME", group = "what")]
    pub(crate) since: Option<String>,
    /// Only what changed before this time, as far as rows say when they changed.
    #[arg(long, value_name = "TIME", requires = "since")]
    pub(crate) until: Option<String>,
    /// Reads everything from the beginning, also what has not changed at the source.
    #[arg(long, group = "what")]
    pub(crate) full: bool,
    /// Sends again what asked this lookup for this row when it was delivered.
    #[arg(long, value_name = "TABLE/KEY", group = "what")]
    pub(crate) where_read: Option<String>,
}

#[derive(Args)]
pub(crate) struct Demo {
    /// End when everything is delivered, with exit code 0 only when the result is clean.
    #[arg(long)]
    pub(crate) once: bool,
    /// Categories in the generated catalogue.
    #[arg(long, default_value_t = 1200)]
    pub(crate) categories: usize,
    /// Attributes in the generated catalogue.
    #[arg(long, default_value_t = 150)]
    pub(crate) attributes: usize,
    /// Products in the generated catalogue: variants and simple ones.
    #[arg(long, default_value_t = 5000)]
    pub(crate) products: usize,
    /// Equal seeds give equal catalogues.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// What goes wrong, separated by commas: [akeneo:|spryker:]KIND[=SHARE], for example
    /// `spryker:status=0.02,akeneo:rate_limit`. Kinds: latency, rate_limit, status, cut, truncate, invalid_json,
    /// expire_tokens, down, late; and `broken` for a product with a broken price and one that Spryker refuses.
    #[arg(long, value_name = "FAULTS", value_delimiter = ',')]
    pub(crate) faults: Vec<String>,
    /// Port of the API and status page while it goes on serving.
    #[arg(long, default_value_t = 8420)]
    pub(crate) port: u16,
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Address to listen on. Reachable from outside only when you say so.
    #[arg(long, default_value = "127.0.0.1:8420", value_name = "ADDRESS:PORT")]
    pub(crate) listen: String,
}

/// Which tasks.
#[derive(Args, Default)]
pub(crate) struct Find {
    #[arg(long)]
    pub(crate) route: Option<String>,
    /// queued, running, waiting, retrying, done, skipped, dead, cancelled; may be repeated.
    #[arg(long)]
    pub(crate) state: Vec<String>,
    /// An exact key.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// A part of the key.
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// The kind of the error: rejected, invalid, unavailable …
    #[arg(long, value_name = "KIND")]
    pub(crate) error: Option<String>,
    /// The id of a run.
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// In their state since then: `2026-05-04T11:00:00Z`, or `2h` for two hours ago.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// In their state before then.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

/// One task, several, or all that a search finds; of more than one a preview is shown first.
#[derive(Args)]
pub(crate) struct Which {
    /// The task; several, or none and a search: then a preview is shown first.
    pub(crate) ids: Vec<String>,
    #[command(flatten)]
    pub(crate) find: Find,
    /// Do it without asking.
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Only show what would happen.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
}

#[derive(Subcommand)]
pub(crate) enum Tasks {
    /// Newest first.
    List {
        #[command(flatten)]
        find: Find,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// One task with its attempts.
    Show { id: String },
    /// Tries dead, retrying or waiting tasks again now.
    Retry(Which),
    /// Sends finished tasks again as new tasks.
    Replay {
        #[command(flatten)]
        which: Which,
        /// Also what is older than what was delivered last.
        #[arg(long)]
        force: bool,
        /// From this step on, with the entity as it was before it, as a recorded attempt shows it.
        #[arg(long, value_name = "STEP")]
        from: Option<String>,
        /// The release in force, or the one of the task's first attempt where that is still in force.
        #[arg(long, value_enum, default_value_t = Under::Today)]
        release: Under,
    },
    /// Changes the entity of tasks that have not ended, and tries them again.
    #[command(group(clap::ArgGroup::new("correction").required(true)))]
    Correct {
        #[command(flatten)]
        which: Which,
        /// One place and its new value: `values.price[0].data=19.90`; the value is JSON, or else a text.
        #[arg(long, value_name = "PATH=VALUE", group = "correction")]
        set: Option<String>,
        /// A file with operations of JSON Patch (RFC 6902).
        #[arg(long, value_name = "FILE", group = "correction")]
        patch: Option<PathBuf>,
        /// A file with the whole entity.
        #[arg(long, value_name = "FILE", group = "correction")]
        entity: Option<PathBuf>,
    },
    /// Answers the question for which a task waits, and lets it go on.
    #[command(group(clap::ArgGroup::new("answer").required(true)))]
    Answer {
        id: String,
        /// One place of the answer and its value: `approved=true`; the value is JSON, or else a text.
        #[arg(long, value_name = "PATH=VALUE", group = "answer")]
        set: Option<String>,
        /// A file with the whole answer.
        #[arg(long, value_name = "FILE", group = "answer")]
        entity: Option<PathBuf>,
    },
    /// Ends tasks without delivering them.
    Skip(Which),
    /// Stops tasks.
    Cancel(Which),
    /// Lets waiting tasks go although what they wait for is not there.
    Release(Which),
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Under {
    Today,
    Then,
}

impl Under {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Under::Today => "today",
            Under::Then => "then",
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Operations {
    /// Newest first.
    List {
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// How one comes along, and what it could not do.
    Show { id: String },
    /// Lets one stand still.
    Pause { id: String },
    /// Lets a paused one go on.
    Resume { id: String },
    /// Ends one; what it has done stays done.
    Cancel { id: String },
}

#[derive(Subcommand)]
pub(crate) enum Links {
    /// Finds links by a part of their key.
    Search {
        /// A part of the key.
        #[arg(default_value = "")]
        text: String,
        /// Only those of CONNECTION/ENTITY.
        #[arg(long, value_name = "CONNECTION/ENTITY")]
        of: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
}

#[derive(Subcommand)]
pub(crate) enum Secrets {
    /// Names of the stored secrets; values are never shown.
    List,
    /// Stores a secret; the value is read from standard input.
    Set { name: String },
    /// Forgets a secret.
    Remove { name: String },
}

#[derive(Subcommand)]
pub(crate) enum Tokens {
    /// Names of the tokens; the tokens themselves are never shown again.
    List,
    /// Makes a token and prints it once.
    Create {
        name: String,
        /// What it may do; each includes the one before: viewer, operator, administrator.
        #[arg(long, value_enum, default_value_t = Role::Operator)]
        role: Role,
        /// Days until it expires.
        #[arg(long, default_value_t = 365)]
        days: u32,
    },
    /// Makes a token useless.
    Revoke { name: String },
}

#[derive(Args)]
pub(crate) struct Simulate {
    pub(crate) system: System,
    /// Port on 127.0.0.1; 0 lets the system choose.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// akeneo: categories in the catalogue.
    #[arg(long, default_value_t = 1200)]
    pub(crate) categories: usize,
    /// akeneo: attributes in the catalogue.
    #[arg(long, default_value_t = 150)]
    pub(crate) attributes: usize,
    /// akeneo: products in the catalogue.
    #[arg(long, default_value_t = 5000)]
    pub(crate) products: usize,
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// spryker: the version to play, doc2024 or code2026.
    #[arg(long, default_value = "code2026")]
    pub(crate) profile: String,
    /// spryker: resources that are not active in the Back Office.
    #[arg(long, value_delimiter = ',')]
    pub(crate) inactive: Vec<String>,
    /// End when standard input ends: for whoever starts this as a child.
    #[arg(long)]
    pub(crate) until_eof: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum System {
    Akeneo,
    Spryker,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    Viewer,
    Operator,
    Administrator,
}

impl Role {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Administrator => "administrator",
        }
    }
}
