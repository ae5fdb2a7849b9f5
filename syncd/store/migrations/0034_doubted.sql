-- How many complete passes in a row were not believed: each is waited for longer than the one before.
ALTER TABLE cursors ADD COLUMN doubted INTEGER NOT NULL DEFAULT 0;
