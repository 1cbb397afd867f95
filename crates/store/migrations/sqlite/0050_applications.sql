-- Applications as they were published, whom they are for, what machines are to have and have.
CREATE TABLE applications (
    id            BLOB    NOT NULL,
    revision      BIGINT  NOT NULL,
    name_key      TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    version       INTEGER NOT NULL,
    text          TEXT    NOT NULL,
    digest        BLOB    NOT NULL,
    source        BLOB,
    source_files  BIGINT  NOT NULL,
    source_bytes  BIGINT  NOT NULL,
    published_by  TEXT    NOT NULL,
    published_at  BIGINT  NOT NULL,
    PRIMARY KEY (id, revision)
);
CREATE INDEX applications_by_name ON applications (name_key);

CREATE TABLE associations (
    application  BLOB    NOT NULL,
    kind         TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    priority     BIGINT  NOT NULL,
    uninstall    BOOLEAN,
    verify_ms    BIGINT,
    repair       BOOLEAN NOT NULL,
    created_by   TEXT    NOT NULL,
    created_at   BIGINT  NOT NULL,
    PRIMARY KEY (application, kind, name)
) WITHOUT ROWID;

CREATE TABLE wanted_sets (
    computer  BLOB   PRIMARY KEY NOT NULL,
    serial    BIGINT NOT NULL,
    content   BLOB   NOT NULL,
    envelope  BLOB   NOT NULL,
    leaf      BLOB   NOT NULL,
    proof     BLOB   NOT NULL,
    made_at   BIGINT NOT NULL,
    taken     BIGINT NOT NULL
);

-- The user is empty for the machine's own part.
CREATE TABLE application_states (
    computer      BLOB   NOT NULL,
    application   BLOB   NOT NULL,
    user_name     TEXT   NOT NULL,
    name          TEXT   NOT NULL,
    wanted        INTEGER,
    installed     INTEGER,
    state         TEXT   NOT NULL,
    drift         BIGINT NOT NULL,
    error         TEXT   NOT NULL,
    pending       TEXT   NOT NULL,
    next_attempt  BIGINT,
    told_at       BIGINT NOT NULL,
    PRIMARY KEY (computer, application, user_name)
) WITHOUT ROWID;
CREATE INDEX application_states_by_application ON application_states (application);
