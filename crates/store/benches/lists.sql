-- What the benchmark of lists fills a database with, from the numbers in `numbers`: rows as the store would
-- write them, of Applications with ten Key Sets each, without the events that would lead there.
INSERT INTO groups (id, organization_id, name, folded_name, created_at)
SELECT 'grp_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2),
    (SELECT id FROM organizations LIMIT 1), 'Group ' || i, 'group ' || i, i
FROM numbers WHERE i <= 100;
INSERT INTO applications (id, organization_id, group_id, name, folded_name, status, created_at)
SELECT 'app_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2),
    (SELECT id FROM organizations LIMIT 1),
    'grp_00000000000000' || substr(CAST(1000000000000 + 1 + i % 100 AS TEXT), 2),
    'Application ' || i, 'application ' || i, 'active', i
FROM numbers WHERE i % 10 = 0;
INSERT INTO key_sets (id, name, folded_name, organization_id, group_id, application_id, environment_id, auth_type,
    policy, template_id, template_version, created_at, search, latest_key_id, latest_status, latest_stops_at,
    latest_stops_as, latest_created_at, latest_provisioned_at, latest_rotation_due_at, latest_expires_at,
    latest_revoked_at)
SELECT 'ks_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2), 'Set ' || i, 'set ' || i,
    (SELECT id FROM organizations LIMIT 1),
    'grp_00000000000000' || substr(CAST(1000000000000 + 1 + (i - i % 10) % 100 AS TEXT), 2),
    'app_00000000000000' || substr(CAST(1000000000000 + CASE WHEN i < 10 THEN 10 ELSE i - i % 10 END AS TEXT), 2),
    (SELECT id FROM environments LIMIT 1),
    CASE WHEN i % 3 = 0 THEN 'basic' ELSE 'api_key' END,
    (SELECT policy FROM policy_templates LIMIT 1), (SELECT id FROM policy_templates LIMIT 1), 1,
    i * 1000000,
    'set ' || i || '
ks_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2) || '
clv_key_' || substr(CAST(10000 + (i * 7919) % 10000 AS TEXT), 2) || '…' || substr(CAST(10000 + (i * 6007) % 10000 AS TEXT), 2),
    'key_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2),
    CASE WHEN i % 50 = 0 THEN 'suspended' WHEN i % 20 = 1 THEN 'revoked' ELSE 'active' END,
    CASE WHEN i % 20 = 1 THEN NULL ELSE 9000000000000000 + i * 1000000 END,
    CASE WHEN i % 20 = 1 THEN NULL ELSE 'expired' END,
    i * 1000000, i * 1000000, 8000000000000000 + i * 1000000, 9000000000000000 + i * 1000000,
    CASE WHEN i % 20 = 1 THEN i * 1000000 END
FROM numbers;
INSERT INTO keys (id, key_set_id, generation, masked, issued_by, custody, created_at, start_at, provisioned_at,
    rotation_due_at, expires_at, ended_at, end_reason, digest_key, key_digest, identity, deciding)
SELECT 'key_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2),
    'ks_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2), 1, 'clv_key_0000…0000', sample.issued_by,
    sample.custody, i * 1000000, i * 1000000, i * 1000000, 8000000000000000 + i * 1000000,
    9000000000000000 + i * 1000000, CASE WHEN i % 20 = 1 THEN i * 1000000 END,
    CASE WHEN i % 20 = 1 THEN 'revoked' END, 1, CAST('digest ' || i AS BYTES), sample.identity, sample.deciding
FROM numbers, (SELECT issued_by, custody, identity, deciding FROM keys LIMIT 1) AS sample;
INSERT INTO subscriptions (id, application_id, organization_id, group_id, api_id, api_organization_id, api_group_id,
    environment_id, status, key_set_ids, created_at)
SELECT 'sub_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2),
    'app_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2), apis.organization_id, apis.group_id, apis.id,
    apis.organization_id, apis.group_id, (SELECT id FROM environments LIMIT 1), 'active', '[]', i
FROM numbers, apis WHERE i % 10 = 0;
INSERT INTO subscription_key_sets (subscription_id, key_set_id)
SELECT 'sub_00000000000000' || substr(CAST(1000000000000 + CASE WHEN i < 10 THEN 10 ELSE i - i % 10 END AS TEXT), 2),
    'ks_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2)
FROM numbers;
INSERT INTO last_used (id, used_at)
SELECT 'key_00000000000000' || substr(CAST(1000000000000 + i AS TEXT), 2), i * 1000000 FROM numbers;
ANALYZE;
