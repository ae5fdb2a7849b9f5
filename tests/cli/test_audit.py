"""`syncd audit`."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.cli.world import World


def test_nothing_is_unexplained(world: World) -> None:
    """After a sync, alone and through the daemon; and nothing is written by asking."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    marks = world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth)))
    alone = world.syncd("audit", "--json")
    with world.daemon():
        through = world.syncd("audit")

    assert (0, []) == (alone.code, alone.json["drifts"])
    assert 0 < alone.json["equal"]
    assert 0 == through.code, through.out
    assert "nothing is unexplained" in through.err
    assert marks == world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth)))


def test_the_journal_is_verified(world: World) -> None:
    """What was written fits; a row that somebody edits is named, and the exit code says so."""
    assert 7 == world.syncd("reconcile").code
    well = world.here("audit", "verify")
    with closing(sqlite3.connect(world.database)) as connection:
        connection.execute("UPDATE journal SET kind = 'nothing' WHERE id = 3")
        connection.commit()
    edited = world.here("audit", "verify")

    assert (0, "the journal is what was written\n") == (well.code, well.err)
    assert (6, True) == (edited.code, "#3: it is not what was written" in edited.out)
