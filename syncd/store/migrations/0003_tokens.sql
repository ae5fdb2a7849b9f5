-- Tokens that a vendor hands out and replaces, sealed. `tries` counts exchanges that were begun and whose outcome is not known.
CREATE TABLE tokens (
    system        TEXT PRIMARY KEY,
    version       INTEGER NOT NULL,
    key_id        TEXT NOT NULL,
    sealed        BLOB NOT NULL,
    tries         INTEGER NOT NULL DEFAULT 0,
    claimed_until INTEGER,
    updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
