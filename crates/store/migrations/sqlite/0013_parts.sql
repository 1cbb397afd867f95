-- Scripts call for effects as well: a part tells them from the activity's own, which has 0, and what
-- was called for is kept beside it.
ALTER TABLE effects RENAME TO effects_of_activities;
CREATE TABLE effects (
    run      BLOB   NOT NULL,
    attempt  BIGINT NOT NULL,
    visit    BIGINT NOT NULL,
    part     BIGINT NOT NULL,
    call     BLOB   NOT NULL,
    result   BLOB   NOT NULL,
    PRIMARY KEY (run, attempt, visit, part)
) WITHOUT ROWID;
INSERT INTO effects SELECT run, attempt, visit, 0, X'', result FROM effects_of_activities;
DROP TABLE effects_of_activities;
