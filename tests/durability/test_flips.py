"""One byte of a stored row changes by itself: the row is named in the log, no vendor is ever written to because of it, the rest goes on."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

import pytest

from syncd.sandbox import Actor
from tests.durability.killing import SYNC, settled
from tests.durability.place import opened
from tests.e2e.oracle import Plain, from_ghl, from_octopus
from tests.e2e.world import Someone, World

# Time enough between an event and what follows from it to end the daemon there.
DAEMON = {"poll_min": '"60s"', "poll_max": '"60s"', "full_pass": '"100ms"', "quiet": '"1s"', "quiet_max": '"1s"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """Which value is changed: a column of a row, the row found by a condition; `sealed` values must be told of."""

    table: str
    column: str
    row: str
    sealed: bool = True

    def __str__(self) -> str:
        """In words, for the message of a failing test."""
        return f"{self.table}.{self.column} where {self.row}"


# :ghl and :octopus are the ids of the person whose rows are changed.
FLIPS = (
    Flip(table="observations", column="fields", row="record_id = :ghl"),
    Flip(table="observations", column="fields", row="record_id = :octopus"),
    Flip(table="observations", column="changed", row="record_id = :ghl"),
    Flip(table="observations", column="fingerprint", row="record_id = :ghl", sealed=False),
    Flip(table="links", column="hub", row="id = (SELECT link_id FROM link_members WHERE record_id = :ghl)"),
    Flip(table="link_members", column="base", row="record_id = :ghl"),
    Flip(table="link_members", column="base", row="record_id = :octopus"),
    Flip(table="link_members", column="agreed", row="record_id = :ghl"),
    Flip(table="outbox", column="payload", row="state IN ('pending', 'unknown')"),
    Flip(table="events", column="payload", row="done_at IS NULL AND system = 'octopus'"),
    Flip(table="match_keys", column="value", row="record_id = :ghl AND key = 'email'"),
)
PLAIN = (
    Flip(table="match_keys", column="record_id", row="record_id = :octopus AND key = 'email'"),
    Flip(table="link_members", column="record_id", row="record_id = :ghl"),
    Flip(table="link_members", column="sync", row="record_id = :octopus"),
    Flip(table="outbox", column="state", row="state IN ('pending', 'unknown')"),
    Flip(table="outbox", column="sync", row="state IN ('pending', 'unknown')"),
    Flip(table="outbox", column="operation", row="state IN ('pending', 'unknown')"),
    Flip(table="outbox", column="record_id", row="state IN ('pending', 'unknown')"),
)
"""Columns of plain text, which cannot all be changed in the same rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a daemon made of changed bytes: rows it named, values it made up, both vendors' people, and how it crashed."""

    flips: tuple[Flip, ...]
    named: Counter[str]
    made_up: tuple[str, ...]
    wanted: frozenset[Plain]
    ghl: frozenset[Plain]
    octopus: frozenset[Plain]
    crashes: tuple[str, ...]


async def live(directory: Path, *flips: Flip, byte: float = 0.5) -> Found:
    """A world at work is stopped, a byte is changed for each flip, in rows of a person each, those are edited, and the daemon is started
    again."""
    directory.mkdir()
    async with opened(directory, daemon=DAEMON, sync=SYNC) as world:
        owed, announced, intact, *damaged = world.settle_many(3 + len(flips))
        await leave_work(world, owed, announced)
        mark = world.mark()
        for flip, whose in zip(flips, damaged, strict=True):
            change_byte(world.configuration.state / "syncd.db", flip, whose, byte)
            world.sandbox.ghl.edit_as_user(whose.ghl, {"lastName": "Newell"})
        async with world.daemon() as daemon:
            await settled(world)
        return Found(
            flips=flips,
            named=Counter(line["table"] for line in daemon.said("row.damaged")),
            made_up=tuple(sorted(set(values(world.writes(mark))) - known_values(world))),
            wanted=frozenset({
                plain(owed, first_name="Owen"),
                plain(announced, first_name="Anne"),
                plain(intact),
                *(plain(each, last_name="Newell") for each in damaged),
            }),
            ghl=frozenset(map(from_ghl, world.sandbox.ghl.contacts())),
            octopus=frozenset(map(from_octopus, world.sandbox.octopus.contacts())),
            crashes=tuple(line["text"] for line in daemon.log if "text" in line),
        )


