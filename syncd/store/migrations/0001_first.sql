-- Times are integer microseconds UTC. Values are JSON in blobs. Names are the operator's.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- The inbox: what webhooks announced, each once.
CREATE TABLE events (
    id          INTEGER PRIMARY KEY,
    system      TEXT NOT NULL,
    collection  TEXT NOT NULL,
    record_id   TEXT NOT NULL,
    dedupe_key  TEXT NOT NULL,
    change      TEXT NOT NULL,
    payload     BLOB,
    is_full     INTEGER NOT NULL,
    occurred_at INTEGER,
    received_at INTEGER NOT NULL,
    outcome     TEXT,
    done_at     INTEGER,
    UNIQUE (system, dedupe_key)
) STRICT;
CREATE INDEX events_waiting ON events (system, collection, record_id, received_at) WHERE done_at IS NULL;
CREATE INDEX events_done ON events (done_at) WHERE done_at IS NOT NULL;

-- What each record last showed. `fields` is NULL for a confirmed deletion.
CREATE TABLE observations (
    system      TEXT NOT NULL,
    collection  TEXT NOT NULL,
    record_id   TEXT NOT NULL,
    fields      BLOB,
    fingerprint BLOB NOT NULL,
    changed     BLOB NOT NULL,
    seen_at     INTEGER NOT NULL,
    modified_at INTEGER,
    evidence    BLOB,
    pass_id     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (system, collection, record_id)
) STRICT, WITHOUT ROWID;

-- Records that look deleted, and the proof collected so far.
CREATE TABLE suspects (
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    evidence   BLOB NOT NULL,
    missing_at INTEGER,
    due_at     INTEGER NOT NULL,
    PRIMARY KEY (system, collection, record_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE cursors (
    system           TEXT NOT NULL,
    collection       TEXT NOT NULL,
    cursor           INTEGER,
    pass_id          INTEGER NOT NULL DEFAULT 0,
    pass_mode        TEXT,
    pass_token       BLOB,
    pass_since       INTEGER,
    pass_started_at  INTEGER,
    pass_listed      INTEGER NOT NULL DEFAULT 0,
    pass_newest      INTEGER,
    polled_at        INTEGER,
    complete_at      INTEGER,
    complete_tried_at INTEGER,
    requested_at     INTEGER,
    PRIMARY KEY (system, collection)
) STRICT, WITHOUT ROWID;

-- Records whose links want planning, and which event or pass said so.
CREATE TABLE to_plan (
    sync      TEXT NOT NULL,
    member    TEXT NOT NULL,
    record_id TEXT NOT NULL,
    since     INTEGER NOT NULL,
    cause     TEXT NOT NULL,
    indexed   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sync, member, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_plan_order ON to_plan (sync, since);
CREATE INDEX to_plan_index ON to_plan (sync, indexed);

CREATE TABLE match_keys (
    sync      TEXT NOT NULL,
    member    TEXT NOT NULL,
    record_id TEXT NOT NULL,
    key       TEXT NOT NULL,
    value     TEXT NOT NULL,
    PRIMARY KEY (sync, member, record_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX match_keys_value ON match_keys (sync, key, value);

CREATE TABLE links (
    id         INTEGER PRIMARY KEY,
    sync       TEXT NOT NULL,
    revision   INTEGER NOT NULL,
    state      TEXT NOT NULL,
    hub        BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX links_state ON links (sync, state);

CREATE TABLE link_members (
    link_id    INTEGER NOT NULL REFERENCES links (id),
    sync       TEXT NOT NULL,
    member     TEXT NOT NULL,
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    base       BLOB NOT NULL,
    agreed     BLOB NOT NULL,
    gone       INTEGER NOT NULL,
    PRIMARY KEY (link_id, member),
    UNIQUE (sync, member, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_members_record ON link_members (system, collection, record_id);

-- The outbox: writes owed. At most one per (link, member) is open at any time.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY,
    key         TEXT NOT NULL UNIQUE,
    sync        TEXT NOT NULL,
    link_id     INTEGER NOT NULL REFERENCES links (id),
    member      TEXT NOT NULL,
    system      TEXT NOT NULL,
    collection  TEXT NOT NULL,
    record_id   TEXT,
    operation   TEXT NOT NULL,
    stream      TEXT NOT NULL,
    payload     BLOB NOT NULL,
    revision    INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    state       TEXT NOT NULL,
    gate        TEXT,
    attempts    INTEGER NOT NULL DEFAULT 0,
    due_at      INTEGER NOT NULL,
    fence       INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    error       TEXT,
    run_id      INTEGER,
    created_at  INTEGER NOT NULL,
    sent_at     INTEGER,
    done_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX outbox_open ON outbox (link_id, member) WHERE state IN ('pending', 'parked', 'sent', 'unknown');
CREATE INDEX outbox_link ON outbox (link_id, member);
CREATE INDEX outbox_due ON outbox (system, priority, due_at) WHERE state IN ('pending', 'unknown');
CREATE INDEX outbox_state ON outbox (state, sync);
CREATE INDEX outbox_window ON outbox (sync, created_at);
CREATE INDEX outbox_record ON outbox (system, collection, record_id) WHERE state IN ('pending', 'sent', 'unknown');
CREATE INDEX outbox_gate ON outbox (gate) WHERE gate IS NOT NULL;

CREATE TABLE holds (
    id         INTEGER PRIMARY KEY,
    key        TEXT NOT NULL UNIQUE,
    sync       TEXT NOT NULL,
    link_id    INTEGER,
    member     TEXT,
    record_id  TEXT,
    field      TEXT,
    kind       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    sides      BLOB NOT NULL,
    state      TEXT NOT NULL,
    choice     TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX holds_link ON holds (link_id) WHERE link_id IS NOT NULL;
CREATE INDEX holds_state ON holds (state, sync);

CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,
    kind        TEXT NOT NULL,
    reason      TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

-- Decisions and outcomes, append-only.
CREATE TABLE journal (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    run_id  INTEGER,
    sync    TEXT NOT NULL,
    link_id INTEGER,
    kind    TEXT NOT NULL,
    member  TEXT,
    record_id TEXT,
    detail  BLOB NOT NULL
) STRICT;
CREATE INDEX journal_link ON journal (link_id, id);

-- Every observed change ends in exactly one named outcome; these are the sums.
CREATE TABLE outcomes (
    run_id  INTEGER NOT NULL,
    sync    TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (run_id, sync, outcome, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE requests (
    id         INTEGER PRIMARY KEY,
    kind       TEXT NOT NULL,
    arguments  BLOB NOT NULL,
    state      TEXT NOT NULL,
    progress   BLOB,
    result     BLOB,
    created_at INTEGER NOT NULL,
    done_at    INTEGER
) STRICT;

CREATE TABLE systems (
    system     TEXT PRIMARY KEY,
    identity   TEXT NOT NULL,
    paused     TEXT,
    quota      BLOB,
    detail     BLOB,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE syncs (
    sync       TEXT PRIMARY KEY,
    digest     TEXT NOT NULL,
    approved_at INTEGER,
    settled_at  INTEGER
) STRICT, WITHOUT ROWID;
