-- A reading takes time: what a record showed is of some moment between `seen_at` (begun) and `read_at` (answered).
ALTER TABLE observations ADD COLUMN read_at INTEGER NOT NULL DEFAULT 0;
UPDATE observations SET read_at = seen_at;
