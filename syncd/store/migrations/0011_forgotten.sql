-- Whom syncd was told to forget, as keyed hashes of their records and match keys. `kept_out` counts how often they would have come in again.
CREATE TABLE forgotten (
    mark     TEXT PRIMARY KEY,
    number   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    kept_out INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
