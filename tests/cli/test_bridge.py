"""`syncd bridge`, `syncd import` and `syncd export`: a system without an API, as its operator meets it."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import pytest

from syncd.core.guard import Direction
from syncd.core.handoff import Handoff, HandoffState
from syncd.core.outcome import Operation, Write
from syncd.core.record import CollectionName, MemberName, RecordId, Ref, SyncName, SystemName
from syncd.store import bridge, journal, links, outbox, planning
from syncd.store.bridge_records import listed
from syncd.store.planning import DuePlan, PlanItem
from syncd.store.visiting import leave, reading
from tests.cli.world import World

HATS, CONTACTS = SystemName("hats17"), CollectionName("contacts")
HANDED_OFF, QUEUED = HandoffState.HANDED_OFF, HandoffState.QUEUED
CONFIGURATION = """\
[systems.ghl]
kind = "gohighlevel"
location_id = "ve9EPM428h8vShlRW1KT"
token = { file = "token" }

[systems.hats17]
kind = "17hats"
hooks = { file = "hooks" }
secret = { file = "secret" }

[systems.hats17.collections.projects]
keys = ["name"]
fields = { name = "text", due = { type = "date", label = "Due" } }

[syncs.contacts]
match = ["email", "phone"]
source_of_truth = "ghl"

[syncs.contacts.members]
ghl = { collection = "contacts" }
hats17 = { collection = "contacts", create = { type = "Hot Lead", is_company = false } }

[syncs.contacts.fields]
email = { type = "email", ghl = "email", hats17 = "email" }
first_name = { ghl = "firstName", hats17 = "first_name" }
phone = { type = "phone", ghl = "phone", hats17 = "phone" }
tags = { type = "set", ghl = "tags", hats17 = "tags" }

[daemon]
state = "state"
public_url = "https://sync.example.com"
"""


@pytest.fixture
def place(tmp_path: Path) -> World:
    """A configuration with 17hats, and no vendor that could be called."""
    (tmp_path / "syncd.toml").write_text(CONFIGURATION)
    return World(tmp_path, None)  # type: ignore[arg-type]


def exported(place: World, text: str, *, age_s: float = 0) -> str:
    path = place.folder / "contacts.csv"
    path.write_text(text)
    at = path.stat().st_mtime - age_s
    os.utime(path, (at, at))
    return str(path)


def known(place: World) -> dict[str, dict]:
    with reading(place.database) as read:
        return {str(each.fields["email"]): dict(each.fields or {}) for each in read(lambda tx: listed(tx, HATS, CONTACTS))}


def test_the_configuration_holds(place: World) -> None:
    """17hats needs nothing that only an account could tell."""
    for name in ("token", "hooks", "secret"):
        (place.folder / name).write_text("a-secret-that-is-long-enough-for-anybody\n")
        (place.folder / name).chmod(0o600)
    result = place.here("check")

    assert 0 == result.code, result.err


def test_a_file_is_shown_before_it_is_taken_in(place: World) -> None:
    """Off a terminal nobody can agree, so nothing is taken in, and the code says that it waits."""
    file = exported(place, "Email,First Name,Shoe\na@b.co,Ada,7\nb@b.co,Bob,8\nb@b.co,Bob,8\n,Nobody,9\n")
    result = place.here("import", "hats17", "contacts", file)

    assert 7 == result.code
    assert not place.database.exists()
    assert "line 5: shows neither email nor phone" in result.out
    assert "not taken" in result.out
    assert "--yes" in result.err


def test_a_file_seeds_and_verifies(place: World) -> None:
    """New, then as known, then changed; who is not in it is told and stays; its age counts."""
    first = place.here("import", "hats17", "contacts", exported(place, "Email,First Name\na@b.co,Ada\nb@b.co,Bob\n"), "--yes", "--json")
    same = place.here("import", "hats17", "contacts", exported(place, "Email,First Name\na@b.co,Ada\n"), "--yes", "--json")
    changed = place.here("import", "hats17", "contacts", exported(place, "Email,First Name\na@b.co,Countess\n"), "--yes", "--json")
    old = place.here("import", "hats17", "contacts", exported(place, "Email,First Name,City\na@b.co,Ada,York\n", age_s=3_600), "--yes", "--json")

    assert [0, 0, 0, 0] == [each.code for each in (first, same, changed, old)]
    assert (2, True) == (len(first.json["new"]), first.json["taken_in"])
    assert (1, []) == (len(same.json["not_in_the_file"]), same.json["new"])
    assert [["first_name"]] == [each["fields"] for each in changed.json["changed"]]
    assert [["city"]] == [each["fields"] for each in old.json["changed"]]
    assert {"a@b.co": ("Countess", "York"), "b@b.co": ("Bob", None)} == {
        email: (row["first_name"], row.get("city")) for email, row in known(place).items()
    }
    with reading(place.database) as read:
        noted = read(lambda tx: [each.detail for each in journal.after(tx, 0) if each.kind == "person.asked"])
    assert [("import", "hats17", "contacts")] * 4 == [(each["asked"], each["system"], each["collection"]) for each in noted]


def test_bad_lines_are_a_failure_and_the_others_are_taken_in(place: World) -> None:
    """The code says so, and each has its number."""
    result = place.here("import", "hats17", "contacts", exported(place, 'Email\na@b.co\n"open\nb@b.co\n'), "--yes", "--json")

    assert 6 == result.code
    assert [3] == [each["line"] for each in result.json["bad"]]
    assert {"a@b.co", "b@b.co"} == known(place).keys()


def test_counterparts_are_counted(place: World) -> None:
    """By the sync's own match keys, in its order."""
    assert 0 == place.here("import", "hats17", "contacts", exported(place, "Email\nz@b.co\n"), "--yes").code
    keys = {"a": {"email": "a@b.co"}, "b1": {"phone": "+12025550100"}, "b2": {"phone": "+12025550100"}}
    leave(
        place.database,
        lambda tx: planning.index_keys(
            tx,
            [
                (DuePlan(item=PlanItem("contacts", "ghl", RecordId(each)), since=1, cause="test"), planning.blinded(tx, held))
                for each, held in keys.items()
            ],
        ),
    )
    text = "Email,Phone\na@b.co,\nb@b.co,202-555-0100\nc@b.co,\n"
    result = place.here("import", "hats17", "contacts", exported(place, text), "--json")

    assert {"one": 1, "none": 1, "several": 1} == result.json["matches"]["contacts"]


