"""`syncd events`."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.world import World, wait_for


def test_the_newest_in_order(synced: World) -> None:
    """The newest so many, oldest first, one a line; with --json one object a line."""
    lines = synced.here("events", "--limit", "5").out.splitlines()
    told = [json.loads(line) for line in synced.here("events", "--limit", "5", "--json").out.splitlines()]

    assert (5, 5) == (len(lines), len(told))
    assert sorted(each["number"] for each in told) == [each["number"] for each in told]
    assert all(f"#{each['number']}  " in line for each, line in zip(told, lines, strict=True))


def test_after_a_number(synced: World) -> None:
    """--since goes on exactly after a number, so that nothing is missed or doubled."""
    everything = [json.loads(line) for line in synced.here("events", "--since", "0", "--limit", "100000", "--json").out.splitlines()]
    after = [json.loads(line) for line in synced.here("events", "--since", "10", "--limit", "3", "--json").out.splitlines()]

    assert everything[10:13] == after
    assert {"person.asked", "field.decided", "link.joined", "link.created", "write.done"} == {each["kind"] for each in everything}


def test_it_reads_well(synced: World) -> None:
    """A decision names the value, whose it was and the rule; a write what was written where."""
    out = synced.here("events", "--since", "0", "--limit", "100000").out

    assert 'first_name: "Sven", from ghl (source of truth ghl' in out
    assert 'lost: octopus said "Svela"' in out
    assert 'octopus was updated: first_name "Sven"' in out


def test_following(world: World) -> None:
    """--follow shows everything since a number and then what happens, and waits for a database that is not there yet."""
    followed = world.folder / "followed"
    with followed.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "syncd", "events", "-f", "--since", "0", "--limit", "1", "--json"], cwd=world.folder, env=world.environ(),
                                   stdout=out, stderr=subprocess.DEVNULL)
    try:
        assert 7 == world.syncd("reconcile").code
        newest = json.loads(world.here("events", "--limit", "1", "--json").out)["number"]
        wait_for(lambda: f'"number":{newest},' in followed.read_text())
    finally:
        process.terminate()
        process.communicate()
    numbers = [json.loads(line)["number"] for line in followed.read_text().splitlines()]

    assert list(range(1, newest + 1)) == numbers


def test_following_before_the_tables_are_there(world: World) -> None:
    """--follow waits for as long as a slow disk takes to make the database, and then shows everything."""
    database, ready = world.database, world.folder / "ready"
    assert 7 == world.syncd("reconcile").code
    newest = json.loads(world.here("events", "--limit", "1", "--json").out)["number"]
    database.rename(ready)
    database.touch()
    followed = world.folder / "followed"
    with followed.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "syncd", "events", "-f", "--since", "0", "--json"], cwd=world.folder, env=world.environ(),
                                   stdout=out, stderr=subprocess.DEVNULL)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        ready.rename(database)
        wait_for(lambda: f'"number":{newest},' in followed.read_text())
    finally:
        process.terminate()
        process.communicate()


def test_a_reader_that_goes_away(synced: World) -> None:
    """`| head` is no error."""
    command = f"{sys.executable} -m syncd events --since 0 --limit 100000 | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=synced.folder, env=synced.environ(), capture_output=True,
                          text=True, timeout=30, check=False)

    assert "" == done.stderr
    assert 1 == len(done.stdout.splitlines())


def test_before_anything_happened(world: World) -> None:
    """No database, no events, no error."""
    result = world.here("events")

    assert (0, "") == (result.code, result.out)
    assert "nothing has happened yet" in result.err
