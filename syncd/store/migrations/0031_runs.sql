-- What a run did is asked by its number.
CREATE INDEX journal_run ON journal (run_id, id);
