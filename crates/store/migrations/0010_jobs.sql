-- Work that goes on after its request was answered. Beside the log: what a job changes is there, the job is not.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    api_id TEXT NOT NULL REFERENCES apis (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    group_id TEXT NOT NULL REFERENCES groups (id),
    actor TEXT NOT NULL,
    node_id TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ends_by BIGINT NOT NULL,
    status TEXT NOT NULL,
    finished_at BIGINT,
    outcome TEXT,
    errors TEXT
);
CREATE INDEX jobs_by_time ON jobs (started_at, id);
CREATE INDEX jobs_by_organization ON jobs (organization_id, started_at, id);
CREATE INDEX jobs_by_group ON jobs (group_id, started_at, id);
CREATE INDEX jobs_by_api ON jobs (api_id, started_at, id);
CREATE INDEX jobs_running ON jobs (api_id, ends_by) WHERE finished_at IS NULL;
CREATE INDEX jobs_by_end ON jobs (finished_at) WHERE finished_at IS NOT NULL;
