-- What a system behind a bridge last showed of each record: it cannot be asked. `fields` is NULL for one that is said to be gone.
CREATE TABLE bridge_records (
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    vendor_id  TEXT,
    fields     BLOB,
    said_at    INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    shown_at   INTEGER NOT NULL,
    PRIMARY KEY (system, collection, record_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX bridge_records_vendor ON bridge_records (system, collection, vendor_id) WHERE vendor_id IS NOT NULL;
CREATE INDEX bridge_records_changed ON bridge_records (system, collection, changed_at, record_id);

-- The natural keys that the records show, those that are there.
CREATE TABLE bridge_keys (
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    key        TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    PRIMARY KEY (system, collection, key, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bridge_keys_record ON bridge_keys (system, collection, record_id);

-- What was handed to flows, and what they said became of it.
CREATE TABLE bridge_handoffs (
    op_id       TEXT PRIMARY KEY,
    system      TEXT NOT NULL,
    collection  TEXT NOT NULL,
    operation   TEXT NOT NULL,
    record_id   TEXT,
    content     BLOB NOT NULL,
    keys        TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    state       TEXT NOT NULL,
    attempts    INTEGER NOT NULL DEFAULT 0,
    queued_at   INTEGER NOT NULL,
    handed_at   INTEGER,
    acked_at    INTEGER,
    result      TEXT,
    error       TEXT,
    made_id     TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX bridge_handoffs_open ON bridge_handoffs (system, collection, record_id) WHERE state <> 'acked';
CREATE INDEX bridge_handoffs_acked ON bridge_handoffs (acked_at) WHERE state = 'acked';

-- The deliveries that were taken in, each once, for as long as one of them could be replayed.
CREATE TABLE bridge_posts (
    system      TEXT NOT NULL,
    post_id     TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    records     TEXT NOT NULL,
    PRIMARY KEY (system, post_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bridge_posts_received ON bridge_posts (system, received_at);
