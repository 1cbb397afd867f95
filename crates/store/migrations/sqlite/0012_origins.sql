-- The activity of another run that started a deployment: run, attempt and visit, big-endian. None
-- starts two.
ALTER TABLE deployments ADD COLUMN origin BLOB;
CREATE UNIQUE INDEX deployments_by_origin ON deployments (origin) WHERE origin IS NOT NULL;
