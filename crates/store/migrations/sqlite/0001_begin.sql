-- Ids are 16 bytes, instants are milliseconds since 1970, maps are JSON texts, lists are JSON
-- arrays. Names have a lower-case twin that they are compared and ordered by.

CREATE TABLE servers (
    id            BLOB    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    name_key      TEXT    NOT NULL UNIQUE,
    computer      BLOB,
    depot         TEXT    NOT NULL,
    presence      TEXT    NOT NULL,
    agent_listen  TEXT    NOT NULL,
    api_listen    TEXT    NOT NULL,
    max_targets   BIGINT  NOT NULL,
    is_default    BOOLEAN NOT NULL,
    lease_until   BIGINT  NOT NULL,
    fence         BIGINT  NOT NULL,
    created_by    TEXT    NOT NULL,
    created_at    BIGINT  NOT NULL
);

CREATE TABLE computers (
    id          BLOB    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL,
    name_key    TEXT    NOT NULL UNIQUE,
    host_name   TEXT    NOT NULL,
    host_key    TEXT    NOT NULL,
    os          TEXT    NOT NULL,
    parent      BLOB    REFERENCES computers (id),
    is_group    BOOLEAN NOT NULL,
    facts       TEXT    NOT NULL,
    created_by  TEXT    NOT NULL,
    created_at  BIGINT  NOT NULL
);
CREATE INDEX computers_by_names ON computers (name_key, host_key);
CREATE INDEX computers_by_parent ON computers (parent, name_key);

CREATE TABLE agents (
    computer      BLOB   NOT NULL PRIMARY KEY REFERENCES computers (id),
    signing_key   BLOB   NOT NULL UNIQUE,
    sealing_key   BLOB   NOT NULL,
    version       TEXT   NOT NULL,
    protocol      BIGINT NOT NULL,
    capabilities  TEXT   NOT NULL,
    first_seen    BIGINT NOT NULL,
    last_seen     BIGINT NOT NULL,
    counter       BIGINT NOT NULL,
    address       TEXT   NOT NULL,
    state         TEXT   NOT NULL
);

CREATE TABLE tokens (
    id             BLOB    NOT NULL PRIMARY KEY,
    secret_digest  BLOB    NOT NULL,
    created_by     TEXT    NOT NULL,
    created_at     BIGINT  NOT NULL,
    expires_at     BIGINT  NOT NULL,
    uses_left      BIGINT  NOT NULL,
    note           TEXT    NOT NULL,
    revoked        BOOLEAN NOT NULL
);
CREATE INDEX tokens_by_secret ON tokens (secret_digest);

CREATE TABLE workflows (
    name_key     TEXT   NOT NULL,
    revision     BIGINT NOT NULL,
    name         TEXT   NOT NULL,
    source       TEXT   NOT NULL,
    description  TEXT   NOT NULL,
    created_by   TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    PRIMARY KEY (name_key, revision)
);

CREATE TABLE deployments (
    id          BLOB   NOT NULL PRIMARY KEY,
    name        TEXT   NOT NULL,
    workflow    TEXT   NOT NULL,
    revision    BIGINT NOT NULL,
    definition  BLOB   NOT NULL,
    variables   TEXT   NOT NULL,
    depot_root  BLOB,
    start_at    BIGINT,
    stop_at     BIGINT,
    status      TEXT   NOT NULL,
    created_by  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    server      BLOB   NOT NULL
);

CREATE TABLE deployment_records (
    deployment  BLOB   NOT NULL,
    seq         BIGINT NOT NULL,
    bytes       BLOB   NOT NULL,
    PRIMARY KEY (deployment, seq)
);

CREATE TABLE warrants (
    deployment  BLOB   NOT NULL,
    seq         BIGINT NOT NULL,
    envelope    BLOB   NOT NULL,
    leaves      BLOB   NOT NULL,
    created_by  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (deployment, seq)
);

-- A projection: rebuilt from `journal` at any time, so nothing refers to it.
CREATE TABLE runs (
    run             BLOB   NOT NULL PRIMARY KEY,
    deployment      BLOB   NOT NULL,
    computer        BLOB   NOT NULL,
    warrant         BIGINT NOT NULL,
    target          BIGINT NOT NULL,
    phase           TEXT   NOT NULL,
    epoch           BIGINT NOT NULL,
    owner           TEXT   NOT NULL,
    outcome         TEXT,
    reason          TEXT   NOT NULL,
    activity        TEXT   NOT NULL,
    began_at        BIGINT,
    ended_at        BIGINT,
    pending_reason  TEXT   NOT NULL,
    next_attempt    BIGINT,
    updated_at      BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_by_deployment ON runs (deployment, run);
CREATE INDEX runs_by_computer ON runs (computer, run);
CREATE INDEX runs_open ON runs (run) WHERE outcome IS NULL;

-- With row ids, so that records of many runs lie one after the other: a commit of one record
-- from each of 64 runs then writes 64 small index pages at most, and was measured to be a third
-- quicker than with the rows themselves in the tree.
CREATE TABLE journal (
    run    BLOB   NOT NULL,
    seq    BIGINT NOT NULL,
    bytes  BLOB   NOT NULL,
    PRIMARY KEY (run, seq)
);

CREATE TABLE effects (
    run      BLOB   NOT NULL,
    attempt  BIGINT NOT NULL,
    visit    BIGINT NOT NULL,
    result   BLOB   NOT NULL,
    PRIMARY KEY (run, attempt, visit)
) WITHOUT ROWID;

CREATE TABLE events (
    seq         BIGINT NOT NULL PRIMARY KEY,
    at          BIGINT NOT NULL,
    server      BLOB,
    kind        TEXT   NOT NULL,
    computer    BLOB,
    deployment  BLOB,
    run         BLOB,
    who         TEXT   NOT NULL,
    text        TEXT   NOT NULL
) WITHOUT ROWID;
CREATE INDEX events_by_kind ON events (kind, seq);
CREATE INDEX events_by_computer ON events (computer, seq) WHERE computer IS NOT NULL;
CREATE INDEX events_by_deployment ON events (deployment, seq) WHERE deployment IS NOT NULL;
CREATE INDEX events_by_run ON events (run, seq) WHERE run IS NOT NULL;

CREATE TABLE settings (
    key    TEXT NOT NULL PRIMARY KEY,
    value  BLOB NOT NULL
);
