-- Records that are to be deleted at the systems, because a person is to be forgotten: one row each until its request is answered.
CREATE TABLE removals (
    request_id INTEGER NOT NULL,
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('owed', 'done', 'left')),
    why        TEXT,
    attempts   INTEGER NOT NULL DEFAULT 0,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (request_id, system, collection, record_id)
) STRICT, WITHOUT ROWID;
