-- The log, and the tables that are its shadow. One text for SQLite and PostgreSQL: ids and JSON are TEXT,
-- instants BIGINT microseconds UTC, bytes BYTEA, and a nullable instant stands instead of a boolean.
-- This file is immutable; what comes later is a new one.

-- ---------------------------------------------------------------- the log

-- One row: the last position and its hash. Every write locks it first, so positions are gapless and in
-- the order of commits.
CREATE TABLE log_head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

CREATE TABLE log (
    position BIGINT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT,
    actor_name TEXT NOT NULL,
    source TEXT,
    reason TEXT,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    organization_id TEXT,
    group_id TEXT,
    environment_id TEXT,
    counterpart_organization_id TEXT,
    counterpart_group_id TEXT,
    counterpart_environment_id TEXT,
    data TEXT NOT NULL,
    -- What deciding needs and nobody reads.
    private BYTEA,
    hash BYTEA NOT NULL,
    previous_hash BYTEA NOT NULL
);
CREATE INDEX log_by_subject ON log (subject_id, position);
CREATE INDEX log_by_actor ON log (actor_id, position);
CREATE INDEX log_by_kind ON log (kind, position);
CREATE INDEX log_by_time ON log (at, position);
CREATE INDEX log_by_organization ON log (organization_id, position);
CREATE INDEX log_by_group ON log (group_id, position);
CREATE INDEX log_by_counterpart ON log (counterpart_organization_id, position);

-- ---------------------------------------------------------------- people and places

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX organizations_by_time ON organizations (created_at, id);
CREATE INDEX organizations_by_name ON organizations (folded_name, id);

