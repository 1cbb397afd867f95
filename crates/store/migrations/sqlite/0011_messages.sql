-- Messages for whoever administers this server. `key` is the same for the same sending, so that
-- one is kept once however often it was asked for.
CREATE TABLE messages (
    seq         BIGINT NOT NULL PRIMARY KEY,
    key         BLOB   NOT NULL UNIQUE,
    at          BIGINT NOT NULL,
    addressee   TEXT   NOT NULL,
    subject     TEXT   NOT NULL,
    text        TEXT   NOT NULL,
    computer    BLOB,
    deployment  BLOB,
    run         BLOB,
    read_by     TEXT,
    read_at     BIGINT
) WITHOUT ROWID;
CREATE INDEX messages_unread ON messages (seq) WHERE read_at IS NULL;
