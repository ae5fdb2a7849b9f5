-- Differences that nothing explains, since when they are known; the values stay where they are.
CREATE TABLE drifts (
    sync    TEXT NOT NULL,
    link_id INTEGER NOT NULL,
    member  TEXT NOT NULL,
    field   TEXT NOT NULL,
    why     TEXT NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (sync, link_id, member, field)
) STRICT, WITHOUT ROWID;
