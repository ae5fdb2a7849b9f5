-- Values are sealed with the vault, and what is looked up but would name a person is blinded. The file is then written anew, so that no
-- page of it keeps what was plain.
UPDATE observations SET fields = enclose(opened(fields, 'observations', system, collection, record_id), 'observations', system, collection, record_id),
    changed = enclose(opened(changed, 'observations', system, collection, record_id), 'observations', system, collection, record_id),
    evidence = enclose(opened(evidence, 'observations', system, collection, record_id), 'observations', system, collection, record_id),
    fingerprint = blind_mark(fingerprint);
UPDATE links SET hub = enclose(opened(hub, 'links', id, sync, revision, state, members), 'links', id, sync, revision, state, members)
FROM (SELECT l.id AS link, coalesce((
    SELECT group_concat(member || '=' || record_id, '|')
    FROM (SELECT member, record_id FROM link_members WHERE link_id = l.id ORDER BY member)
), '') AS members FROM links AS l) WHERE link = links.id;
UPDATE link_members SET base = enclose(opened(base, 'link_members', link_id, member, system, collection, record_id, gone),
        'link_members', link_id, member, system, collection, record_id, gone),
    agreed = enclose(opened(agreed, 'link_members', link_id, member, system, collection, record_id, gone),
        'link_members', link_id, member, system, collection, record_id, gone);
UPDATE outbox SET key = blind(key),
    payload = enclose(opened(payload, 'outbox', key, link_id, member, system, collection, record_id, operation),
        'outbox', blind(key), link_id, member, system, collection, record_id, operation),
    evidence = enclose(opened(evidence, 'outbox', key, link_id, member, system, collection, record_id, operation),
        'outbox', blind(key), link_id, member, system, collection, record_id, operation),
    error = enclose_text(error, 'outbox', blind(key));
UPDATE events SET dedupe_key = blind(dedupe_key),
    payload = enclose(opened(payload, 'events', dedupe_key), 'events', blind(dedupe_key));
UPDATE match_keys SET value = blind(value) WHERE substr(key, 1, 4) <> 'ref:';
DELETE FROM meta WHERE key LIKE 'match\_keys %' ESCAPE '\';
UPDATE journal SET detail = enclose(detail, 'journal', id, link_id);
UPDATE requests SET arguments = enclose(arguments, 'requests', id), progress = enclose(progress, 'requests', id),
    result = enclose(result, 'requests', id);

-- An ignored hold stays ignored while its sides stay the same: sealed, they are told apart by a mark.
ALTER TABLE holds ADD COLUMN sides_mark BLOB NOT NULL DEFAULT x'';
UPDATE holds SET sides_mark = side_mark(sides), sides = enclose(sides, 'holds', key), reason = enclose_text(reason, 'holds', key);

-- A vendor's own id is often an address: it is looked up blinded, and read sealed.
ALTER TABLE bridge_records ADD COLUMN vendor_name TEXT;
UPDATE bridge_records SET vendor_name = enclose_text(vendor_id, 'bridge_records', system, collection, record_id, 'vendor'),
    vendor_id = blind(vendor_id),
    fields = enclose(opened(fields, 'bridge_records', system, collection, record_id), 'bridge_records', system, collection, record_id);
UPDATE bridge_keys SET key = blind_key(key);
UPDATE bridge_handoffs SET keys = blind_keys(keys), fingerprint = blind_mark(fingerprint),
    content = enclose(with_keys(opened(content, 'bridge_handoffs', op_id), keys), 'bridge_handoffs', op_id),
    error = enclose_text(error, 'bridge_handoffs', op_id);
INSERT INTO meta (key, value) SELECT 'shrink', '1' WHERE EXISTS (SELECT 1 FROM observations) OR EXISTS (SELECT 1 FROM events)
    OR EXISTS (SELECT 1 FROM journal) OR EXISTS (SELECT 1 FROM match_keys) OR EXISTS (SELECT 1 FROM holds) OR EXISTS (SELECT 1 FROM requests)
    OR EXISTS (SELECT 1 FROM bridge_records) OR EXISTS (SELECT 1 FROM bridge_handoffs);
