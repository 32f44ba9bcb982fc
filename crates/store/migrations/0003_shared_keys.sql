-- Shared keys: given directly to a named customer of one API.
CREATE TABLE shared_keys (
    id TEXT PRIMARY KEY,
    api_id TEXT NOT NULL REFERENCES apis (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    audience TEXT NOT NULL,
    status TEXT NOT NULL,
    masked TEXT NOT NULL,
    environment_id TEXT REFERENCES environments (id),
    permissions TEXT,
    rate_limit TEXT,
    ip_allow_list TEXT,
    secret_origin TEXT,
    custody TEXT NOT NULL,
    portal_created_at BIGINT,
    portal_expires_at BIGINT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    digest_key BIGINT NOT NULL,
    key_digest BYTEA NOT NULL,
    secret_digest_key BIGINT,
    secret_digest BYTEA,
    portal_digest BYTEA
);
CREATE UNIQUE INDEX shared_keys_name ON shared_keys (api_id, audience, folded_name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX shared_keys_digest ON shared_keys (key_digest);
CREATE INDEX shared_keys_by_secret ON shared_keys (secret_digest) WHERE secret_digest IS NOT NULL;
CREATE UNIQUE INDEX shared_keys_by_portal ON shared_keys (portal_digest) WHERE portal_digest IS NOT NULL;
CREATE INDEX shared_keys_by_api ON shared_keys (api_id, created_at, id);
CREATE INDEX shared_keys_by_api_and_name ON shared_keys (api_id, folded_name, id);
CREATE INDEX shared_keys_by_environment ON shared_keys (environment_id) WHERE environment_id IS NOT NULL;

-- ---------------------------------------------------------------- beside the log

-- What a portal link was traded for. Each is good as long as the link it came from is the one in force.
CREATE TABLE portal_sessions (
    digest BYTEA PRIMARY KEY,
    shared_key_id TEXT NOT NULL REFERENCES shared_keys (id),
    portal_digest BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX portal_sessions_by_time ON portal_sessions (expires_at);
