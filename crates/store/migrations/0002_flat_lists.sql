-- What keeps lists and searches flat however many rows there are. One text for SQLite and PostgreSQL, but for the
-- sections that begin with the name of one of them: neither has the other's index for parts of texts.

-- A status in the order of creation; the clock's part of a status is found by `key_sets_by_status`.
CREATE INDEX key_sets_by_status_and_time ON key_sets (latest_status, created_at, id) WHERE removed_at IS NULL;

-- ---------------------------------------------------------------- SQLite alone

-- Three letters at a time, and which rows have them. Written by triggers, as an index is: no row of it says what
-- the row that it belongs to does not. The numbers are its own, since those of rows without a whole number as key
-- may change.
CREATE TABLE key_set_numbers (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE VIEW key_set_texts AS SELECT key_set_numbers.number AS number, key_sets.search AS text
    FROM key_set_numbers JOIN key_sets ON key_sets.id = key_set_numbers.id;
CREATE VIRTUAL TABLE key_set_grams USING fts5 (text, content = 'key_set_texts', content_rowid = 'number',
    tokenize = 'trigram case_sensitive 1', detail = none, columnsize = 0);
INSERT INTO key_set_numbers (id) SELECT id FROM key_sets ORDER BY created_at, id;
INSERT INTO key_set_grams (key_set_grams) VALUES ('rebuild');
CREATE TRIGGER key_set_grams_of_new AFTER INSERT ON key_sets BEGIN
    INSERT INTO key_set_numbers (id) VALUES (new.id);
    INSERT INTO key_set_grams (rowid, text) SELECT number, new.search FROM key_set_numbers WHERE id = new.id;
END;
CREATE TRIGGER key_set_grams_of_changed AFTER UPDATE OF search ON key_sets WHEN old.search <> new.search BEGIN
    INSERT INTO key_set_grams (key_set_grams, rowid, text)
        SELECT 'delete', number, old.search FROM key_set_numbers WHERE id = new.id;
    INSERT INTO key_set_grams (rowid, text) SELECT number, new.search FROM key_set_numbers WHERE id = new.id;
END;

CREATE TABLE application_numbers (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE VIEW application_texts AS SELECT application_numbers.number AS number, applications.folded_name AS text
    FROM application_numbers JOIN applications ON applications.id = application_numbers.id;
CREATE VIRTUAL TABLE application_grams USING fts5 (text, content = 'application_texts', content_rowid = 'number',
    tokenize = 'trigram case_sensitive 1', detail = none, columnsize = 0);
INSERT INTO application_numbers (id) SELECT id FROM applications ORDER BY created_at, id;
INSERT INTO application_grams (application_grams) VALUES ('rebuild');
CREATE TRIGGER application_grams_of_new AFTER INSERT ON applications BEGIN
    INSERT INTO application_numbers (id) VALUES (new.id);
    INSERT INTO application_grams (rowid, text)
        SELECT number, new.folded_name FROM application_numbers WHERE id = new.id;
END;
CREATE TRIGGER application_grams_of_changed AFTER UPDATE OF folded_name ON applications
WHEN old.folded_name <> new.folded_name BEGIN
    INSERT INTO application_grams (application_grams, rowid, text)
        SELECT 'delete', number, old.folded_name FROM application_numbers WHERE id = new.id;
    INSERT INTO application_grams (rowid, text)
        SELECT number, new.folded_name FROM application_numbers WHERE id = new.id;
END;

-- ---------------------------------------------------------------- PostgreSQL alone

-- Three letters at a time. No extension, which not everyone may install. What was added last waits in a list that
-- each search reads; the shorter the list, the faster the search and the slower the adding.
CREATE FUNCTION claviger_grams(whole TEXT) RETURNS TEXT[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    'SELECT ARRAY(SELECT substr(whole, letter, 3) FROM generate_series(1, length(whole) - 2) AS letter)';
CREATE INDEX key_sets_by_grams ON key_sets USING gin ((claviger_grams(search) COLLATE "C"))
    WITH (gin_pending_list_limit = 128) WHERE removed_at IS NULL;
CREATE INDEX applications_by_grams ON applications USING gin ((claviger_grams(folded_name) COLLATE "C"))
    WITH (gin_pending_list_limit = 128);
