-- What is over is found by when it was.
CREATE INDEX journal_at ON journal (at);
CREATE INDEX outbox_done ON outbox (done_at) WHERE state IN ('done', 'cancelled');
CREATE INDEX holds_closed ON holds (updated_at) WHERE state = 'closed';
CREATE INDEX requests_done ON requests (done_at) WHERE state IN ('done', 'failed');
