-- Links that want planning at a certain time, though nobody edits anything: a value that follows the clock changes then.
CREATE TABLE to_plan_later (
    sync      TEXT NOT NULL,
    member    TEXT NOT NULL,
    record_id TEXT NOT NULL,
    due_at    INTEGER NOT NULL,
    PRIMARY KEY (sync, member, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_plan_later_due ON to_plan_later (sync, due_at);
