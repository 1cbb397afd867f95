-- A deployment's own copies of its workflow, as people edited them. The first copy stands in
-- `deployments`; these count from 2.
CREATE TABLE copies (
    deployment  BLOB   NOT NULL,
    number      BIGINT NOT NULL,
    definition  BLOB   NOT NULL,
    depot_root  BLOB,
    created_by  TEXT   NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (deployment, number)
);

ALTER TABLE warrants ADD COLUMN copy BIGINT NOT NULL DEFAULT 1;
ALTER TABLE runs ADD COLUMN copy BIGINT NOT NULL DEFAULT 1;
-- The target has begun anew since, with another run.
ALTER TABLE runs ADD COLUMN is_replaced BOOLEAN NOT NULL DEFAULT FALSE;