def test_five_thousand_lines_are_taken_in(place: World) -> None:
    """In one transaction."""
    text = "Email,First Name,Tags\n" + "".join(f'p{number}@b.co,P{number},"vip, lead"\n' for number in range(5_000))
    result = place.here("import", "hats17", "contacts", exported(place, text), "--yes", "--json")

    assert (0, 5_000, []) == (result.code, len(result.json["new"]), result.json["bad"])
    assert 5_000 == len(known(place))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_a_large_file_of_any_making_is_taken_in_as_it_was_shown(place: World, encoding: str) -> None:
    """Quotes, commas and lines within cells, repetitions, contradictions and broken lines: what the preview says is what is then there, each bad
    line has its number, and nothing is lost."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["Email", "First Name", "Tags", "Notes"])
    for number in range(5_000):
        writer.writerow([f"p{number}@b.co", f'Zoë "{number}"', "vip, lead", "one\r\ntwo, three" if number % 500 == 0 else "“so”"])
    good = out.getvalue().count("\r\n") + 1
    tail = 'p1@b.co,"Zoë ""1""","vip, lead",“so”\r\np2@b.co,Other,,\r\nx@b.co,"open,,\r\n,Nobody,,\r\nlast@b.co,Last,,\r\n'
    (place.folder / "contacts.csv").write_bytes((out.getvalue() + tail).encode(encoding))
    shown = place.here("import", "hats17", "contacts", str(place.folder / "contacts.csv"), "--json")
    taken = place.here("import", "hats17", "contacts", str(place.folder / "contacts.csv"), "--yes", "--json")
    told = {name: shown.json[name] for name in ("encoding", "lines", "new", "bad", "repeated", "changed")}

    assert (7, False, 6, True) == (shown.code, shown.json["taken_in"], taken.code, taken.json["taken_in"])
    assert told == {name: taken.json[name] for name in told}
    assert encoding == told["encoding"]
    assert (5_001, [good + 1, good + 2, good + 3]) == (len(told["new"]), [each["line"] for each in told["bad"]])
    assert [good] == [each["line"] for each in told["repeated"]]
    assert 5_005 == told["lines"]
    held = known(place)
    assert {f"p{number}@b.co" for number in range(5_000)} | {"last@b.co"} == held.keys()
    assert ('Zoë "7"', ["lead", "vip"], "“so”") == tuple(held["p7@b.co"][name] for name in ("first_name", "tags", "notes"))
    assert {"one\ntwo, three"} == {held[f"p{number}@b.co"]["notes"].replace("\r", "") for number in range(0, 5_000, 500)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("hats", "contacts", "x.csv"), "did you mean `hats17`"),
        (("ghl", "contacts", "x.csv"), "which has an API"),
        (("hats17", "contact", "x.csv"), "no collection 'contact'"),
        (("hats17", "contacts", "nowhere.csv"), "cannot be read"),
    ],
)
def test_what_cannot_be_imported(place: World, arguments: tuple[str, ...], said: str) -> None:
    """Is said with what would fit."""
    result = place.here("import", *arguments)

    assert 1 == result.code
    assert said in result.err


