-- Tokens are sealed by the vault. What a key of their own still seals says which, until it is taken over.
ALTER TABLE tokens ADD COLUMN former_key TEXT;
UPDATE tokens SET former_key = key_id;
ALTER TABLE tokens DROP COLUMN key_id;
