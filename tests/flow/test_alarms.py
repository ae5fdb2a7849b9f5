"""Alerting: what needs a person is told through every channel, at least once, bounded, and told to be over."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from syncd.config import AlertSettings
from syncd.connectors.bridge.signing import verify
from syncd.connectors.keys import Key
from syncd.connectors.memory import FaultKind
from syncd.core.automation import AutomationName
from syncd.core.errors import StoreError, Unauthorized
from syncd.core.happening import What
from syncd.core.outcome import HoldKind
from syncd.core.record import MINUTE, SECOND, CollectionName, RecordId
from syncd.flow import channels
from syncd.flow.alarms import Teller
from syncd.flow.channels import NotTold, tell
from syncd.flow.conditions import conditions
from syncd.flow.holding import owner
from syncd.flow.pause import pause_system, resume_system
from syncd.flow.running import answer_run
from syncd.store import alerts, holds, runs
from syncd.store.holds import Question
from syncd.store.runs import RunState
from tests.flow.automating import automated, automation, message, on_record
from tests.flow.world import CONTACTS, CRM, MAIL, S, World, opened, rules

MESSAGE = {"id": "one", "type": "alert.test", "kind": "test", "subject": "test", "sentence": "a test", "next": "", "since": 1, "over_at": None, "held_back": 0}


class Hook:
    """A real server that takes alerts, and can be told to refuse them."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.status = 200
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.bodies.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        if self.status == 200:
            self.taken.append(json.loads(body))
        headers = {"Location": "http://127.0.0.1:9/"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def hook() -> AsyncIterator[Hook]:
    here = Hook()
    app = web.Application()
    app.router.add_post("/told", here.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    here.url = f"http://127.0.0.1:{runner.addresses[0][1]}/told"
    try:
        yield here
    finally:
        await runner.cleanup()


async def turn(world: World, teller: Teller) -> None:
    await teller.turn(await world.read(lambda tx: conditions(world.engine, tx, {})))


async def pause(world: World) -> None:
    await pause_system(world.engine, MAIL, Unauthorized("the key was refused", system=MAIL), CONTACTS)


async def test_a_pause_is_told_and_its_end(tmp_path: Path) -> None:
    """By the log and by the webhook, signed, once each, with the next command to type."""
    async with hook() as there, opened(tmp_path) as world:
        settings = AlertSettings(webhook=there.url, secret="s3cret", every=15 * MINUTE)
        teller = Teller(world.engine, settings)
        await teller.remember()
        await pause(world)
        await turn(world, teller)
        await turn(world, teller)
        await resume_system(world.engine, MAIL)
        await turn(world, teller)
        await turn(world, teller)
        signed_at = verify(there.headers[0], there.bodies[0], [Key("secret", b"s3cret")], now=world.clock.now(), window=MINUTE)

    assert ["alert.raised", "alert.resolved"] == [each["type"] for each in there.taken]
    assert ("paused", "mail", "mail is not used: the key was refused") == tuple(there.taken[0][key] for key in ("kind", "subject", "sentence"))
    assert "syncd resume mail" in there.taken[0]["next"]
    assert isinstance(signed_at, tuple)
    assert 1 == len(world.log("alert.raised"))
    assert 1 == len(world.log("alert.resolved"))


async def test_an_untold_alert_survives_a_restart(tmp_path: Path) -> None:
    """While the webhook fails the alert stays owed, in the database; the next life tells it."""
    async with hook() as there:
        settings = AlertSettings(webhook=there.url, secret="s3cret")
        async with opened(tmp_path) as world:
            there.status = 503
            teller = Teller(world.engine, settings)
            await pause(world)
            await turn(world, teller)
            refused = world.log("alert.not_told")
            far = world.far
            clock = world.clock
        there.status = 200
        async with opened(tmp_path, far=far) as world:
            world.later(5)
            again = Teller(world.engine, settings)
            await again.remember()
            await turn(world, again)

    assert clock is not None
    assert ["the webhook answered 503"] == [each["reason"] for each in refused]
    assert ["alert.raised"] == [each["type"] for each in there.taken]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """An alert goes to the address that was configured, and nowhere else."""
    async with hook() as there, opened(tmp_path) as world:
        there.status = 302
        with pytest.raises(NotTold, match="answered 302"):
            await tell("webhook", MESSAGE, AlertSettings(webhook=there.url, secret="x"), world.engine.log, 1)


async def test_a_command_gets_the_message_and_nothing_else(tmp_path: Path) -> None:
    """The JSON on its standard input, and no more of our environment than PATH."""
    script = tmp_path / "told"
    script.write_text(f"#!{sys.executable}\nimport sys, os, json\njson.dump([json.load(sys.stdin), sorted(os.environ)], open({str(tmp_path / 'out')!r}, 'w'))\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    async with opened(tmp_path) as world:
        await tell("command", MESSAGE, AlertSettings(command=(str(script),)), world.engine.log, 1)
    message, environ = json.loads((tmp_path / "out").read_text())

    assert MESSAGE == message
    assert set() == set(environ) - {"PATH", "LC_CTYPE", "PYTHONUTF8"}


async def test_a_command_is_bounded_and_its_failure_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs is ended, one that fails or is not there is tried again."""
    monkeypatch.setattr(channels, "TELL_S", 0.3)
    async with opened(tmp_path) as world:
        for command, why in ((["sleep", "600"], "did not end"), (["false"], "ended with 1"), ([str(tmp_path / "none")], "cannot be run")):
            with pytest.raises(NotTold, match=why):
                await tell("command", MESSAGE, AlertSettings(command=tuple(command)), world.engine.log, 1)


async def test_a_database_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The one thing that cannot be kept is told all the same, and kept once it can be."""
    async with opened(tmp_path) as world:
        teller = Teller(world.engine, AlertSettings())
        await world.engine.database.write(lambda tx: tx.execute("PRAGMA max_page_count=1"))
        with pytest.raises(StoreError):
            await world.engine.database.write(lambda tx: tx.execute("CREATE TABLE filler AS SELECT hex(randomblob(1000000)) AS x"))
        await turn(world, teller)
        kept = await world.read(alerts.load)
        raised = [each["kind"] for each in world.log("alert.raised")]
        await world.engine.database.write(lambda tx: tx.execute("PRAGMA max_page_count=1073741823"))
        await turn(world, teller)
        after = await world.read(alerts.load)

    assert ({}, ["database"]) == (kept, raised)
    assert ["over"] == [each.said for each in after.values()]


async def test_an_automation_that_fails_is_told_of(tmp_path: Path) -> None:
    """Once for the first run that stops, with the next command to type; what follows within the window is told together after it; and the end."""
    greet = automation(on_record(CRM, What.CREATED), message("hello"))
    async with automated(tmp_path, greet) as found:
        world, teller = found.world, Teller(found.engine, AlertSettings(every=15 * MINUTE))
        await found.settle()
        for number, kind in enumerate((FaultKind.REJECTED, FaultKind.TIMEOUT_AFTER, FaultKind.REJECTED)):
            world.crm.faults.add(kind, "send-message")
            world.crm.create_as_user({"email": f"a{number}@b.co", "name": "A"})
            await found.settle()
            await turn(world, teller)
        assert [("automation", "greet", "greet: a run failed for good", "syncd automations runs greet")] == told_in(world)
        world.later(15 * 60 + 1)
        await turn(world, teller)
        await turn(world, teller)
        stopped = await world.read(lambda tx: runs.select(tx, [RunState.FAILED, RunState.PARKED]))
        for each in stopped:
            await found.engine.database.write(lambda tx, each=each: answer_run(found.engine, tx, each.id, "give-up"))
        await turn(world, teller)

    assert ("automation", "greet", "greet: 2 runs failed for good and a run waits for you", "syncd automations runs greet; syncd holds") == told_in(world)[1]
    assert (2, 1) == (len(told_in(world)), len(world.log("alert.resolved")))


async def test_an_automation_that_sets_itself_off_is_told_of(tmp_path: Path) -> None:
    """Its run may be over; the hold is told of with the command that lets it go."""
    async with opened(tmp_path) as world:
        asked = Question(sync=owner(AutomationName("greet")), kind=HoldKind.AUTOMATION_LOOP, record_id=RecordId("crm/1"), reason="ada", sides={})
        await world.engine.database.write(lambda tx: holds.ask(tx, [asked], 1))
        (said,) = await world.read(lambda tx: conditions(world.engine, tx, {}))

    assert ("automation", "automation greet was stopped: it sets itself, or others, off", "syncd holds approve 1") == (said.kind, said.sentence, said.mend)


def told_in(world: World) -> list[tuple[str, ...]]:
    """What was told to the log to be so."""
    return [tuple(each[key] for key in ("kind", "subject", "sentence", "next")) for each in world.log("alert.raised")]


async def test_what_is_told_of(tmp_path: Path) -> None:
    """A tripped guard and a closed collection are conditions; a question about one record is none."""
    async with opened(tmp_path, rules()) as world:
        await world.linked()
        world.engine.closed[MAIL, CollectionName("notes")] = "no scope"
        await world.engine.database.write(
            lambda tx: tx.execute("INSERT INTO pauses VALUES ('mail', 'notes', 'no scope', 1)")
        )
        asked = [Question(sync=S, kind=kind, reason="because", sides={}, member=MAIL) for kind in (HoldKind.GUARD, HoldKind.CONFLICT)]
        await world.engine.database.write(lambda tx: holds.ask(tx, asked, 1))
        found = await world.read(lambda tx: conditions(world.engine, tx, {}))

    assert {"paused mail/notes", f"guard guard {asked[0].key}"} == {f"{each.kind} {each.subject}" for each in found}
    assert "syncd holds approve|revert|ignore" in next(each.mend for each in found if each.kind == "guard")
    assert (CRM, SECOND) == ("crm", 1_000_000)
