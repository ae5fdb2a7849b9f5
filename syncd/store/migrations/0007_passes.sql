-- When the last pass began that would have shown every change: a pass over a window is none. For what was read before, the last complete one.
ALTER TABLE cursors ADD COLUMN looked_at INTEGER;
UPDATE cursors SET looked_at = complete_at;

-- What a pass costs: the calls made so far, about how many are left, and what the last complete one took.
ALTER TABLE cursors ADD COLUMN pass_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE cursors ADD COLUMN pass_calls_left INTEGER;
ALTER TABLE cursors ADD COLUMN complete_calls INTEGER;
