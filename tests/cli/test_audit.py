"""`syncd audit`."""

from __future__ import annotations

import os
import pwd
import sqlite3
from contextlib import closing

from syncd.store import journal
from syncd.store.visiting import reading
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
    with closing(sqlite3.connect(world.database)) as connection:
        connection.execute("DELETE FROM journal WHERE id > 9")
        connection.execute("DELETE FROM journal_chain WHERE last_id > 9")
        connection.commit()
    cut = world.here("audit", "verify")

    assert (6, True) == (cut.code, "were cut off at the end" in cut.out)
    assert (0, "the journal is what was written\n") == (well.code, well.err)
    assert (6, True) == (edited.code, "#3: it is not what was written" in edited.out)


def test_the_journal_tells_who_asked(world: World) -> None:
    """Through a daemon and without one: the account, and what it asked for, before what followed from it; of a person nothing is told."""
    assert 7 == world.syncd("reconcile").code
    (number,) = [each["number"] for each in world.here("holds", "--json").json if each["kind"] == "first_run"]
    assert 0 == world.here("holds", "approve", str(number)).code
    with world.daemon():
        assert 0 == world.here("resume", "ghl").code
    with reading(world.database) as read:
        rows = read(lambda tx: [each.detail for each in journal.after(tx, 0, 10_000) if each.kind == "person.asked"])
    me = f"{pwd.getpwuid(os.getuid()).pw_name} ({os.getuid()})"

    assert ["reconcile", "hold", "resume"] == [each["asked"] for each in rows]
    assert {me} == {each["by"] for each in rows}
    assert ("approve", "ghl") == (rows[1]["choice"], rows[2]["system"])
    assert f"{me} asked: hold" in world.here("events", "--run", "1").out + world.here("events").out
