"""`syncd holds`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.cli.world import World


def by_kind(world: World, kind: str) -> list[dict[str, Any]]:
    return [each for each in world.here("holds", "--json").json if each["kind"] == kind]


def test_the_list_says_what_is_asked(looked: World) -> None:
    """Number, kind, whom it is about, why, what each side says, and the commands that answer it."""
    out = looked.here("holds", "list").out

    assert "2 records of ghl have the same email" in out
    assert "'platinum' is none of the values listed for plan" in out
    [first] = by_kind(looked, "first_run")
    assert f"→ syncd holds approve {first['number']}" in out


def test_only_answers_that_make_sense_are_offered(looked: World) -> None:
    """A record is never offered its own double on the same side as what it is."""
    for held in by_kind(looked, "ambiguous"):
        picks = [each.split()[-1] for each in held["fits"] if " pick " in each]
        own = [ref for ref in held["candidates"] if ref.startswith(f"{held['member']}/")]

        assert "new" in picks
        assert not {ref.rsplit("/", 1)[-1] for ref in own} & set(picks)


def test_before_anything_happened(world: World) -> None:
    """Nothing waits where nothing was done; answering is an error in words."""
    assert (0, "") == (world.here("holds").code, world.here("holds").out)
    assert [] == world.here("holds", "--json").json
    result = world.syncd("holds", "approve", "1")
    assert (1, "") == (result.code, result.out)
    assert not world.database.exists()


@pytest.mark.parametrize("running", [False, True], ids=["alone", "with a daemon"])
def test_approving_a_first_run_lets_it_go(running: bool, world: World) -> None:
    """The answer is the same whoever carries it out: the writes go ahead, and the hold is gone."""
    assert 7 == world.syncd("reconcile").code
    if running:
        with world.daemon():
            answered = world.syncd("holds", "approve", "--kind", "first_run")
            assert 0 == world.syncd("reconcile").code
    else:
        answered = world.syncd("holds", "approve", "--kind", "first_run", "--json")
        assert answered.json[0]["ok"]
        assert 0 == world.syncd("reconcile").code

    assert 0 == answered.code
    assert "the first run of contacts goes ahead" in answered.out
    assert [] == by_kind(world, "first_run")
    assert 0 == world.do(lambda sandbox: sandbox.ghl.stats.rate_limited)


def test_picking_which_record_it_is(world: World) -> None:
    """A person says which of two doubles is meant: they are linked, and the question is gone."""
    assert 7 == world.syncd("reconcile").code
    [held] = [each for each in by_kind(world, "ambiguous") if each["member"] == "octopus"]
    choice = next(iter(held["candidates"]))
    result = world.syncd("holds", "pick", str(held["number"]), choice)
    world.syncd("reconcile")

    assert 0 == result.code
    assert held["number"] not in [each["number"] for each in by_kind(world, "ambiguous")]
    assert world.here("explain", choice, "--json").json["found"][0]["link"] is not None


def test_several_at_once(world: World) -> None:
    """One answer for many; the one that does not fit is said, and does not keep the others from being answered."""
    assert 7 == world.syncd("reconcile").code
    numbers = [str(each["number"]) for each in (*by_kind(world, "ambiguous"), *by_kind(world, "unreadable"))]
    result = world.syncd("holds", "ignore", *numbers, "999")

    assert 1 == result.code
    assert "there is no open hold 999" in result.err
    assert len(numbers) == result.out.count("ignored until it changes")
    assert ["first_run"] == [each["kind"] for each in world.here("holds", "--json").json]


def test_an_answer_that_does_not_fit(world: World) -> None:
    """It changes nothing and says what would fit."""
    assert 7 == world.syncd("reconcile").code
    [held] = by_kind(world, "unreadable")
    result = world.syncd("holds", "approve", str(held["number"]))

    assert 1 == result.code
    assert "cannot be approved" in result.err
    assert "mend the value at the vendor" in result.err
    assert [held] == by_kind(world, "unreadable")


def last_names(world: World) -> tuple[dict[str, str], dict[str, str]]:
    """By address, of those who are on each side once."""
    ghl = world.do(lambda sandbox: [(each["email"], each["lastName"]) for each in sandbox.ghl.contacts() if each.get("email")])
    octopus = world.do(lambda sandbox: [(each["email_address"], each["fields"]["LastName"]) for each in sandbox.octopus.contacts()])
    here, there = (Counter(email.lower() for email, _ in side) for side in (ghl, octopus))
    once = {email for email in here if here[email] == there[email] == 1}
    kept = [{email.lower(): name for email, name in side if email.lower() in once} for side in (ghl, octopus)]
    return kept[0], kept[1]


def test_what_a_guard_stopped_is_put_back(world: World) -> None:
    """An import that changed too many names is stopped, shown with the ways to answer it, and undone where it was made."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    before, _ = last_names(world)
    tight, wide = "updates = { number = 2, share = 0.0 }", "updates = { number = 200, share = 1.0 }"
    world.edit_config("[syncs.contacts.members]", f"[syncs.contacts.guards]\n{tight}\n\n[syncs.contacts.members]")
    world.do(lambda sandbox: [sandbox.octopus.edit_as_user(each["id"], {"LastName": "Spoilt"}) for each in sandbox.octopus.contacts()])
    assert 7 == world.syncd("reconcile").code
    [held] = by_kind(world, "guard")

    assert [f"syncd holds {each} {held['number']}" for each in ("approve", "revert", "ignore")] == held["fits"]

    world.edit_config(tight, wide)
    said = world.syncd("holds", "revert", str(held["number"]))
    assert (0, True) == (said.code, "put back as they were" in said.out)
    assert 0 == world.syncd("reconcile").code
    ghl, octopus = last_names(world)

    assert ghl == octopus
    assert 2 == sum(name == "Spoilt" for name in ghl.values())
    assert 2 == sum(ghl[email] != name for email, name in before.items())
