"""Polls and schedules: what comes round is told once, what was there before is not, and what was missed comes late."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from syncd.connectors.memory import FaultKind
from syncd.core.automation import PollTrigger, ScheduleTrigger
from syncd.core.record import DAY, MINUTE, SECOND
from syncd.core.schedule import Rhythm, Schedule
from tests.flow.automating import AUTOMATION, PERSON, automated, automation
from tests.flow.world import ADA, CRM, Watch, systems

BOB = {"email": "bob@example.com", "name": "Bob"}
POLL = PollTrigger(system=CRM, operation="list-contacts", values={}, every=5 * MINUTE)


def daily(hour: int, zone: str = "Europe/London") -> ScheduleTrigger:
    return ScheduleTrigger(schedule=Schedule(rhythm=Rhythm.DAILY, hour=hour, zone=ZoneInfo(zone)))


async def test_a_schedule_comes_round_once_a_day(tmp_path: Path) -> None:
    """Also over a night that has an hour too few; and once, late, after days in which nobody ran."""
    start = int(datetime(2027, 3, 26, 12, tzinfo=UTC).timestamp()) * SECOND
    far = systems(Watch(start))
    text = {"alert": {"text": "morning of {event.moment}"}}
    morning = automation(daily(7), text, sync=None)
    async with automated(tmp_path, morning, far=far) as found:
        for _ in range(4 * 24 * 4):
            found.world.later(15 * 60)
            await found.settle(poll=False)
        moments = [run.event["moment"] for run in await found.runs()]
        assert ["2027-03-27", "2027-03-28", "2027-03-29", "2027-03-30"] == moments
        operations = found.operations
    far[CRM].clock.pass_by(3 * DAY / SECOND)
    async with automated(tmp_path, morning, far=far, operations=operations) as found:
        await found.settle(poll=False)

        assert ["2027-04-02"] == [run.event["moment"] for run in await found.runs()][4:]


async def test_a_poll_tells_what_is_new_and_what_changed(tmp_path: Path) -> None:
    """Its first answer is what was there; an answer that is empty for once makes nothing new."""
    poll = PollTrigger(system=CRM, operation="list-contacts", values={}, every=5 * MINUTE)
    watch = automation(poll, {"alert": {"text": "{event.what} {event.name}"}}, sync=None)
    async with automated(tmp_path, watch, listed=False) as found:
        ada = found.world.crm.create_as_user(ADA)

        async def again() -> list[str]:
            found.world.later(301)
            await found.settle(poll=False)
            return [f"{run.event['what']} {run.event['name']}" for run in await found.runs()]

        await found.settle(poll=False)
        assert [] == await again()
        found.world.crm.create_as_user(BOB)
        found.world.crm.edit_as_user(ada, {"name": "Ada L"})
        assert {"new Bob", "changed Ada L"} == set(await again())
        found.world.crm.faults.add(FaultKind.RATE_LIMITED, "list-contacts")
        assert 2 == len(await again())
        assert 2 == len(await again())
        before = dict(found.world.crm._versions)
        found.world.crm._versions.clear()
        assert 2 == len(await again())
        found.world.crm._versions.update(before)
        assert 2 == len(await again())


async def test_what_an_automation_makes_is_no_news_to_its_own_poll(tmp_path: Path) -> None:
    """It would make another one each time."""
    double = {"call": "crm.create-contact", "with": {"name": "{event.name} II", "email": "x{event.email}"}}
    watch = automation(POLL, double, sync=None)
    also = automation(POLL, {"alert": {"text": "{event.name}"}}, name="also", sync=None, origins=frozenset({PERSON, AUTOMATION}))
    async with automated(tmp_path, watch, also, listed=False) as found:
        await found.settle(poll=False)
        found.world.crm.create_as_user(ADA)
        for _ in range(5):
            found.world.later(301)
            await found.settle(poll=False)

        assert {"Ada", "Ada II"} == {each["name"] for each in found.world.crm.records().values()}
        assert [("also", "automation"), ("also", "person"), ("greet", "person")] == sorted(
            (run.automation, run.cause.origin.value) for run in await found.runs()
        )


async def test_a_changed_poll_begins_anew(tmp_path: Path) -> None:
    """With other values it is another list: its first answer is what was there."""
    text = {"alert": {"text": "{event.name}"}}
    async with automated(tmp_path, automation(POLL, text, sync=None), listed=False) as found:
        await found.settle(poll=False)
        far, operations = found.world.far, found.operations
    far[CRM].create_as_user(ADA)
    far[CRM].clock.pass_by(600)
    other = PollTrigger(system=CRM, operation="list-contacts", values={"page": "2"}, every=5 * MINUTE)
    operations[CRM].prepare = lambda name, _values: type(operations[CRM]).prepare(operations[CRM], name, {})
    async with automated(tmp_path, automation(other, text, sync=None), far=far, operations=operations, listed=False) as found:
        await found.settle(poll=False)

        assert [] == await found.runs()
