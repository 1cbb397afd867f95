-- Few rows of many kinds (actions, channels, schedules, secrets …), each a body that whoever
-- wrote it understands.
CREATE TABLE documents (
    kind        TEXT   NOT NULL,
    name_key    TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    body        BLOB   NOT NULL,
    updated_by  TEXT   NOT NULL,
    updated_at  BIGINT NOT NULL,
    PRIMARY KEY (kind, name_key)
) WITHOUT ROWID;
