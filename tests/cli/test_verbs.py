"""What cannot be taken back asks first, and the journal then tells which account did it: every such command, in one table."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from syncd.sandbox.people import Part
from syncd.store import journal
from syncd.store.visiting import reading
from tests.cli.world import World, wait_for

ME = f"{pwd.getpwuid(os.getuid()).pw_name} ({os.getuid()})"


@dataclass(frozen=True)
class Verb:
    """A command, the word that says one means it, and what it answers who does not say it."""

    kind: str
    command: Callable[[World], list[str]]
    yes: list[str]
    refused: int
    said: str


def person(world: World) -> str:
    assert world.people is not None
    return world.people.of(Part.CONFLICT)[0].email


TAG = ["call", "ghl", "create-location-tag", "--data", '{"name": "noted"}']
VERBS = [
    Verb("call", lambda _: TAG, ["--yes"], 2, "there is nobody to ask"),
    Verb("undo", lambda _: ["undo", "--from", "1"], ["--yes"], 0, "nothing was done; --yes does it"),
    Verb("apply", lambda _: ["apply"], ["kept.plan"], 2, "FILE"),
    Verb("forget", lambda world: ["forget", person(world)], ["--yes"], 1, "say --yes"),
    Verb("forget", lambda world: ["forget", "link/2", "--at-vendors"], ["--yes"], 1, "say --yes"),
    Verb("restore", lambda _: ["restore", "kept.backup"], ["--replace"], 1, "say --replace"),
    Verb("key rotate", lambda _: ["key", "rotate"], ["--yes"], 1, "say --yes"),
]


def asked(world: World) -> list[dict[str, Any]]:
    with reading(world.database) as read:
        return read(lambda tx: [each.detail for each in journal.after(tx, 0, 100_000) if each.kind == "person.asked"])


def written(world: World) -> tuple[int, int, int]:
    """How much was ever done: rows of the journal, changes at either vendor."""
    with reading(world.database) as read:
        return (read(journal.last_number), *world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth))))


@pytest.fixture
def settled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world in which everything was carried out, with a plan and a backup kept."""
    monkeypatch.chdir(world.folder)
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    assert 0 == world.here("backup", "kept.backup").code
    return world


def test_what_cannot_be_taken_back_asks_first_and_is_told_of(settled: World) -> None:
    """Without its word nothing is done and nothing noted; with it, one row more tells the account and the deed, before what followed."""
    for verb in VERBS:
        if verb.kind == "apply":
            assert 0 == settled.syncd("plan", "--out", "kept.plan").code
        command, before, known = verb.command(settled), written(settled), len(asked(settled))
        refused = settled.here(*command)
        assert (verb.refused, True) == (refused.code, verb.said in refused.out + refused.err), (verb, refused)
        assert (before, known) == (written(settled), len(asked(settled))), verb
        done = settled.syncd(*command, *verb.yes)
        assert done.code in (0, 6), (verb, done)
        assert {"by": ME, "asked": verb.kind} == {name: asked(settled)[-1][name] for name in ("by", "asked")}, verb
        assert verb.kind == "restore" or known + 1 == len(asked(settled)), verb
    assert 0 == settled.here("audit", "verify").code


def test_beside_a_daemon_it_is_the_daemon_that_notes_it(settled: World) -> None:
    """The request is left before the deed, and the chain has no row that anybody else put in."""
    with settled.daemon():
        for command in (["key", "rotate", "--yes"], [*TAG, "--yes"]):
            assert 0 == settled.syncd(*command).code
        wait_for(lambda: {"key rotate", "call"} <= {each["asked"] for each in asked(settled)})
        told = {each["asked"]: each for each in asked(settled)}

        assert {ME} == {each["by"] for each in told.values()}
        assert ("ghl", "create-location-tag") == (told["call"]["system"], told["call"]["operation"])
        assert 0 == settled.here("audit", "verify").code


def test_who_only_looks_is_not_noted(settled: World, tmp_path: Path) -> None:
    """Reading, trying and checking leave no row."""
    before = written(settled)
    for command in (["status"], ["holds"], ["runs"], ["events"], ["check"], ["key", "show"], [*TAG, "--dry-run"], ["export", person(settled)]):
        assert 0 == settled.here(*command).code, command

    assert before == written(settled)