def test_what_is_owed_is_written_for_the_importer(place: World) -> None:
    """Nothing where there is no database; a table with headings where there is one."""
    assert 1 == place.here("export", "hats17", "contacts").code
    assert 0 == place.here("import", "hats17", "contacts", exported(place, "Email\nz@b.co\n"), "--yes").code
    result = place.here("export", "hats17", "contacts")

    assert (0, [[]]) == (result.code, list(csv.reader(io.StringIO(result.out))))
    assert "0 records" in result.err


def test_a_create_that_is_owed_is_a_line(place: World) -> None:
    """In 17hats' words and form, with what every new record there is given."""
    assert 0 == place.here("import", "hats17", "contacts", exported(place, "Email\nz@b.co\n"), "--yes").code
    values = {"email": "new@b.co", "first_name": "New", "phone": "+12025550100", "tags": ["a", "b"]}

    def owe(tx):
        ref = Ref(SystemName("ghl"), CONTACTS, RecordId("g1"))
        link = links.create(tx, SyncName("contacts"), {MemberName("ghl"): ref}, 1)
        write = Write(member=MemberName("hats17"), operation=Operation.CREATE, values=values, expected={})
        intent = outbox.Intent(
            link=link.id, sync=SyncName("contacts"), revision=1, write=write, target=Ref(HATS, CONTACTS, RecordId("")),
            stream=Direction.CREATES, gate=None, priority=0, run_id=None,
        )  # fmt: skip
        outbox.owe(tx, [intent], 1)

    leave(place.database, owe)
    result = place.here("export", "hats17", "contacts")
    (row,) = csv.DictReader(io.StringIO(result.out))

    assert {
        "Is Company?": "No", "First Name": "New", "Type": "Hot Lead", "Primary E-mail Address": "new@b.co",
        "Primary Phone Number": "202-555-0100", "Tags": "a, b",
    } == row  # fmt: skip
    assert 0 == place.here("export", "hats17", "contacts", "--csv", str(place.folder / "out.csv")).code
    assert (place.folder / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfIs Company?")


def test_the_guide_is_of_this_configuration(place: World) -> None:
    """Its address, its fields, both directions, and what 17hats cannot do; no secret is needed for it."""
    result = place.here("bridge", "guide", "hats17")
    text = " ".join(result.out.split())

    assert 0 == result.code, result.err
    assert "https://sync.example.com/hooks/hats17" in text
    assert "17hats has no public API" in text
    assert "contacts.create ADDRESS" in text
    assert "contacts.update ADDRESS" in text
    assert "contacts.delete" not in text
    assert "fields__is_company Is Company? of step a fields__first_name First Name of step a" in text
    assert "First Name fields__first_name of step a" in text
    assert "const ADDRESS = 'https://sync.example.com/hooks/hats17'" in text
    assert "fields__city" not in text
    assert "createHmac" in text


def test_fields_that_only_go_there_are_told(place: World) -> None:
    """They are sent unseen, which check and the guide say; a set is not, nor is what goes both ways, of which check says what no flow showed."""
    for name in ("token", "hooks", "secret"):
        (place.folder / name).write_text(f"{name}-of-many-characters-and-more\n" if name != "hooks" else "contacts.update /hooks/1\n")
        (place.folder / name).chmod(0o600)
    place.edit_config(
        'phone = { type = "phone", ghl = "phone", hats17 = "phone" }',
        'phone = { type = "phone", ghl = "phone", hats17 = "phone" }\nnotes = { ghl = "source", hats17 = "notes", direction = "ghl -> hats17" }',
    )
    place.edit_config('hats17 = "tags" }', 'hats17 = "tags", direction = "ghl -> hats17" }')
    before = place.here("check")
    assert 0 == place.here("import", "hats17", "contacts", exported(place, "Email,Phone\na@b.co,\n"), "--yes").code
    after = place.here("check", "--json")
    text = " ".join(place.here("bridge", "guide", "hats17").out.split())

    assert 0 == before.code, before.out
    assert "nothing is read from hats17: notes only go there, and are written over whatever stands there" in before.out
    assert "tags of hats17 is written to a record only once a flow or a file has shown it" in before.out
    assert {"hats17/contacts": ["first_name", "tags"]} == after.json["unshown"]
    assert "no flow and no file ever showed first_name, tags, so nothing is written there" in " ".join(place.here("check").out.split())
    assert "notes: sent over whatever stands there" in text
    assert "Any other field is written to a record only once a flow or a file has shown it there" in text


def test_the_guide_says_how_where_nothing_can_sign(place: World) -> None:
    """The weaker way is named for what it is."""
    place.edit_config('secret = { file = "secret" }', 'header_secret = { file = "secret" }')
    text = place.here("bridge", "guide", "hats17").out

    assert "x-syncd-secret" in text
    assert "proves neither" in text
    assert "createHmac" not in text


def test_standing_is_told(place: World) -> None:
    """Since when nothing has proved what is known."""
    assert 0 == place.here("import", "hats17", "contacts", exported(place, "Email\na@b.co\nb@b.co\n"), "--yes").code
    with reading(place.database) as read:
        standing = read(lambda tx: bridge.standing(tx, HATS, CONTACTS))

    assert (2, True, 0) == (standing.records, standing.unverified_since is not None, standing.silent)


def test_hand_offs_that_nobody_speaks_of_are_told(place: World) -> None:
    """Apart: those that were accepted, also where a hook refuses their repetition, and those that no hook took; before any flow spoke, too."""
    for name in ("token", "hooks", "secret"):
        (place.folder / name).write_text(f"{name}-of-many-characters-and-more\n" if name != "hooks" else "contacts.create /hooks/1\n")
        (place.folder / name).chmod(0o600)
    assert 0 == place.here("import", "hats17", "contacts", exported(place, "Email\na@b.co\n"), "--yes").code

    def hand_off(tx):
        tx.execute("DELETE FROM bridge_records")
        for name, states in (("a", (HANDED_OFF, QUEUED)), ("b", (HANDED_OFF,)), ("c", (QUEUED,))):
            handoff = Handoff(
                op_id=f"contacts.{name}", system=HATS, collection=CONTACTS, operation=Operation.CREATE, record_id=None, fields={"first_name": name}
            )  # fmt: skip
            bridge.queue(tx, handoff, 1, 1)
            for state in states:
                bridge.mark(tx, handoff.op_id, state, 1, None if state is HANDED_OFF else "the hook does not answer")

    leave(place.database, hand_off)
    told = " ".join(place.here("status").out.split())

    assert "hats17/contacts: nothing was ever heard of it; 2 hand-offs not acknowledged; 1 hand-off that no hook accepts: switch its flow on" in told


def test_a_delete_rule_that_no_hook_carries_out_is_a_mistake(place: World) -> None:
    """It is said with the line that is missing, before the first deletion rather than at it."""
    (place.folder / "hooks").write_text("contacts.create /hooks/1\n")
    for name in ("hooks", "token", "secret"):
        (place.folder / name).touch(mode=0o600)
        (place.folder / name).chmod(0o600)
    for name in ("token", "secret"):
        (place.folder / name).write_text("x" * 40)
    place.edit_config('source_of_truth = "ghl"', 'source_of_truth = "ghl"\ndelete = "propagate"')
    propagating = place.here("check")
    (place.folder / "hooks").write_text("contacts.create /hooks/1\ncontacts.archive /hooks/2\n")
    allowed = place.here("check")
    place.edit_config('delete = "propagate"', 'delete = "archive"')
    place.edit_config("is_company = false } }", 'is_company = false }, archive = { type = "Other" } }')
    archiving = place.here("check")
    place.edit_config('delete = "archive"', 'delete = "review"')
    reviewing = place.here("check")

    assert (3, 0, 3, 0) == (propagating.code, allowed.code, archiving.code, reviewing.code), (allowed.out, reviewing.out)
    assert "`contacts.delete ADDRESS` or `contacts.archive ADDRESS`" in " ".join(propagating.out.split())
    assert "`contacts.update ADDRESS`" in " ".join(archiving.out.split())


def test_a_calendar_that_is_not_there_is_a_mistake(place: World) -> None:
    """A sync of events needs the calendar's address; with it all is right, and it is no flow of the guide."""
    for name in ("hooks", "token", "secret", "calendar"):
        (place.folder / name).write_text("" if name == "hooks" else "https://calendar.example/me.ics?key=x" if name == "calendar" else "x" * 40)
        (place.folder / name).chmod(0o600)
    (place.folder / "hooks").write_text("contacts.create /hooks/1\ncontacts.update /hooks/2\n")
    place.config.write_text(place.config.read_text() + DIARY)
    without = place.here("check")
    place.edit_config('secret = { file = "secret" }', 'secret = { file = "secret" }\ncalendar_url = { file = "calendar" }')
    with_one = place.here("check")
    guide = place.here("bridge", "guide", "hats17")

    assert (3, 0) == (without.code, with_one.code), with_one.out
    assert "calendar_url" in without.out
    assert "events:" not in guide.out


DIARY = """
[syncs.diary]
match = ["title+start"]
source_of_truth = "hats17"
delete = "archive"

[syncs.diary.members]
hats17 = { collection = "events" }
ghl = { collection = "appointments", create = { calendarId = "a", contactId = "b" }, archive = { appointmentStatus = "cancelled" } }

[syncs.diary.fields]
title = { hats17 = "title", ghl = "title", direction = "hats17 -> ghl" }
start = { type = "instant", hats17 = "start", ghl = "startTime", direction = "hats17 -> ghl" }
"""
