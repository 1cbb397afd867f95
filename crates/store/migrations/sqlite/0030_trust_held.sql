-- The number of the trust document that each agent holds; 0 while it is not known.
ALTER TABLE agents ADD COLUMN trust_number BIGINT NOT NULL DEFAULT 0;
