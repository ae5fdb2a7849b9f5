"""`syncd status`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime

from syncd.connectors.clock import SystemClock
from syncd.core.record import HOUR, SystemName
from syncd.store import arrivals
from syncd.store.arrivals import Heard, Hearing
from tests.cli.world import World


def test_before_anything_happened(world: World) -> None:
    """Without a database it says so, and what to do; nothing is made."""
    result = world.here("status")

    assert 0 == result.code
    assert "nothing has been synced yet" in result.out
    assert "syncd plan" in result.out
    assert not world.database.exists()
    assert {"daemon": "not running", "exists": False} == {
        name: each for name, each in world.here("status", "--json").json.items() if name in ("daemon", "exists")
    }


def test_what_it_tells(looked: World) -> None:
    """Systems with quotas, collections with times, syncs with links, writes, holds, and the next step."""
    told = looked.here("status", "--json").json

    assert {"ghl", "octopus"} == told["systems"].keys()
    assert told["systems"]["ghl"]["paused"] is None
    assert 200_000 == told["systems"]["ghl"]["quota"]["daily_limit"]
    assert {True} == {each["records"] > 0 and each["complete_at"] is not None for each in told["collections"].values()}
    assert told["syncs"]["contacts"]["listed_completely"]
    assert told["syncs"]["contacts"]["approved_at"] is None
    assert 1 == told["holds"]["first_run"]
    assert told["writes"]["parked"] > 0


def test_outcomes_balance(looked: World) -> None:
    """The sum is the sum of the named outcomes, and covers every record once."""
    told = looked.here("status", "--json").json
    records = sum(each["records"] for each in told["collections"].values())

    assert sum(each["count"] for each in told["outcomes"]["each"]) == told["outcomes"]["sum"] == told["outcomes"]["looked"] == records


def test_for_people(looked: World) -> None:
    """The same in words, with what to do next."""
    out = looked.here("status").out

    assert "daemon     not running" in out
    assert "ghl/contacts" in out
    assert "not approved" in out
    assert "next: the first writes wait for you: `syncd plan`, then `syncd holds`" in out


def test_webhooks_are_told_of(looked: World) -> None:
    """What was accepted, refused, of no known kind, and found by polls alone; nothing of a system that was never heard of."""
    now = SystemClock().now()
    said = [(Hearing.ACCEPTED, "contacts"), (Hearing.REFUSED, "forged"), (Hearing.UNKNOWN, "SurveySubmit"), (Hearing.UNANNOUNCED, "contacts")]
    with closing(sqlite3.connect(looked.database)) as database, database:
        arrivals.note(database, [Heard(system=SystemName("ghl"), what=what, word=word, count=2, last_at=now - HOUR) for what, word in said])
    out, told = looked.here("status").out, looked.here("status", "--json").json["systems"]

    assert "ghl  webhooks     2 accepted, the last one 1 h ago" in out
    assert "refused      2 webhooks, the last one 1 h ago (forged)" in out
    assert "unknown      2 webhooks of no known kind: SurveySubmit 2" in out
    assert "2 changes found by poll, not announced by webhook: contacts 2; the last one 1 h ago" in out
    assert {"contacts": 2} == told["ghl"]["webhooks"]["accepted"]
    assert told["octopus"]["webhooks"]["last_accepted_at"] is None


def test_it_changes_nothing(looked: World) -> None:
    """The file is the same before and after, byte for byte."""
    before = looked.database.read_bytes()

    looked.here("status")

    assert before == looked.database.read_bytes()


def test_another_schema_is_said(world: World) -> None:
    """A database that another syncd wrote is not guessed at."""
    world.database.parent.mkdir()
    with sqlite3.connect(world.database) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    result = world.here("status")

    assert 1 == result.code
    assert "schema 99" in result.err


def test_a_database_that_is_none(world: World) -> None:
    """A broken file is an error of one line, no traceback."""
    world.database.parent.mkdir()
    world.database.write_bytes(b"this is no database, " * 100)
    result = world.here("status")

    assert 1 == result.code
    assert "cannot be used" in result.err
    assert "Traceback" not in result.err


def test_a_listing_that_is_not_believed_is_told_of(world: World) -> None:
    """How often in a row, and when it is made again; where one was believed before, only how often."""
    world.syncd("reconcile")
    assert "not believed" not in world.here("status").out
    with closing(sqlite3.connect(world.database)) as connection, connection:
        connection.execute("UPDATE cursors SET doubted = 3, complete_at = NULL WHERE system = 'ghl'")
        connection.execute("UPDATE cursors SET doubted = 1 WHERE system = 'octopus'")
    told, shown = world.here("status", "--json").json["collections"], world.here("status").out
    ghl = told["ghl/contacts"]
    (octopus,) = (each for name, each in told.items() if name.startswith("octopus/"))

    # Polls are half a second apart at least, so the third pause is two seconds.
    assert (3, 2.0) == (ghl["not_believed"], seconds_between(ghl["polled_at"], ghl["listed_again_at"]))
    assert (1, None) == (octopus["not_believed"], octopus["listed_again_at"])
    assert "ghl/contacts: the last 3 listings were not believed; all are listed again " in shown
    assert "the last listing was not believed\n" in shown


def seconds_between(first: str, last: str) -> float:
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()
