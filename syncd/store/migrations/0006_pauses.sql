-- Collections that are not used, though their system is: the credential does not open them.
CREATE TABLE pauses (
    system     TEXT NOT NULL,
    collection TEXT NOT NULL,
    reason     TEXT NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (system, collection)
) STRICT, WITHOUT ROWID;
