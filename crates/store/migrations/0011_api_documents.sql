-- OpenAPI documents of APIs. Which version an API has, and had, follows from the log.
ALTER TABLE apis ADD COLUMN document TEXT;
CREATE TABLE api_documents (
    api_id TEXT NOT NULL REFERENCES apis (id),
    version BIGINT NOT NULL,
    document TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (api_id, version)
);

-- ---------------------------------------------------------------- beside the log

-- What the versions are: their bytes as they came, and what they describe, each once however many versions are the same.
CREATE TABLE documents (
    sha256 BYTEA PRIMARY KEY,
    bytes BYTEA NOT NULL
);
CREATE TABLE document_operations (
    sha256 BYTEA NOT NULL REFERENCES documents (sha256),
    number BIGINT NOT NULL,
    operation TEXT NOT NULL,
    PRIMARY KEY (sha256, number)
);
