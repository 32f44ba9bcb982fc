-- Data nodes: processes that decide and do nothing else, each with its keeper and a narrow role in the database. One
-- text for SQLite and PostgreSQL, but for the section that PostgreSQL alone has: SQLite is one machine's, and has no
-- roles.

-- By what a data node enrols, once: volume, not history. That it was made and used is in the log.
CREATE TABLE node_tokens (
    digest BYTEA PRIMARY KEY,
    node_id TEXT NOT NULL,
    name TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX node_tokens_by_time ON node_tokens (expires_at);

-- What data nodes say of themselves. They may add to it and not read it; control nodes carry it over to `nodes`.
CREATE TABLE node_reports (
    node_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    reported_at BIGINT NOT NULL
);

-- ---------------------------------------------------------------- PostgreSQL alone

-- All that a data node may read: the rows that decide, what deciding looks at in the log, and where the log ends.
-- Nothing sealed, nobody's name or address, no digest of service keys, portal links or sessions.
CREATE VIEW data_node_rows (kind, body, identity, deciding) AS
    SELECT CAST('key' AS TEXT), CAST(NULL AS TEXT), identity, deciding FROM keys WHERE removed_at IS NULL
    UNION ALL
    SELECT 'node', json_build_object('id', id)::text, NULL, NULL
        FROM nodes WHERE kind = 'data' AND removed_at IS NULL
    UNION ALL
    SELECT 'environment', json_build_object('id', id, 'slug', slug)::text, NULL, NULL
        FROM environments WHERE deleted_at IS NULL
    UNION ALL
    SELECT 'api', json_build_object('id', id, 'slug', slug, 'organization_id', organization_id, 'group_id', group_id,
        'exposed', exposed_at IS NOT NULL, 'settings', settings::json)::text, NULL, NULL
        FROM apis WHERE deleted_at IS NULL
    UNION ALL
    SELECT 'application', json_build_object('id', id, 'name', name, 'organization_id', organization_id,
        'group_id', group_id, 'status', status)::text, NULL, NULL
        FROM applications WHERE deleted_at IS NULL
    UNION ALL
    SELECT 'limits', json_build_object('key_set_id', id, 'policy', policy::json)::text, NULL, NULL
        FROM key_sets WHERE removed_at IS NULL AND policy NOT LIKE '%"rate_limit":null,"quota":null}'
    UNION ALL
    SELECT 'grant', json_build_object('api_id', api_id, 'key_set_ids', key_set_ids::json,
        'permissions', permissions::json)::text, NULL, NULL
        FROM subscriptions WHERE status = 'active'
    UNION ALL
    SELECT 'shared_key', json_build_object('id', id, 'api_id', api_id, 'organization_id', organization_id,
        'group_id', group_id, 'name', name, 'status', status, 'environment_id', environment_id,
        'permissions', permissions::json, 'rate_limit', rate_limit::json, 'ip_allow_list', ip_allow_list::json,
        'secret_origin', secret_origin, 'secret_digest_key', secret_digest_key)::text, key_digest, secret_digest
        FROM shared_keys WHERE deleted_at IS NULL;

-- Which kinds deciding looks at is the program's `DECIDING_KINDS`; of the others the position and the kind are told.
CREATE VIEW data_node_log (position, version, at, kind, data, private, hash) AS
    SELECT position, version, at, kind,
        CASE WHEN looked_at THEN CASE kind
            WHEN 'subscription.created' THEN (data::jsonb #- '{terms,note}')::text
            ELSE data
        END END,
        CASE WHEN looked_at THEN private END,
        hash
    FROM (SELECT log.*, kind IN (
        'environment.created', 'environment.deleted', 'api.created', 'api.updated', 'api.exposed', 'api.unexposed',
        'api.deleted', 'application.created', 'application.updated', 'application.suspended',
        'application.activated', 'application.deleted', 'subscription.created', 'subscription.accepted',
        'subscription.ended', 'subscription.updated', 'subscription.renewed', 'key_set.created',
        'key_set.provisioned', 'key_set.suspended', 'key_set.activated', 'key_set.revoked',
        'key_set.policy_changed', 'key_set.removed', 'key.issued', 'key.retirement_planned', 'key.revoked',
        'key.expired', 'shared_key.created', 'shared_key.updated', 'shared_key.enabled', 'shared_key.disabled',
        'shared_key.secret_reset', 'shared_key.secret_set', 'shared_key.secret_cleared', 'shared_key.deleted',
        'node.removed'
    ) AS looked_at FROM log) AS entries;

-- `form` is that of these three; a data node that does not know it reads nothing.
CREATE VIEW data_node_head (form, position, hash, instance_id, epoch) AS
    SELECT CAST(1 AS BIGINT), log_head.position, log_head.hash, instance.instance_id, instance.epoch
    FROM log_head CROSS JOIN instance;

-- What makes a role that of data nodes: `SELECT claviger_grant_data_node('name')`, by the owner of the tables.
CREATE FUNCTION claviger_grant_data_node(data_node TEXT) RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), data_node);
    EXECUTE format('GRANT SELECT ON data_node_rows, data_node_log, data_node_head TO %I', data_node);
    EXECUTE format('GRANT INSERT ON node_reports, usage_batches TO %I', data_node);
END
$$;
REVOKE ALL ON FUNCTION claviger_grant_data_node(TEXT) FROM PUBLIC;
