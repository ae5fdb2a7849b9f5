-- What each channel was told of what an operator should know: one row a channel and condition, open until it is over.
CREATE TABLE alerts (
    channel       TEXT NOT NULL,
    kind          TEXT NOT NULL,
    subject       TEXT NOT NULL,
    sentence      TEXT NOT NULL,
    mend          TEXT NOT NULL,
    opened_at     INTEGER NOT NULL,
    over_at       INTEGER,
    said          TEXT NOT NULL,
    said_sentence TEXT NOT NULL,
    said_at       INTEGER NOT NULL,
    held_back     INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    retry_at      INTEGER NOT NULL,
    PRIMARY KEY (channel, kind, subject)
) STRICT, WITHOUT ROWID;
