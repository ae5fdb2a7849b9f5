-- The places automations watch. `listed` says that what turns up there is new, and not part of a first listing; `backlog` that somebody wants to be
-- told of a first listing, too.
CREATE TABLE watched_places (
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    since      INTEGER NOT NULL,
    listed     INTEGER NOT NULL,
    backlog    INTEGER NOT NULL,
    PRIMARY KEY (system, collection)
) STRICT, WITHOUT ROWID;

-- What happened and automations were not told yet, in the order in which it was seen. Numbers are never used again.
CREATE TABLE to_notice (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,
    system     TEXT,
    collection TEXT,
    record_id  TEXT,
    sync       TEXT,
    link_id    INTEGER,
    content    BLOB NOT NULL,
    claims     BLOB,
    at         INTEGER NOT NULL
) STRICT;
CREATE INDEX to_notice_record ON to_notice (system, record_id);

-- Records whose last sight was lost: seen again, they are nothing new.
CREATE TABLE unsighted (
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    record_id  TEXT NOT NULL,
    PRIMARY KEY (system, collection, record_id)
) STRICT, WITHOUT ROWID;

-- What automations (and, where webhooks are looked at themselves, syncs) did, until it shows. `place` is a system, or ``sync NAME``.
CREATE TABLE claims (
    id      INTEGER PRIMARY KEY,
    place   TEXT NOT NULL,
    subject TEXT NOT NULL,
    content BLOB NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX claims_subject ON claims (place, subject);

-- Automations as wholes: why one is paused, when its poll or schedule comes round, what its poll last began.
CREATE TABLE automations (
    name     TEXT PRIMARY KEY,
    clock    TEXT NOT NULL DEFAULT '',
    due_at   INTEGER,
    since    INTEGER NOT NULL,
    polled   INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    paused   TEXT
) STRICT, WITHOUT ROWID;

-- The steps that runs began with: a run goes on by them, whatever the configuration says meanwhile.
CREATE TABLE automation_rules (
    edition  TEXT PRIMARY KEY,
    written BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE automation_runs (
    id          INTEGER PRIMARY KEY,
    automation  TEXT NOT NULL,
    event_key   TEXT NOT NULL,
    subject     TEXT NOT NULL,
    edition      TEXT NOT NULL,
    sync        TEXT,
    link_id     INTEGER,
    event       BLOB NOT NULL,
    origin      TEXT NOT NULL,
    depth       INTEGER NOT NULL,
    state       TEXT NOT NULL,
    system      TEXT,
    error       TEXT,
    due_at      INTEGER NOT NULL,
    fence       INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    created_at  INTEGER NOT NULL,
    done_at     INTEGER,
    UNIQUE (automation, event_key)
) STRICT;
CREATE INDEX automation_runs_due ON automation_runs (system, due_at) WHERE state = 'running';
CREATE INDEX automation_runs_subject ON automation_runs (automation, subject, created_at);
CREATE INDEX automation_runs_open ON automation_runs (automation, subject, id) WHERE state IN ('running', 'parked');
CREATE INDEX automation_runs_state ON automation_runs (state, automation);
CREATE INDEX automation_runs_done ON automation_runs (done_at) WHERE done_at IS NOT NULL;

-- The steps of runs. `replay` says that a call may be made again where its outcome is not known.
CREATE TABLE automation_steps (
    run_id     INTEGER NOT NULL REFERENCES automation_runs (id),
    path       TEXT NOT NULL,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    state      TEXT NOT NULL,
    system     TEXT,
    payload    BLOB,
    result     BLOB,
    replay     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    error      TEXT,
    created_at INTEGER NOT NULL,
    sent_at    INTEGER,
    done_at    INTEGER,
    PRIMARY KEY (run_id, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX automation_steps_sent ON automation_steps (system, sent_at) WHERE state = 'sent';

-- What became of happenings that set nothing off, and of those that did.
CREATE TABLE automation_outcomes (
    automation TEXT NOT NULL,
    outcome    TEXT NOT NULL,
    count      INTEGER NOT NULL,
    PRIMARY KEY (automation, outcome)
) STRICT, WITHOUT ROWID;

-- The items that a poll found, and for how many polls one has been missing.
CREATE TABLE polled_items (
    automation  TEXT NOT NULL,
    item        TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    missing     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (automation, item)
) STRICT, WITHOUT ROWID;
