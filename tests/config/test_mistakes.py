"""Every mistake an operator can make: one line each, with the line of the file and the words it must give.

Each row changes one thing in the good configuration of `conftest`, and must give exactly one problem: a mistake is said once.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from syncd.config import Finding, Report, check

# One mistake is one line, however long.
# fmt: off
MISTAKES = [
    ("syntax", "[systems.crm]", "[systems.crm", 1, "not TOML: Expected ']' at the end of a table declaration (column 13); https://toml.io shows how it is written"),
    ("unknown_table", "[syncs.people]\n", '[demon]\nlisten = "off"\n[syncs.people]\n', 11, "demon: unknown key; did you mean `daemon`?"),
    ("alerts_in_the_clear", "[syncs.people]\n", '[alerts]\nwebhook = "http://alerts.example.com"\nsecret = { credential = "crm-token" }\n[syncs.people]\n', 12, "alerts.webhook: would be told in the clear; use https; plain http reaches this machine only"),
    ("alerts_unsigned", "[syncs.people]\n", '[alerts]\nwebhook = "https://alerts.example.com"\n[syncs.people]\n', 12, 'alerts.webhook: has no `secret` to be signed with; write secret = { file = "alerts-secret" }'),
    ("alerts_signs_nothing", "[syncs.people]\n", '[alerts]\nsecret = { credential = "crm-token" }\n[syncs.people]\n', 12, 'alerts.secret: signs nothing: there is no `webhook`; write webhook = "https://…", or take it out'),
    ("alerts_shell", "[syncs.people]\n", '[alerts]\ncommand = "mail root"\n[syncs.people]\n', 12, 'alerts.command: is a list of texts, not "mail root"; write command = ["…", "…"]'),
    ("alerts_misspelt", "[syncs.people]\n", '[alerts]\nwebhok = "https://x.example"\n[syncs.people]\n', 12, "alerts.webhok: unknown key; did you mean `webhook`?"),
    ("audit_every_word", "[syncs.people]\n", '[daemon]\naudit_every = "never"\n[syncs.people]\n', 12, 'daemon.audit_every: is a duration, not "never"; write a number and a unit: "500ms", "30s", "5m", "2h", "1d"'),
    ("kind_misspelt", 'kind = "crm"', 'knd = "crm"', 1, 'systems.crm: says no kind; write kind = "…", one of crm, mailer'),
    ("kind_unknown", 'kind = "crm"', 'kind = "cmr"', 2, 'systems.crm.kind: there is no kind "cmr"; did you mean `crm`?'),
    ("kind_number", 'kind = "crm"', "kind = 3", 2, "systems.crm.kind: is a text, not 3"),
    ("setting_misspelt", 'location_id = "ABC123"', 'locaton_id = "ABC123"', 3, "systems.crm.locaton_id: unknown key; did you mean `location_id`?"),
    ("setting_missing", 'location_id = "ABC123"', "", 1, "systems.crm.location_id: is missing; write location_id = … (the account's own id)"),
    ("setting_refused", 'location_id = "ABC123"', 'location_id = "A"', 3, "systems.crm.location_id: String should have at least 3 characters"),
    ("setting_type", 'location_id = "ABC123"', "location_id = 7", 3, "systems.crm.location_id: should be a valid string"),
    ("region_unknown", 'region = "GB"', 'region = "UK"', 5, 'systems.crm.region: "UK" is no region; write two capital letters as ISO 3166 has them: US, GB, DE, IL'),
    ("region_misspelt", 'region = "GB"', 'regoin = "GB"', 5, "systems.crm.regoin: unknown key; did you mean `region`?"),
    ("secret_written_out", '{ credential = "crm-token" }', '"pit-12345"', 4, 'systems.crm.token: a secret is never written into the configuration, where backups and screens show it; write { credential = "NAME" } or { file = "/path" }'),
    ("secret_form", '{ credential = "crm-token" }', '{ credentail = "crm-token" }', 4, 'systems.crm.token: `credentail` is no way to name a secret; did you mean `credential`?; write { credential = "NAME" } or { file = "/path" }'),
    ("secret_two_forms", '{ credential = "crm-token" }', '{ credential = "a", file = "b" }', 4, 'systems.crm.token: a secret is named in one way; write { credential = "NAME" } or { file = "/path" }'),
    ("secret_path_as_credential", '{ credential = "crm-token" }', '{ credential = "../etc/passwd" }', 4, "systems.crm.token: a credential's name has letters, digits, `.`, `_` and `-` only; a path is written { file = \"/path\" }"),
    ("create_secret_written_out", "archive = { dnd = true }", 'create = { password = "hunter2" }, archive = { dnd = true }', 17, 'syncs.people.members.crm.create.password: a secret is never written into the configuration, where backups and screens show it; write { credential = "NAME" } or { file = "/path" }'),
    ("secret_mapped", "since = {", 'word = { crm = "password", direction = "mail -> crm", mail = "fields.Word" }\nsince = {', 26, 'syncs.people.fields.word.crm: "password" of crm is a secret, and no field of a sync; write create = { "password" = { credential = "…" } } for crm in `members`'),
    ("pass_every_no_unit", "archive = { dnd = true }", 'pass_every = "24", archive = { dnd = true }', 17, 'syncs.people.members.crm.pass_every: is a duration, not "24"; write a number and a unit: "500ms", "30s", "5m", "2h", "1d"'),
    ("pass_every_misspelt", "archive = { dnd = true }", 'pass_evry = "24h", archive = { dnd = true }', 17, "syncs.people.members.crm.pass_evry: unknown key; did you mean `pass_every`?"),
    ("match_misspelt", 'match = ["email", "phone"]', 'match = ["email", "phne"]', 12, "syncs.people.match[1]: `phne` is no field of this sync; did you mean `phone`?"),
    ("match_set", 'match = ["email", "phone"]', 'match = ["email", "tags"]', 12, "syncs.people.match[1]: `tags` is a set, which tells nobody apart; match by e-mail or phone"),
    ("match_text", 'match = ["email", "phone"]', 'match = "email"', 12, 'syncs.people.match: is a list of texts, not "email"; write match = ["…", "…"]'),
    ("match_missing", 'match = ["email", "phone"]\n', "", 11, 'syncs.people: says no `match`; name the fields that tell two records of one person: match = ["email", "phone"]'),
    ("match_empty", 'match = ["email", "phone"]', "match = []", 11, 'syncs.people: says no `match`; name the fields that tell two records of one person: match = ["email", "phone"]'),
    ("truth_misspelt", 'source_of_truth = "crm"', 'source_of_truth = "cmr"', 13, "syncs.people.source_of_truth: no member is named `cmr`; did you mean `crm`?"),
    ("last_modified_no_winner", 'source_of_truth = "crm"\n', "", 13, 'syncs.people.conflict: nobody wins when both edits could be the later one; write source_of_truth = one of crm, mail, or conflict = "review"'),
    ("truth_no_winner", 'source_of_truth = "crm"\nconflict = "last_modified"\n', "", 11, 'syncs.people: nobody wins when two members change one field; write source_of_truth = one of crm, mail, or conflict = "review"'),
    ("conflict_misspelt", 'conflict = "last_modified"', 'conflict = "lastmodified"', 14, 'syncs.people.conflict: "lastmodified" is none of its words; did you mean `last_modified`?'),
    ("delete_impossible", 'conflict = "last_modified"', 'conflict = "last_modified"\ndelete = "propagate"', 15, 'syncs.people.delete: mail cannot delete contacts; write delete = "archive", "unlink" or "review"'),
    ("first_run_type", 'conflict = "last_modified"', 'conflict = "last_modified"\nfirst_run = true', 15, "syncs.people.first_run: true is none of its words; known here: auto, review"),
    ("head_misspelt", 'conflict = "last_modified"', 'confict = "last_modified"', 14, "syncs.people.confict: unknown key; did you mean `conflict`?"),
    ("member_misspelt", 'mail = { collection = "contacts", list = "L1",', 'mial = { collection = "contacts", list = "L1",', 18, 'syncs.people.members.mial: there is no system "mial"; did you mean `mail`?; name the system with system = "…"'),
    ("member_system", "mail = { collection", 'mail = { system = "male", collection', 18, 'syncs.people.members.mail.system: there is no system "male"; did you mean `mail`?'),
    ("collection_misspelt", 'mail = { collection = "contacts"', 'mail = { collection = "contact"', 18, 'syncs.people.members.mail.collection: mailer has no collection "contact"; did you mean `contacts`?'),
    ("collection_missing", 'mail = { collection = "contacts",', "mail = {", 18, 'syncs.people.members.mail: says no collection; write collection = one of "contacts"'),
    ("member_option_misspelt", 'list = "L1"', 'lst = "L1"', 18, "syncs.people.members.mail.lst: unknown key; did you mean `list`?"),
    ("member_option_missing", 'list = "L1", ', "", 18, "syncs.people.members.mail.list: is missing; write list = …"),
    ("when_field", 'field = "email", op', 'field = "emial", op', 17, "syncs.people.members.crm.when: reads `emial`, which is no field of this sync; did you mean `email`?"),
    ("when_op", 'op = "exists"', 'op = "exist"', 17, "syncs.people.members.crm.when: `op` is one of blank, contains, ends_with, eq, exists, ge, gt, in, le, lt, ne, starts_with, not 'exist'"),
    ("when_date", 'op = "exists"', 'op = "eq", value = 2025-01-01', 17, 'syncs.people.members.crm.when: holds a date or a number that is none; write a date as a text: "2025-01-31"'),
    ("when_misspelt", "when = {", "wehn = {", 17, "syncs.people.members.crm.wehn: unknown key; did you mean `when`?"),
    ("create_path", 'create = { status = "subscribed" }', 'create = { statsu = "subscribed" }', 18, "syncs.people.members.mail.create.statsu: contacts have no such field; did you mean `status`?"),
    ("create_option", 'create = { status = "subscribed" }', 'create = { status = "subscribd" }', 18, "syncs.people.members.mail.create.status: \"subscribd\" is none of this field's options; did you mean `subscribed`?"),
    ("create_read_only", 'create = { status = "subscribed" }', 'create = { id = "7" }', 18, "syncs.people.members.mail.create.id: cannot be written when a record is created; name another field, or leave it out"),
    ("archive_read_only", 'archive = { status = "unsubscribed" }', 'archive = { id = "7" }', 18, "syncs.people.members.mail.archive.id: cannot be written on a record that exists; name another field, or leave it out"),
    ("archive_empty", 'archive = { status = "unsubscribed" }', "archive = {}", 18, "syncs.people.members.mail.archive: says nothing; name a field and its value, or leave it out"),
    ("type_misspelt", 'email = { type = "email"', 'email = { type = "emial"', 21, 'syncs.people.fields.email.type: "emial" is none of its words; did you mean `email`?'),
    ("path_misspelt", 'mail = "email_address"', 'mail = "email_adress"', 21, 'syncs.people.fields.email.mail: contacts of mail have no field "email_adress"; did you mean `email_address`?'),
    ("path_unknown", 'mail = "email_address"', 'mail = "address"', 21, 'syncs.people.fields.email.mail: contacts of mail have no field "address"; did you mean `email_address`?'),
    ("path_type", 'mail = "email_address"', "mail = 7", 21, 'syncs.people.fields.email.mail: is the path of a field, or a list of paths; write mail = "path"'),
    ("required_unmapped", 'mail = "email_address" }', 'mail = "fields.Email" }', 18, 'syncs.people.members.mail: mail makes no contacts without "email_address"; map it in `fields`, or write create = { "email_address" = … }'),
    ("row_member_misspelt", 'crm = "phone", mail', 'crn = "phone", mail', 23, "syncs.people.fields.phone.crn: unknown key; did you mean `crm`?"),
    ("row_key_misspelt", 'owner = "crm"', 'onwer = "crm"', 23, "syncs.people.fields.phone.onwer: unknown key; did you mean `owner`?"),
    ("owner_misspelt", 'owner = "crm"', 'owner = "cmr"', 23, "syncs.people.fields.phone.owner: no member is named `cmr`; did you mean `crm`?"),
    ("owner_silenced", 'owner = "crm"', 'owner = "crm", direction = "mail -> crm"', 23, "syncs.people.fields.phone.owner: `crm` owns the field, but `direction` does not let it speak; put it left of the arrow"),
    ("blank_word", 'owner = "crm"', 'blank = "keep"', 23, 'syncs.people.fields.phone.blank: "keep" is none of its words; known here: ignore, propagate'),
    ("direction_misspelt", 'direction = "crm -> mail"', 'direction = "crm -> male"', 26, "syncs.people.fields.since.direction: no member is named `male`; did you mean `mail`?"),
    ("direction_form", 'direction = "crm -> mail"', 'direction = "crm > mail"', 26, 'syncs.people.fields.since.direction: "crm > mail" is no direction; write "one -> other", "one, two -> three" or "both"'),
    ("direction_both_sides", 'owner = "crm"', 'direction = "crm, mail -> mail, crm"', 23, 'syncs.people.fields.phone.direction: has the same members on both sides; write "both", or leave it out, where all may write'),
    ("direction_into_read_only", 'direction = "crm -> mail"', 'direction = "mail -> crm"', 26, 'syncs.people.fields.since.crm: "dateAdded" of crm is read-only, and this row would write it; take crm from the right of the arrow'),
    ("two_way_read_only", ', direction = "crm -> mail"', "", 26, 'syncs.people.fields.since.crm: "dateAdded" of crm is read-only, and this row would write it; write direction = "crm -> mail" or owner = "crm"'),
    ("owner_elsewhere_read_only", ', direction = "crm -> mail"', ', owner = "mail"', 26, 'syncs.people.fields.since.crm: "dateAdded" of crm is read-only, and this row would write it; write owner = "crm", or leave its path out'),
    ("never_shown", 'phone = { type = "phone", crm = "phone"', 'phone = { type = "phone", crm = "pin"', 23, 'syncs.people.fields.phone.crm: "pin" of crm is never shown, so nothing can come from there; write direction = "mail -> crm"'),
    ("transform_misspelt", 'transform = "split_name"', 'transform = "split_nam"', 22, 'syncs.people.fields.name.crm.transform: there is no transform "split_nam"; did you mean `split_name`?'),
    ("transform_arity", 'path = ["firstName", "lastName"], transform', 'path = "firstName", transform', 22, "syncs.people.fields.name.crm.path: `split_name` takes 2 paths, not 1"),
    ("paths_without_transform", '{ path = ["firstName", "lastName"], transform = "split_name" }', '["firstName", "lastName"]', 22, 'syncs.people.fields.name.crm: 2 paths need a transform to join them; write { path = ["…", "…"], transform = "split_name" }'),
    ("transform_key", 'transform = "split_name"', 'transfrom = "split_name"', 22, "syncs.people.fields.name.crm.transfrom: unknown key; did you mean `transform`?"),
    ("doubled_path", 'mail = "fields.Name"', 'mail = "fields.Phone"', 23, 'syncs.people.fields.phone.mail: `name` writes "fields.Phone" of mail as well; let one of them only read it, by `direction`'),
    ("set_as_text", 'type = "set", ', "", 24, "syncs.people.fields.tags.crm: is a set at crm and mail, and this row's type is text; write type = \"set\""),
    ("values_member", 'gold = { mail = "Gold" }', 'gold = { mial = "Gold" }', 25, "syncs.people.fields.plan.values.gold.mial: unknown key; did you mean `mail`?"),
    ("values_doubled", 'gold = { mail = "Gold" }', 'gold = { mail = "Free" }', 25, 'syncs.people.fields.plan.values: two hub words are one word at mail: "free"; give each its own word, or the way back is lost'),
    ("values_of_a_text", 'type = "choice", ', "", 25, 'syncs.people.fields.plan.values: a text has no `values`; write type = "choice", or leave them out'),
    ("values_type", '{ gold = { mail = "Gold" }, free = {} }', '"gold"', 25, 'syncs.people.fields.plan.values: is a list of words or a table, not "gold"; write values = ["gold", "silver"], or { gold = { MEMBER = "Gold" } }'),
    ("row_type", 'tags = { type = "set", crm = "tags", mail = "tags" }', 'tags = "tags"', 24, 'syncs.people.fields.tags: is a table, not "tags"; write it as { type = "text", MEMBER = "path", … }'),
    ("guard_number", 'conflict = "last_modified"', 'conflict = "last_modified"\nguards = { deletes = { number = -1 } }', 15, "syncs.people.guards.deletes.number: is a whole number from 0, not -1"),
    ("guard_share", 'conflict = "last_modified"', 'conflict = "last_modified"\nguards = { deletes = { share = 2 } }', 15, "syncs.people.guards.deletes.share: is a share between 0 and 1, not 2; 2 % is written 0.02"),
    ("guard_misspelt", 'conflict = "last_modified"', 'conflict = "last_modified"\nguards = { delets = { share = 0.1 } }', 15, "syncs.people.guards.delets: unknown key; did you mean `deletes`?"),
    ("guard_duration", 'conflict = "last_modified"', 'conflict = "last_modified"\nguards = { delete_grace = "10 minutes" }', 15, 'syncs.people.guards.delete_grace: is a duration, not "10 minutes"; write a number and a unit: "500ms", "30s", "5m", "2h", "1d"'),
    ("listen", "[systems.mail]", '[daemon]\nlisten = "8787"\n[systems.mail]', 8, 'daemon.listen: "8787" is no address; write "127.0.0.1:8787", "[::1]:8787" or "off"'),
    ("poll_number", "[systems.mail]", "[daemon]\npoll_min = 60\n[systems.mail]", 8, 'daemon.poll_min: is a duration, not 60; write a number and a unit: "500ms", "30s", "5m", "2h", "1d"'),
    ("poll_short", "[systems.mail]", '[daemon]\npoll_min = "50ms"\n[systems.mail]', 8, "daemon.poll_min: is at least 100ms"),
    ("poll_order", "[systems.mail]", '[daemon]\npoll_min = "1h"\n[systems.mail]', 8, "daemon.poll_min: is longer than `poll_max`; raise `poll_max` or lower `poll_min`"),
    ("quiet_order", "[systems.mail]", '[daemon]\nquiet = "1m"\n[systems.mail]', 8, "daemon.quiet: is longer than `quiet_max`; raise `quiet_max` or lower `quiet`"),
    ("public_url", "[systems.mail]", '[daemon]\npublic_url = "sync.example.com"\n[systems.mail]', 8, 'daemon.public_url: is no address on the web; write it as vendors reach you: "https://sync.example.com"'),
    ("proxies", "[systems.mail]", '[daemon]\ntrusted_proxies = ["10.0.0.0/8", "nginx"]\n[systems.mail]', 8, 'daemon.trusted_proxies[1]: "nginx" is no network; write "10.0.0.1" or "10.0.0.0/8"'),
    ("log_level", "[systems.mail]", '[daemon]\nlog_level = "warn"\n[systems.mail]', 8, 'daemon.log_level: "warn" is none of its words; did you mean `warning`?'),
    ("daemon_misspelt", "[systems.mail]", '[daemon]\npoll_mim = "1m"\n[systems.mail]', 8, "daemon.poll_mim: unknown key; did you mean `poll_min`?"),
    ("placeholder", '"ABC123"', '"REPLACE_ME_ACCOUNT"', 3, "systems.crm.location_id: still holds the placeholder REPLACE_ME_ACCOUNT; put your own value there"),
    ("placeholder_explained", 'location_id = "ABC123"', '# REPLACE_ME_ACCOUNT: the account id, under Settings\nlocation_id = "REPLACE_ME_ACCOUNT"', 4, "systems.crm.location_id: still holds the placeholder REPLACE_ME_ACCOUNT; put there the account id, under Settings"),
    ("field_name", 'tags = { type = "set", crm', '"my tags" = { type = "set", crm', 24, 'syncs.people.fields."my tags": is no name; a name has letters, digits, `_` and `-` only'),
    ("bool_as_set", 'crm = "tags", mail', 'crm = "dnd", mail', 24, "syncs.people.fields.tags.crm: is one bool at crm, and this row's type is set; name a field that holds a set"),
    ("values_options", 'mail = "fields.Plan", values = { gold = { mail = "Gold" }, free = {} }', 'mail = "status", values = ["subscribed", "bounced"]', 25, 'syncs.people.fields.plan.values: mail knows no "bounced" here; known here: subscribed, unsubscribed'),
    ("values_capitals", 'mail = "tags" }', 'mail = "tags", values = { vip = {}, VIP = {} } }', 24, 'syncs.people.fields.tags.values: two hub words differ only in capitals: "vip"; write one of them'),
    ("values_beside_transform", 'mail = "fields.Plan"', 'mail = { path = "fields.Plan", transform = "lower" }', 25, "syncs.people.fields.plan.mail: has a transform, beside which `values` do nothing; keep one of the two"),
    ("prefix_alone", 'crm = "custom.plan"', 'crm = "custom."', 25, 'syncs.people.fields.plan.crm: contacts of crm have no field "custom."; did you mean `custom.…`?'),
    ("path_twice", '["firstName", "lastName"]', '["firstName", "firstName"]', 22, "syncs.people.fields.name.crm.path: names one path twice"),
    ("row_empty", 'type = "instant", crm = "dateAdded", mail = "fields.Since", direction = "crm -> mail"', "", 26, 'syncs.people.fields.since: no member holds it; write MEMBER = "path" for each member that does'),
]

NOTES = [
    ("archive_missing", ", archive = { dnd = true }", "", 17, "syncs.people.members.crm: crm has no `archive`, so a record deleted elsewhere stays there, no longer in the sync; write archive = { FIELD = VALUE } to mark it instead"),
    ("archive_unused", 'conflict = "last_modified"', 'delete = "unlink"', 17, 'syncs.people.members.crm.archive: does nothing under delete = "unlink"'),
    ("set_once", 'mail = "fields.Since", direction = "crm -> mail"', 'mail = "fields.Since", direction = "crm -> mail" }\norigin = { crm = "source", mail = "fields.Origin"', 27, 'syncs.people.fields.origin.crm: "source" of crm is set when a record is made and never again, so later edits do not arrive'),
    ("never_made", 'mail = "email_address" }', 'mail = "email_address", direction = "mail -> crm" }', 21, 'syncs.people.fields.email.mail: no record is ever made in mail: it asks for "email_address", which this sync may not write there'),
    ("when_blind", 'list = "L1"', 'list = "L1", when = { field = "age", op = "exists" }', 18, "syncs.people.members.mail.when: reads `age`, which mail does not hold: there it always looks blank"),
    ("plain_http", "[systems.mail]", '[daemon]\npublic_url = "http://sync.example.com"\n[systems.mail]', 8, "daemon.public_url: is not https: vendors would send records in the clear"),
]
# fmt: on


@pytest.mark.parametrize(("written", "instead", "line", "words"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_mistake(good: str, checking: Callable[[str], Report], written: str, instead: str, line: int, words: str) -> None:
    """One mistake is one problem, at its line, saying what is wrong, what may have been meant and how to mend it."""
    assert written in good
    report = checking(good.replace(written, instead, 1))

    assert [(line, words)] == [_place(found) for found in report.problems]
    assert report.settings is None


@pytest.mark.parametrize(("written", "instead", "line", "words"), [row[1:] for row in NOTES], ids=[row[0] for row in NOTES])
def test_note(good: str, checking: Callable[[str], Report], written: str, instead: str, line: int, words: str) -> None:
    """What works, but perhaps not as meant, is a note, and the settings are made all the same."""
    text = good + 'age = { crm = "custom.age" }\n'
    report = checking(text.replace(written, instead, 1))

    assert () == report.problems
    assert (line, words) in [_place(found) for found in report.notes]
    assert report.settings is not None


def test_good_has_nothing(good: str, checking: Callable[[str], Report]) -> None:
    """The configuration the mistakes are made in is right, without so much as a note."""
    report = checking(good)

    assert ((), ()) == (report.problems, report.notes)


def test_all_at_once(good: str, checking: Callable[[str], Report]) -> None:
    """Mistakes in different places are all reported, in the order of the file."""
    text = good.replace("location_id", "locaton_id").replace('"phone"]', '"phne"]').replace("email_address", "email_adress")
    text = text.replace("L1", "REPLACE_ME_LIST_ID").replace("owner", "onwer").replace("conflict", "confict")
    report = checking(text)

    assert [3, 12, 14, 18, 21, 23] == [found.line for found in report.problems]


def test_twins(good: str, checking: Callable[[str], Report]) -> None:
    """The same records of one system twice in a sync is a mistake; so is a member nobody can be recognised in."""
    twin = '\ntwin = { system = "crm", collection = "contacts", archive = { dnd = true } }\n\n[syncs.people.fields]'
    report = checking(good.replace("\n\n[syncs.people.fields]", twin, 1))

    assert [12, 19] == [found.line for found in report.problems]
    assert "is the same records as `crm`: contacts of crm" == report.problems[1].what
    assert report.problems[0].what.startswith("twin holds none of the match keys")


def test_two_lists_of_one_system_are_no_twins(good: str, checking: Callable[[str], Report]) -> None:
    """Two lists of one mailer are two members: their collections carry their lists."""
    other = '\nnews = { system = "mail", collection = "contacts", list = "L2", archive = { status = "unsubscribed" } }\n\n[syncs.people.fields]'
    text = good.replace("\n\n[syncs.people.fields]", other, 1).replace(
        'mail = "email_address"', 'mail = "email_address", news = "email_address"'
    )
    report = checking(text)

    assert () == report.problems


def test_one_member(good: str, checking: Callable[[str], Report]) -> None:
    """A sync of one member syncs nothing."""
    report = checking(
        good.split("mail = { collection", maxsplit=1)[0] + '[syncs.people.fields]\nemail = { type = "email", crm = "email" }\n'
    )

    assert ["a sync has two members or more, not 1"] == [found.what for found in report.problems if found.line == 16]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 1, "says nothing"),
        (b"a = 1\nb = \n", 2, "not TOML"),
        (b"a = 1\na = 2\n", 2, "not TOML"),
        (b'a = "\xff"\n', 1, "is not UTF-8"),
        (b"x = 1\ny = '\xff'\n", 2, "is not UTF-8"),
        (b"x = [\n", 1, "not TOML"),
        (b"x = " + b"[" * 5000 + b"]" * 5000, 1, "is nested too deeply"),
        (b"[systems]\n", 1, "names no system"),
        (b"systems = 3\n", 1, "is a table, not 3"),
    ],
)
def test_file_that_cannot_be_read(tmp_path, kinds, content: bytes, line: int, words: str) -> None:
    """A file that is no configuration at all is a problem at its line, never a traceback."""
    path = tmp_path / "syncd.toml"
    path.write_bytes(content)
    report = check(path, kinds, environ={"HOME": str(tmp_path)})

    assert line == report.problems[0].line
    assert report.problems[0].what.startswith(words)


def test_no_file(tmp_path, kinds) -> None:
    """A file that is not there is a problem too, and so is a directory."""
    for path in (tmp_path / "none.toml", tmp_path):
        (problem,) = check(path, kinds, environ={}).problems

        assert problem.what.startswith("cannot be read: ")


def _place(found: Finding) -> tuple[int, str]:
    return found.line, str(found).removeprefix(f"{found.file}:{found.line}: ")
