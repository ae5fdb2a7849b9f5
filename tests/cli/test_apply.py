"""`syncd plan --out` and `syncd apply`: exactly what was shown, or nothing and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import World


def planned(world: World) -> Path:
    out = world.folder / "kept.plan"
    out.unlink(missing_ok=True)
    result = world.syncd("plan", "--out", str(out))
    assert 0 == result.code, result.err
    return out


def written(world: World, since: tuple[int, int] = (0, 0)) -> list[tuple[str, str]]:
    """What was done at the vendors by calls, as (operation, id)."""

    def look(sandbox: Any) -> list[tuple[str, str]]:
        both = [*sandbox.ghl.truth.since(since[0]), *sandbox.octopus.truth.since(since[1])]
        return [(str(each.operation), each.id) for each in both]

    return world.do(look)


def marks(world: World) -> tuple[int, int]:
    return world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth)))


def test_exactly_what_was_shown(world: World) -> None:
    """Every write of the file and no other, past the first run's gate; then there is nothing left to plan."""
    out = planned(world)
    kept = json.loads(out.read_text())
    since = marks(world)
    result = world.syncd("apply", str(out), "--json")
    operations = sorted(operation for operation, _ in written(world, since))
    after = world.syncd("plan", "--json").json

    assert 0o600 == out.stat().st_mode & 0o777
    assert "contents of records" in kept["note"]
    assert (0, len(kept["writes"])) == (result.code, result.json["done"])
    assert sorted(each["operation"] for each in kept["writes"]) == operations
    assert [] == after["changes"]
    assert "first_run" not in world.here("status", "--json").json["holds"]


def test_nothing_but_what_the_file_says(world: World) -> None:
    """What else is owed, and waits for nobody, stays owed: the file is the whole of it."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    out = planned(world)
    kept = json.loads(out.read_text())
    out.write_text(json.dumps({**kept, "writes": kept["writes"][:1]}))
    since = marks(world)
    result = world.syncd("apply", str(out), "--json")
    left = world.syncd("plan", "--json").json["changes"]

    assert (0, 1) == (result.code, result.json["done"])
    assert 1 == len(written(world, since))
    assert len(kept["writes"]) - 1 == len(left)


def test_whatever_moved_is_named(world: World) -> None:
    """An edit since is named with the field, what it was and is, and nothing at all is written."""
    out = planned(world)
    kept = json.loads(out.read_text())
    update = next(each for each in kept["writes"] if each["operation"] == "update" and each["system"] == "octopus")
    world.do(lambda sandbox: sandbox.octopus.edit_as_user(update["record_id"], {"fields": {"FirstName": "Moved", "LastName": "Moved"}}))
    since = marks(world)
    result = world.syncd("apply", str(out))

    assert 7 == result.code
    assert "the plan does not stand any more: nothing was written" in result.err
    assert update["record_id"] in result.err
    assert "was" in result.err
    assert [] == written(world, since)


def test_changed_rules(world: World) -> None:
    """A plan made under other rules is refused for that reason."""
    out = planned(world)
    world.edit_config('owner = "ghl"', 'owner = "octopus"')
    since = marks(world)
    result = world.syncd("apply", str(out))

    assert 7 == result.code
    assert "contacts: its rules were" in result.err
    assert [] == written(world, since)


def test_through_the_daemon(world: World) -> None:
    """A running daemon carries the plan out, approves the first run with it, and keeps nothing of the file."""
    out = planned(world)
    kept = json.loads(out.read_text())
    with world.daemon():
        result = world.syncd("apply", str(out), "--json")
        status = world.here("status", "--json").json
    after = world.syncd("plan", "--json").json

    assert (0, len(kept["writes"])) == (result.code, result.json["done"])
    assert "first_run" not in status["holds"]
    assert [] == after["changes"]


@pytest.mark.parametrize(("text", "why"), [("{", "is not JSON"), ('{"syncd_plan": 9}', "no plan of this syncd's form"), ('{"syncd_plan": 1, "made_at": ""}', "damaged")])
def test_what_is_no_plan(looked: World, tmp_path: Path, text: str, why: str) -> None:
    """It is said to be none."""
    file = tmp_path / "x.plan"
    file.write_text(text)
    result = looked.here("apply", str(file))

    assert 1 == result.code
    assert why in result.err


def test_no_file_is_written_over(looked: World, tmp_path: Path) -> None:
    """A plan may hold what somebody still needs."""
    file = tmp_path / "x.plan"
    file.write_text("mine")
    result = looked.syncd("plan", "--out", str(file))

    assert (1, "mine") == (result.code, file.read_text())
