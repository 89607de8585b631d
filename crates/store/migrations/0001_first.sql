-- Names are interned: a scope, a route, an address is a small number in every other table. Routes imply their scope.
CREATE TABLE scopes (
    id INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    environment TEXT NOT NULL,
    UNIQUE (project, environment)
);
CREATE TABLE routes (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    name TEXT NOT NULL,
    UNIQUE (scope, name)
);
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY,
    scope INTEGER NOT NULL,
    connection TEXT NOT NULL,
    entity TEXT NOT NULL,
    UNIQUE (scope, connection, entity)
);

-- Live tasks. AUTOINCREMENT: a sequence is never given twice, also when the newest rows have gone.
CREATE TABLE tasks (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    scope INTEGER NOT NULL,
    route INTEGER NOT NULL,
    key TEXT NOT NULL,
    run BLOB,
    state INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    due INTEGER,
    needs TEXT,
    error TEXT,
    reason TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    release INTEGER,
    first_attempt_at INTEGER,
    replay_of BLOB
);
CREATE INDEX tasks_key ON tasks (key, route);
-- Waiting, retrying and dead ones: few, looked at by people, and not touched by a task that simply succeeds.
CREATE INDEX tasks_parked ON tasks (state, sequence) WHERE state IN (2, 3, 6);

-- Apart from the rows, so that a change of state does not write the payload again and a walk over the rows does not read it.
-- Inputs and attempts stay here while their row goes from `tasks` to `staging`.
CREATE TABLE inputs (
    sequence INTEGER PRIMARY KEY,
    input BLOB NOT NULL
);
CREATE TABLE attempts (
    sequence INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (sequence, attempt)
);
CREATE TABLE effects (
    sequence INTEGER NOT NULL,
    effect TEXT NOT NULL,
    intended_at INTEGER,
    result TEXT,
    PRIMARY KEY (sequence, effect)
) WITHOUT ROWID;

-- Finished tasks on their way to a day file. `day` is counted from 1970-01-01 (UTC).
CREATE TABLE staging (
    sequence INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    scope INTEGER NOT NULL,
    route INTEGER NOT NULL,
    key TEXT NOT NULL,
    run BLOB,
    state INTEGER NOT NULL,
    day INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    since INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    release INTEGER,
    first_attempt_at INTEGER,
    error TEXT,
    reason TEXT,
    warnings TEXT,
    effects TEXT,
    replay_of BLOB
);

CREATE TABLE counters (
    route INTEGER NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (route, state)
) WITHOUT ROWID;
CREATE TABLE run_counters (
    run BLOB NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (run, state)
) WITHOUT ROWID;

CREATE TABLE runs (
    id BLOB PRIMARY KEY,
    scope INTEGER NOT NULL,
    route INTEGER NOT NULL,
    release INTEGER NOT NULL,
    "trigger" TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    outcome TEXT,
    rows INTEGER NOT NULL,
    tasks INTEGER NOT NULL
);
CREATE INDEX runs_scope ON runs (scope, started_at);
CREATE INDEX runs_route ON runs (route, started_at);

CREATE TABLE releases (
    scope INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL,
    at INTEGER NOT NULL,
    author TEXT NOT NULL,
    files TEXT NOT NULL,
    PRIMARY KEY (scope, number)
);
CREATE TABLE cursors (
    route INTEGER NOT NULL,
    read INTEGER NOT NULL,
    cursor TEXT NOT NULL,
    PRIMARY KEY (route, read)
);
CREATE TABLE snapshots (
    route INTEGER NOT NULL,
    read INTEGER NOT NULL,
    key TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (route, read, key)
) WITHOUT ROWID;

CREATE TABLE delivered (
    id INTEGER PRIMARY KEY,
    route INTEGER NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    hash BLOB,
    release INTEGER NOT NULL,
    at INTEGER NOT NULL,
    filtered INTEGER NOT NULL,
    entity BLOB,
    UNIQUE (route, key)
);
-- `want` is the first eight bytes of a hash: two wants that share one cost a resend too many, never one too few.
CREATE TABLE reads (
    route INTEGER NOT NULL,
    want INTEGER NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (route, want, key)
) WITHOUT ROWID;
CREATE INDEX reads_key ON reads (route, key);

CREATE TABLE links (
    address INTEGER NOT NULL,
    key TEXT NOT NULL,
    ids TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (address, key)
) WITHOUT ROWID;
CREATE TABLE lookup_rows (
    scope INTEGER NOT NULL,
    "table" TEXT NOT NULL,
    key TEXT NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (scope, "table", key)
);
CREATE TABLE documents (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (collection, key)
);