CREATE TABLE groups (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX groups_name ON groups (organization_id, folded_name) WHERE deleted_at IS NULL;
CREATE INDEX groups_by_time ON groups (created_at, id);
CREATE INDEX groups_by_name ON groups (folded_name, id);
CREATE INDEX groups_by_organization ON groups (organization_id, created_at, id);

CREATE TABLE members (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    email TEXT NOT NULL,
    group_ids TEXT NOT NULL,
    role_grants TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX members_email ON members (organization_id, email) WHERE deleted_at IS NULL;
CREATE INDEX members_by_time ON members (created_at, id);
CREATE INDEX members_by_name ON members (folded_name, id);
CREATE INDEX members_by_organization ON members (organization_id, created_at, id);

-- What `members.group_ids` says, the other way round; likewise the tables below that join two ids.
CREATE TABLE member_groups (
    member_id TEXT NOT NULL REFERENCES members (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    PRIMARY KEY (member_id, group_id)
);
CREATE INDEX member_groups_by_group ON member_groups (group_id);

CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX environments_slug ON environments (slug) WHERE deleted_at IS NULL;

CREATE TABLE permission_groups (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    default_role TEXT,
    permissions TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX permission_groups_name ON permission_groups (organization_id, folded_name) WHERE deleted_at IS NULL;
CREATE INDEX permission_groups_by_time ON permission_groups (created_at, id);
CREATE INDEX permission_groups_by_name ON permission_groups (folded_name, id);

-- Roles: a grant that was revoked, or whose member was deleted, has no row.
CREATE TABLE role_grants (
    id TEXT PRIMARY KEY,
    member_id TEXT NOT NULL REFERENCES members (id),
    permission_group_id TEXT NOT NULL REFERENCES permission_groups (id),
    organization_id TEXT,
    group_id TEXT,
    environment_id TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX role_grants_by_member ON role_grants (member_id);
CREATE INDEX role_grants_by_permission_group ON role_grants (permission_group_id);
CREATE INDEX role_grants_by_group ON role_grants (group_id);
CREATE INDEX role_grants_by_environment ON role_grants (environment_id);

-- ---------------------------------------------------------------- catalog

CREATE TABLE policy_templates (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    version BIGINT NOT NULL,
    policy TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX policy_templates_name ON policy_templates (organization_id, folded_name) WHERE deleted_at IS NULL;
CREATE INDEX policy_templates_by_time ON policy_templates (created_at, id);
CREATE INDEX policy_templates_by_name ON policy_templates (folded_name, id);

CREATE TABLE apis (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    policy_template_id TEXT NOT NULL REFERENCES policy_templates (id),
    settings TEXT NOT NULL,
    exposed_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
-- Deleted or not: a slug belongs to its Organization for ever.
CREATE INDEX apis_by_slug ON apis (slug);
CREATE UNIQUE INDEX apis_slug ON apis (slug) WHERE deleted_at IS NULL;
CREATE INDEX apis_by_time ON apis (created_at, id);
CREATE INDEX apis_by_name ON apis (folded_name, id);
CREATE INDEX apis_by_organization ON apis (organization_id, created_at, id);
CREATE INDEX apis_by_group ON apis (group_id, created_at, id);
CREATE INDEX apis_by_policy_template ON apis (policy_template_id);

CREATE TABLE api_environments (
    api_id TEXT NOT NULL REFERENCES apis (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    PRIMARY KEY (api_id, environment_id)
);
CREATE INDEX api_environments_by_environment ON api_environments (environment_id);

CREATE TABLE api_auth_types (
    api_id TEXT NOT NULL REFERENCES apis (id),
    auth_type TEXT NOT NULL,
    PRIMARY KEY (api_id, auth_type)
);

CREATE TABLE applications (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    suspended_at BIGINT,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX applications_name ON applications (group_id, folded_name) WHERE deleted_at IS NULL;
CREATE INDEX applications_by_time ON applications (created_at, id);
CREATE INDEX applications_by_name ON applications (folded_name, id);
CREATE INDEX applications_by_organization ON applications (organization_id, created_at, id);
CREATE INDEX applications_by_group ON applications (group_id, created_at, id);

-- ---------------------------------------------------------------- Key Sets and Subscriptions

-- `latest_*` are of the LATEST Key: what lists filter and sort by. `latest_status` is the recorded one;
-- after `latest_stops_at` the clock says `latest_stops_as` instead.
CREATE TABLE key_sets (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    application_id TEXT NOT NULL REFERENCES applications (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    auth_type TEXT NOT NULL,
    policy TEXT NOT NULL,
    template_id TEXT NOT NULL REFERENCES policy_templates (id),
    template_version BIGINT NOT NULL,
    suspended_by TEXT,
    created_at BIGINT NOT NULL,
    removed_at BIGINT,
    -- Folded: its name, its id and the masked ends of its Keys.
    search TEXT NOT NULL,
    -- When the scheduler has to do something about it.
    next_due_at BIGINT,
    latest_key_id TEXT,
    latest_status TEXT NOT NULL,
    latest_stops_at BIGINT,
    latest_stops_as TEXT,
    latest_created_at BIGINT NOT NULL,
    latest_provisioned_at BIGINT,
    latest_rotation_due_at BIGINT,
    latest_expires_at BIGINT,
    latest_revoked_at BIGINT
);
CREATE INDEX key_sets_by_time ON key_sets (created_at, id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_name ON key_sets (folded_name, id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_organization ON key_sets (organization_id, created_at, id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_group ON key_sets (group_id, created_at, id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_environment ON key_sets (environment_id, created_at, id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_auth_type ON key_sets (auth_type, created_at, id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_application ON key_sets (application_id, environment_id, auth_type, template_id, template_version) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_template ON key_sets (template_id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_status ON key_sets (latest_status, latest_stops_at, latest_stops_as) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_latest_key ON key_sets (latest_key_id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_latest_created ON key_sets (latest_created_at, id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_latest_provisioned ON key_sets ((COALESCE(latest_provisioned_at, 9223372036854775807)), id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_latest_rotation_due ON key_sets ((COALESCE(latest_rotation_due_at, 9223372036854775807)), id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_latest_expires ON key_sets ((COALESCE(latest_expires_at, 9223372036854775807)), id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_by_latest_revoked ON key_sets ((COALESCE(latest_revoked_at, 9223372036854775807)), id) WHERE removed_at IS NULL;
CREATE INDEX key_sets_due ON key_sets (next_due_at, id) WHERE removed_at IS NULL AND next_due_at IS NOT NULL;

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    key_set_id TEXT NOT NULL REFERENCES key_sets (id),
    removed_at BIGINT,
    generation BIGINT NOT NULL,
    masked TEXT NOT NULL,
    issued_by TEXT NOT NULL,
    custody TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    planned_at BIGINT,
    start_at BIGINT,
    provisioned_at BIGINT,
    rotation_due_at BIGINT,
    expires_at BIGINT,
    retires_at BIGINT,
    retires_as TEXT,
    ended_at BIGINT,
    end_planned_at BIGINT,
    end_reason TEXT,
    digest_key BIGINT NOT NULL,
    key_digest BYTEA NOT NULL,
    secret_digest BYTEA,
    -- All that deciding needs of the Key and its set, packed: what never changes, and what does. A verifier
    -- loads these two alone.
    identity BYTEA NOT NULL,
    deciding BYTEA NOT NULL
);
CREATE UNIQUE INDEX keys_of_set ON keys (key_set_id, generation);
CREATE UNIQUE INDEX keys_digest ON keys (key_digest);
CREATE INDEX keys_secret_digest ON keys (secret_digest) WHERE secret_digest IS NOT NULL;

CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES applications (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    api_id TEXT NOT NULL REFERENCES apis (id),
    api_organization_id TEXT NOT NULL REFERENCES organizations (id),
    api_group_id TEXT NOT NULL REFERENCES groups (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    status TEXT NOT NULL,
    permissions TEXT,
    note TEXT,
    key_set_ids TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    decided_at BIGINT,
    ended_at BIGINT,
    lapses_at BIGINT
);
CREATE UNIQUE INDEX subscriptions_live ON subscriptions (application_id, api_id, environment_id) WHERE status IN ('pending', 'active');
CREATE INDEX subscriptions_by_time ON subscriptions (created_at, id);
CREATE INDEX subscriptions_by_application ON subscriptions (application_id, created_at, id);
CREATE INDEX subscriptions_by_api ON subscriptions (api_id, created_at, id);
CREATE INDEX subscriptions_by_environment ON subscriptions (environment_id, created_at, id);
CREATE INDEX subscriptions_by_organization ON subscriptions (organization_id, created_at, id);
CREATE INDEX subscriptions_by_group ON subscriptions (group_id, created_at, id);
CREATE INDEX subscriptions_by_api_organization ON subscriptions (api_organization_id, created_at, id);
CREATE INDEX subscriptions_by_api_group ON subscriptions (api_group_id, created_at, id);
CREATE INDEX subscriptions_by_status ON subscriptions (status, created_at, id);
CREATE INDEX subscriptions_lapsing ON subscriptions (lapses_at, id) WHERE lapses_at IS NOT NULL;

CREATE TABLE subscription_key_sets (
    subscription_id TEXT NOT NULL REFERENCES subscriptions (id),
    -- Made in the same transaction, perhaps after the Subscription that asks for it.
    key_set_id TEXT NOT NULL,
    PRIMARY KEY (subscription_id, key_set_id)
);
CREATE INDEX subscription_key_sets_by_key_set ON subscription_key_sets (key_set_id);

-- ---------------------------------------------------------------- service keys

CREATE TABLE service_keys (
    id TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    member_id TEXT,
    creator_kind TEXT NOT NULL,
    creator_id TEXT,
    creator_name TEXT NOT NULL,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    status TEXT NOT NULL,
    masked TEXT NOT NULL,
    permission_group_ids TEXT NOT NULL,
    scope_organization_id TEXT,
    scope_group_id TEXT,
    scope_environment_id TEXT,
    expires_at BIGINT,
    ip_allow_list TEXT,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    digest_key BIGINT NOT NULL,
    key_digest BYTEA NOT NULL
);
CREATE UNIQUE INDEX service_keys_digest ON service_keys (key_digest);
CREATE INDEX service_keys_by_time ON service_keys (created_at, id);
CREATE INDEX service_keys_by_name ON service_keys (folded_name, id);
CREATE INDEX service_keys_by_organization ON service_keys (organization_id, created_at, id);
CREATE INDEX service_keys_by_member ON service_keys (member_id);
CREATE INDEX service_keys_by_group ON service_keys (scope_group_id);
CREATE INDEX service_keys_by_environment ON service_keys (scope_environment_id);

CREATE TABLE service_key_permission_groups (
    service_key_id TEXT NOT NULL REFERENCES service_keys (id),
    permission_group_id TEXT NOT NULL REFERENCES permission_groups (id),
    PRIMARY KEY (service_key_id, permission_group_id)
);
CREATE INDEX service_key_permission_groups_by_group ON service_key_permission_groups (permission_group_id);

-- ---------------------------------------------------------------- beside the log

-- What the keeper sealed; events point at it.
CREATE TABLE sealed (
    key_id TEXT PRIMARY KEY,
    bytes BYTEA NOT NULL
);

-- When a credential was last good, exact to a minute; written in batches.
CREATE TABLE last_used (
    id TEXT PRIMARY KEY,
    used_at BIGINT NOT NULL
);
CREATE INDEX last_used_by_time ON last_used (used_at, id);

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    -- While it runs: until when the one who runs it is believed to be alive.
    running_until BIGINT,
    status BIGINT,
    headers TEXT,
    body TEXT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (caller, method, path, idempotency_key)
);
CREATE INDEX idempotency_by_expiry ON idempotency (expires_at);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL
);

CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    folded_name TEXT NOT NULL,
    kind TEXT NOT NULL,
    position BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    removed_at BIGINT
);
CREATE INDEX nodes_by_time ON nodes (created_at, id);

CREATE TABLE instance (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    instance_id TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    root_fingerprint BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    initialised_at BIGINT
);
