-- Key pairs: the public half here; the private half is sealed, among all that is sealed.
CREATE TABLE key_pairs (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    uses TEXT NOT NULL,
    public_since BIGINT,
    public_key BYTEA NOT NULL,
    grants TEXT NOT NULL,
    replaces TEXT REFERENCES key_pairs (id),
    created_by_kind TEXT NOT NULL,
    created_by_id TEXT,
    created_by_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX key_pairs_name ON key_pairs (organization_id, folded_name) WHERE deleted_at IS NULL;
CREATE INDEX key_pairs_by_time ON key_pairs (created_at, id);
CREATE INDEX key_pairs_by_name ON key_pairs (folded_name, id);
CREATE INDEX key_pairs_by_organization ON key_pairs (organization_id, created_at, id);
CREATE INDEX key_pairs_public ON key_pairs (id) WHERE public_since IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX key_pairs_by_replaced ON key_pairs (replaces) WHERE replaces IS NOT NULL;

-- Who has access: `everyone`, or the id of a Group or member.
CREATE TABLE key_pair_grants (
    key_pair_id TEXT NOT NULL REFERENCES key_pairs (id),
    grantee TEXT NOT NULL,
    level TEXT NOT NULL,
    PRIMARY KEY (key_pair_id, grantee)
);
CREATE INDEX key_pair_grants_by_grantee ON key_pair_grants (grantee, key_pair_id);