async def leave_work(world: World, owed: Someone, announced: Someone) -> None:
    """Has the daemon link everybody, and ends it with a write owed and an event not yet looked into."""
    daemon = world.new_daemon()
    try:
        await daemon.start()
        await settled(world)
        world.sandbox.ghl.faults.add("update-contact", "error_before", probability=1.0, status=503)
        world.sandbox.octopus.edit_as_user(owed.octopus, {"FirstName": "Owen"})
        await world.until(lambda: count(world, "outbox WHERE state = 'unknown' OR (state = 'pending' AND attempts > 0)"), "a write is owed")
        world.sandbox.octopus.edit_as_user(announced.octopus, {"FirstName": "Anne"})
        await world.until(lambda: count(world, "events WHERE done_at IS NULL AND payload IS NOT NULL"), "an event waits")
    finally:
        await daemon.kill()
    world.sandbox.ghl.faults.clear()


def count(world: World, what: str) -> int:
    """How many rows there are."""
    with closing(sqlite3.connect(f"file:{world.configuration.state / 'syncd.db'}?mode=ro", uri=True, timeout=5)) as store:
        return int(store.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


def change_byte(path: Path, flip: Flip, whose: Someone, byte: float) -> None:
    """Changes one bit, so that a letter becomes another letter where it is one; `byte` says where, from 0 to 1."""
    ids = {"ghl": whose.ghl, "octopus": whose.octopus}
    with closing(sqlite3.connect(path, isolation_level=None)) as store:
        used = {name: value for name, value in ids.items() if f":{name}" in flip.row}
        rows = store.execute(f"SELECT {flip.column} FROM {flip.table} WHERE {flip.row}", used).fetchall()
        assert len(rows) == 1, f"{flip}: {len(rows)} rows"
        held = rows[0][0]
        data = bytearray(held.encode() if isinstance(held, str) else held)
        data[int(byte * (len(data) - 1))] ^= 1
        store.execute(f"UPDATE {flip.table} SET {flip.column} = :changed WHERE {flip.row}", {**used, "changed": data.decode() if isinstance(held, str) else bytes(data)})


def plain(someone: Someone, **changes: str) -> Plain:
    """Somebody as both vendors must show them in the end."""
    person = someone.person
    usual = {
        "email": person.email.lower(), "first_name": person.first_name, "last_name": person.last_name, "phone": person.phone,
        "tags": frozenset(person.tags), "plan": person.plan, "source": person.source,
    }  # fmt: skip
    return Plain(**{**usual, **changes})


def values(entries: Any) -> Iterator[str]:
    """Every text that writes left behind."""
    for entry in entries:
        yield from texts([change["after"] for change in entry.fields.values()])


def known_values(world: World) -> set[str]:
    """Every text that a person gave, or that was there before."""
    log = chain(world.sandbox.ghl.truth.since(0), world.sandbox.octopus.truth.since(0))
    return set(values(entry for entry in log if entry.actor is Actor.USER))


def texts(value: Any) -> Iterator[str]:
    """All texts inside a value, without regard to capitals."""
    match value:
        case str():
            yield value.lower()
        case dict():
            yield from chain.from_iterable(map(texts, value.values()))
        case list() | tuple():
            yield from chain.from_iterable(map(texts, value))


def judge(found: Found) -> None:
    """Everybody ends as they should, nothing was made up, and each row was named."""
    flips = ", ".join(map(str, found.flips))

    assert (flips, ()) == (flips, found.made_up)
    assert (flips, found.wanted) == (flips, found.ghl)
    assert (flips, found.wanted) == (flips, found.octopus)
    assert (flips, Counter(flip.table for flip in found.flips if flip.sealed)) == (flips, found.named)
    assert (flips, ()) == (flips, found.crashes)


async def test_flipped_bytes_never_lead_to_a_write(tmp_path: Path) -> None:
    """One byte of each stored value of a record, a link, an owed write and a waiting event is changed while the daemon is down, each of
    somebody else: it names every row, makes nothing up, and everybody ends as they should, the damaged with an edit made meanwhile."""
    judge(await live(tmp_path / "all", *FLIPS))


@pytest.mark.slow
@pytest.mark.parametrize("flip", [*FLIPS, *PLAIN], ids=str)
async def test_no_flipped_byte_leads_to_a_write(tmp_path: Path, request: pytest.FixtureRequest, flip: Flip) -> None:
    """The same with one changed byte at a time, at as many places of chance as `--worlds` says."""
    random = Random(str(flip))
    for number in range(request.config.getoption("worlds")):
        judge(await live(tmp_path / str(number), flip, byte=random.random()))
