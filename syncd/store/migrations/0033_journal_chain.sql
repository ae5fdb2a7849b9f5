-- The journal's chain: one link a commit, over its rows (eight keyed bytes each) and the link before. `origin` says whose rows they are:
-- ours, of before there was a chain, or put in by somebody else. A link without rows is where the journal was cut off: the chain goes on from it.
CREATE TABLE journal_chain (
    last_id  INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    key_id   TEXT NOT NULL,
    origin   TEXT NOT NULL,
    rows     BLOB NOT NULL,
    hash     BLOB NOT NULL
) STRICT;

-- Rows that syncd itself changed or removed later, because a person was to be forgotten: what they are now, keyed.
CREATE TABLE journal_amends (
    id  INTEGER PRIMARY KEY,
    sum BLOB NOT NULL,
    at  INTEGER NOT NULL
) STRICT;
