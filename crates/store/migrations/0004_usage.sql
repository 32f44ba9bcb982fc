-- What is counted about calls. Nothing here follows from the log: it is volume, with a retention.

-- What nodes counted and handed in, until it is added up. A node only ever inserts here; that each batch is
-- counted once is seen to by its number.
CREATE TABLE usage_batches (
    counter TEXT NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    batch TEXT NOT NULL,
    PRIMARY KEY (counter, number)
);

-- The last batch of each process that was added up.
CREATE TABLE usage_counters (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX usage_counters_by_time ON usage_counters (at);

-- Calls by minute, hour and day (`step`, in seconds). A row counts either calls that were decided on with a code, or
-- calls that were answered within a class of latency; what does not apply is empty, or zero.
CREATE TABLE usage (
    step BIGINT NOT NULL,
    start BIGINT NOT NULL,
    api_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_set_id TEXT NOT NULL,
    code TEXT NOT NULL,
    latency BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    PRIMARY KEY (step, start, api_id, key_id, code, latency)
);
CREATE INDEX usage_by_api ON usage (api_id, step, start);
CREATE INDEX usage_by_key ON usage (key_id, step, start) WHERE key_id <> '';
CREATE INDEX usage_by_key_set ON usage (key_set_id, step, start) WHERE key_set_id <> '';

-- The last responses of each key at each API.
CREATE TABLE usage_responses (
    id TEXT PRIMARY KEY,
    -- The API and the key together.
    subject TEXT NOT NULL,
    at BIGINT NOT NULL,
    api_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key_set_id TEXT NOT NULL,
    code TEXT NOT NULL,
    status BIGINT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    source TEXT,
    micros BIGINT NOT NULL,
    received BIGINT NOT NULL,
    sent BIGINT NOT NULL,
    request_id TEXT NOT NULL
);
CREATE INDEX usage_responses_by_subject ON usage_responses (subject, at, id);
CREATE INDEX usage_responses_by_api ON usage_responses (api_id, at, id);
CREATE INDEX usage_responses_by_time ON usage_responses (at);

-- From where a credential was last used.
ALTER TABLE last_used ADD COLUMN source TEXT;
