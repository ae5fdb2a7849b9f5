-- What became of webhooks, and of changes that none announced: counts by kind and by word, with when it was last so.
CREATE TABLE heard (
    system  TEXT NOT NULL,
    what    TEXT NOT NULL,
    word    TEXT NOT NULL,
    count   INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    PRIMARY KEY (system, what, word)
) STRICT, WITHOUT ROWID;
