-- Who asked: the account of the process that left the request.
ALTER TABLE requests ADD COLUMN asked_by TEXT NOT NULL DEFAULT '';
