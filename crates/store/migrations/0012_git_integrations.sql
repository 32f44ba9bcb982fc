-- Where the OpenAPI documents of APIs are pulled from and pushed to. An API has one at most; the row of one that was
-- removed is gone.
CREATE TABLE git_integrations (
    api_id TEXT PRIMARY KEY REFERENCES apis (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    key_pair_id TEXT NOT NULL REFERENCES key_pairs (id),
    settings TEXT NOT NULL,
    host_key TEXT,
    host_key_pinned_at BIGINT,
    synced TEXT,
    synced_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX git_integrations_by_key_pair ON git_integrations (key_pair_id);
