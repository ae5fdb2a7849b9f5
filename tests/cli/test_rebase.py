"""An older copy of the database put back, or the database gone: said, read anew, nothing doubled, nothing brought back."""

from __future__ import annotations

import shutil

import pytest

from tests.cli.world import World


@pytest.fixture
def lived(world: World) -> World:
    """A world that was synced, copied, and then went on."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    shutil.copy(world.database, world.folder / "copy.db")
    return world


def counts(world: World) -> tuple[int, int]:
    return world.do(lambda sandbox: (len(sandbox.ghl.contacts()), len(sandbox.octopus.contacts())))


def test_an_older_copy_is_noticed(lived: World) -> None:
    """It is said at the start and in `status`, and nothing old is written as if it were new."""
    lived.do(lambda sandbox: sandbox.ghl.create_as_user({"email": "late.person@example.com", "firstName": "Late"}))
    assert 0 == lived.syncd("reconcile").code
    before = counts(lived)
    late = lived.do(lambda sandbox: next(each["id"] for each in sandbox.octopus.contacts() if each["email_address"] == "late.person@example.com"))
    lived.do(lambda sandbox: sandbox.octopus.edit_as_user(late, {"LastName": "Riser"}))
    shutil.copy(lived.folder / "copy.db", lived.database)
    result = lived.syncd("reconcile")
    shown = lived.do(lambda sandbox: [(each["firstName"], each["lastName"]) for each in sandbox.ghl.contacts() if each["email"] == "late.person@example.com"])

    assert 0 == result.code
    assert "database.restored" in result.err
    assert (before, [("Late", "Riser")]) == (counts(lived), shown)
    assert "database.restored" not in lived.syncd("reconcile").err


def test_a_lost_database_is_noticed(lived: World) -> None:
    """What was agreed is not known any more: a person is asked before the first write, whatever the configuration says."""
    before = counts(lived)
    lived.database.unlink()
    lived.do(lambda sandbox: sandbox.ghl.create_as_user({"email": "new.person@example.com", "firstName": "New"}))
    result = lived.syncd("reconcile")
    held = lived.here("holds", "--json").json

    assert 7 == result.code
    assert "database.lost" in result.err
    assert (before[0] + 1, before[1]) == counts(lived)
    assert ["first_run"] == sorted({each["kind"] for each in held} & {"first_run", "delete", "listing"})
    assert any("is gone" in each["reason"] for each in held)
