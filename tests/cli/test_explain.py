"""`syncd explain`."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.sandbox.people import Part
from tests.cli.world import World


def somebody(world: World, part: Part) -> Any:
    assert world.people is not None
    return world.people.of(part)[0]


def told(world: World, *asked: str) -> dict[str, Any]:
    [found] = world.here("explain", *asked, "--json").json["found"]
    return found


@pytest.mark.parametrize("form", ["ghl/contacts/{0}", "ghl/{0}", "{0}", "octopus/{1}", "octopus/contacts/{1}", "{2}", "link/{3}"])
def test_every_way_to_name_somebody(form: str, synced: World) -> None:
    """A full ref, a short one, an id, an e-mail address in any case, a link: all lead to the same link."""
    one = somebody(synced, Part.CONFLICT)
    link = told(synced, one.email)["link"]
    asked = form.format(one.ghl_ids[0], one.octopus_ids[0], one.email.upper(), link)

    assert link == told(synced, asked)["link"]


def test_by_phone(synced: World) -> None:
    """Any match key will do, however it is written."""
    one = told(synced, somebody(synced, Part.CONFLICT).email)
    phone = one["fields"]["phone"]["value"]

    assert one["link"] == told(synced, f"{phone[:2]} ({phone[2:5]}) {phone[5:8]}-{phone[8:]}")["link"]


def test_a_conflict_is_told_whole(synced: World) -> None:
    """Value, winner, rule, cause, the losing value, the write with its key and what the vendor then showed, in time order."""
    one = told(synced, somebody(synced, Part.CONFLICT).email, "first_name")
    field = one["fields"]["first_name"]
    [write] = one["writes"]
    [done] = [each for each in one["story"] if each["kind"] == "write.done"]

    assert ["first_name"] == list(one["fields"])
    assert ("Sven", "ghl", {"octopus": "Svela"}) == (field["value"], field["winner"], field["losers"])
    assert "source of truth" in field["rule"]
    assert field["cause"].startswith("pass")
    assert ({"first_name": "Sven"}, {"first_name": "Svela"}, "done") == (write["values"], write["expected"], write["state"])
    assert (write["key"], {"first_name": "Sven"}) == (done["detail"]["key"], done["detail"]["shown"])
    assert sorted(each["number"] for each in one["story"]) == [each["number"] for each in one["story"]]


def test_for_a_newcomer(synced: World) -> None:
    """The same in words, from what it is to how it came to be."""
    out = synced.here("explain", somebody(synced, Part.CONFLICT).email).out

    assert "records\n  ghl" in out
    assert '  first_name: "Sven"   from ghl, source of truth ghl' in out
    assert 'lost: octopus said "Svela"' in out
    assert "shown by ghl and octopus" in out
    assert out.index("linked by email") < out.index("octopus was updated")


def test_what_waits_is_told(looked: World) -> None:
    """A write that waits behind the first run, and a value that cannot be read, are told where they belong."""
    parked = looked.here("explain", somebody(looked, Part.CONFLICT).email).out
    held = looked.here("explain", somebody(looked, Part.UNMAPPABLE).email, "plan").out

    assert "writes not done\n  update in octopus, parked" in parked
    assert "it has not taken the agreed value over yet" in parked
    assert 'ghl shows "platinum", which cannot be read' in held
    assert "waits for you" in held


def test_why_a_record_is_not_linked(looked: World) -> None:
    """One of two doubles: it waits for a person, and says so."""
    one = told(looked, somebody(looked, Part.DUPLICATED).ghl_ids[1])

    assert (None, "not linked") == (one["link"], one["state"])
    assert "it waits for you: 2 records of ghl have the same email" == one["why_not_linked"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"firstName": "No", "lastName": "Mail", "phone": "+12015550199"}, "outside the `when` of ghl: email exists"),
        ({"firstName": "Only"}, "outside the `when` of ghl: email exists"),
    ],
)
def test_why_a_record_takes_no_part(fields: dict[str, str], why: str, world: World) -> None:
    """The reason is worked out by the same code that decided it."""
    row = world.do(lambda sandbox: sandbox.ghl.seed(fields))
    assert 7 == world.syncd("reconcile").code

    assert why in world.here("explain", f"ghl/{row['id']}").out


def test_a_record_without_keys(world: World) -> None:
    """Without any match key it could never be told apart."""
    world.edit_config(', when = { field = "email", op = "exists" }', "")
    row = world.do(lambda sandbox: sandbox.ghl.seed({"firstName": "Only"}))
    world.syncd("reconcile")

    assert "none of the match keys (email, phone)" in world.here("explain", row["id"]).out


def test_a_name_that_bites(world: World) -> None:
    """What a record calls itself cannot drive the terminal."""
    row = world.do(lambda sandbox: sandbox.ghl.seed({"email": "x@example.com", "firstName": "A\x1b]52;c;eA==\x07\u202e", "lastName": "B"}))
    assert 7 == world.syncd("reconcile").code
    shown, exact = world.here("explain", row["id"]).out, world.here("explain", row["id"], "--json")

    assert "\x1b" not in shown + exact.out
    assert "\u202e" not in shown + exact.out
    assert exact.json["found"][0]["fields"]["first_name"]["value"].startswith("A\x1b]52")


def test_somebody_unknown(looked: World) -> None:
    """Nobody is said, with what comes nearest and what to write."""
    known = somebody(looked, Part.CONFLICT).ghl_ids[0]
    near = looked.here("explain", f"ghl/contacts/{known[:-1]}")
    system = looked.here("explain", f"gh/{known}")
    field = looked.here("explain", known, "fist_name")

    assert (1, 1, 1) == (near.code, system.code, field.code)
    assert f"did you mean ghl/{known}" in near.err
    assert "did you mean `ghl`" in system.err
    assert "did you mean `first_name`" in field.err


def test_before_anything_happened(world: World) -> None:
    """There is nothing to explain yet, and that is said."""
    result = world.here("explain", "ada@example.com")

    assert (1, "") == (result.code, result.out)
    assert "syncd plan" in result.err
