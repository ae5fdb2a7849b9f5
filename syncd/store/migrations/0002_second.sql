-- A reading takes time: what a record showed is of some moment between `seen_at` (begun) and `read_at` (answered).
ALTER TABLE observations ADD COLUMN read_at INTEGER NOT NULL DEFAULT 0;
UPDATE observations SET read_at = seen_at;

-- What may lead to a write at a vendor stands behind a checksum over itself and its row.
UPDATE observations SET fields = seal(fields, 'observations', system, collection, record_id),
    changed = seal(changed, 'observations', system, collection, record_id),
    evidence = seal(evidence, 'observations', system, collection, record_id);
UPDATE links SET hub = seal(hub, 'links', id, sync, revision, state, coalesce((
    SELECT group_concat(member || '=' || record_id, '|')
    FROM (SELECT member, record_id FROM link_members WHERE link_id = links.id ORDER BY member)
), ''));
UPDATE link_members SET base = seal(base, 'link_members', link_id, member, system, collection, record_id, gone),
    agreed = seal(agreed, 'link_members', link_id, member, system, collection, record_id, gone);
UPDATE outbox SET payload = seal(payload, 'outbox', key, link_id, member, system, collection, record_id, operation);
UPDATE events SET payload = seal(payload, 'events', dedupe_key);

-- The proof that a deletion or archiving rests on.
ALTER TABLE outbox ADD COLUMN evidence BLOB;

-- How many items a run looked at; its outcomes must add up to that.
ALTER TABLE runs ADD COLUMN looked INTEGER NOT NULL DEFAULT 0;
UPDATE runs SET looked = coalesce((SELECT sum(count) FROM outcomes WHERE run_id = runs.id AND outcome <> 'failed'), 0);

-- Whom a record names as its parent is indexed beside its match keys.
CREATE INDEX match_keys_parent ON match_keys (value) WHERE substr(key, 1, 4) = 'ref:';
