-- The newest event that each automation was told of, whether it set it off or not: what a person may try it out with.
CREATE TABLE automation_newest (
    automation TEXT PRIMARY KEY,
    at         INTEGER NOT NULL,
    event      BLOB NOT NULL
) STRICT, WITHOUT ROWID;
