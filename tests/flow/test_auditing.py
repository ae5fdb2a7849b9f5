"""Auditing: every difference is either explained or named; one that is over is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from syncd.core.link import HubField, Link
from syncd.core.record import HOUR, MINUTE, MemberName
from syncd.flow.auditing import Audit, audit, audit_forever
from syncd.flow.conditions import conditions
from syncd.store import drifts, links
from tests.flow.world import ADA, CRM, MAIL, NAME, Watch, World, opened, row, rules, systems, until

IN_MAIL = MemberName(MAIL)


async def audited(world: World) -> Audit:
    return await audit(world.engine)


def told(found: Audit) -> list[tuple[str, str, str]]:
    return [(each.spot.member, each.spot.field, each.why) for each in found.drifts]


async def tampered(world: World, change: Callable[[Link], Link]) -> None:
    """The first link, as a fault in syncd might leave it."""

    def commit(tx: Any) -> None:
        link = links.load(tx, [1])[1]
        links.save(tx, [change(link)], 1)

    await world.engine.database.write(commit)


async def test_what_is_equal_has_no_drift(tmp_path: Path) -> None:
    """Records that were synced are equal, field by field."""
    async with opened(tmp_path) as world:
        await world.linked()
        found = await audited(world)

    assert ([], 1, {}) == (found.drifts, found.links, dict(found.explained))
    assert 2 * len(ADA) <= found.equal


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda link: with_hub(link, "Wrong"), "owed, and not in the outbox"),
        (lambda link: with_agreed(with_hub(link, "Wrong"), "Wrong"), "not what was agreed"),
    ],
    ids=["owed", "agreed"],
)
async def test_a_lost_write_is_found(tmp_path: Path, change: Callable[[Link], Link], why: str) -> None:
    """The hub says one thing, both members another, and nothing is on its way."""
    async with opened(tmp_path) as world:
        await world.linked()
        await tampered(world, change)
        found = await audited(world)

    assert {("crm", "name", why), ("mail", "name", why)} == set(told(found))
    assert {("Ada", "Wrong")} == {(each.shown, each.hub) for each in found.drifts}


def with_hub(link: Link, value: str) -> Link:
    return replace(link, hub={**link.hub, NAME: HubField(value=value)})


def with_agreed(link: Link, value: str) -> Link:
    return replace(link, members={name: replace(member, agreed={**member.agreed, NAME: value}) for name, member in link.members.items()})


async def test_an_edit_that_nobody_noticed(tmp_path: Path) -> None:
    """It was read and is on no list."""
    async with opened(tmp_path) as world:
        _, mail = await world.linked()
        world.later(120)
        world.mail.edit_as_user(mail, {"name": "Augusta"})
        await world.poll(MAIL)
        waiting = await audited(world)
        await world.engine.database.write(lambda tx: tx.execute("DELETE FROM to_plan"))
        found = await audited(world)

    assert ([], {"to be planned": 1}) == (waiting.drifts, dict(waiting.explained))
    assert [("mail", "name", "edited, and not planned")] == told(found)


async def test_a_record_that_was_never_made(tmp_path: Path) -> None:
    """The planner would have made it, and nothing is owed."""
    async with opened(tmp_path) as world:
        await world.linked()
        await tampered(world, lambda link: replace(link, members={name: each for name, each in link.members.items() if name != IN_MAIL}))
        found = await audited(world)

    assert [("mail", "", "no record, and none owed")] == told(found)


async def test_what_explains_a_difference(tmp_path: Path) -> None:
    """A direction, a write given up, and the form a vendor gives a value."""
    one_way = row(NAME, sources=frozenset({MemberName(CRM)}), targets=frozenset({MemberName(MAIL)}))
    async with opened(tmp_path, rules(one_way)) as world:
        crm, mail = await world.linked()
        world.later(120)
        world.mail.edit_as_user(mail, {"name": "Other"})
        await world.sync()
        directed = await audited(world)
        world.crm.edit_as_user(crm, {"name": "Newer"})
        await world.poll(CRM)
        await world.plan()
        owed = await audited(world)
        await world.engine.database.write(lambda tx: tx.execute("UPDATE outbox SET state = 'dead' WHERE state = 'pending'"))
        dead = await audited(world)

    assert [] == directed.drifts + owed.drifts + dead.drifts
    assert 1 == owed.explained["write pending"]
    assert 1 == dead.explained["write dead"]


async def test_the_form_a_vendor_gives(tmp_path: Path) -> None:
    """Capitals that a vendor adds are no difference."""
    far = systems(Watch(), mail={"normalise": lambda path, value: value.upper() if path == "name" and isinstance(value, str) else value})
    async with opened(tmp_path, far=far) as world:
        world.crm.create_as_user({"email": "bob@example.com", "name": "Bob"})
        await world.sync()
        found = await audited(world)

    assert ([], {"form": 1}) == (found.drifts, dict(found.explained))


async def test_it_audits_by_itself(tmp_path: Path) -> None:
    """Every so often, without a call; and again soon while a difference is known, so that its end is known too."""
    async with opened(tmp_path) as world, anyio.create_task_group() as tasks:
        await world.linked()
        calls = len(world.crm.calls) + len(world.mail.calls)
        await tampered(world, lambda link: with_hub(link, "Wrong"))
        tasks.start_soon(audit_forever, world.engine, 24 * HOUR)

        async def begun() -> bool:
            return await world.read(drifts.audited_at) is not None

        await until(begun, within_s=20)
        at_once = await world.read(drifts.since)
        tasks.cancel_scope.cancel()
    async with opened(tmp_path, far=world.far) as world, anyio.create_task_group() as tasks:
        world.later(25 * 3600)
        tasks.start_soon(audit_forever, world.engine, 24 * HOUR)

        async def known() -> bool:
            return bool(await world.read(drifts.since))

        await until(known, within_s=20)
        tasks.cancel_scope.cancel()
    async with opened(tmp_path, far=world.far) as world, anyio.create_task_group() as tasks:
        await tampered(world, lambda link: with_hub(link, "Ada"))
        world.later(660)
        tasks.start_soon(audit_forever, world.engine, 24 * HOUR)

        async def over() -> bool:
            return not await world.read(drifts.since)

        await until(over, within_s=20)
        tasks.cancel_scope.cancel()

    assert {} == at_once
    assert calls == len(world.crm.calls) + len(world.mail.calls)


async def test_a_drift_is_told_when_it_is_old_and_forgotten_when_it_is_over(tmp_path: Path) -> None:
    """It keeps its first moment while it is found again."""
    async with opened(tmp_path) as world:
        await world.linked()
        await tampered(world, lambda link: with_hub(link, "Wrong"))
        await audited(world)
        first = await world.read(drifts.since)
        at_once = await world.read(lambda tx: conditions(world.engine, tx, {}, HOUR))
        world.later(2 * 3600)
        await audited(world)
        again = await world.read(drifts.since)
        later = await world.read(lambda tx: conditions(world.engine, tx, {}, HOUR))
        await tampered(world, lambda link: with_hub(link, "Ada"))
        await audited(world)
        over = await world.read(lambda tx: conditions(world.engine, tx, {}, MINUTE))

    assert first == again
    assert ([], ["2 differences in contacts that nothing explains"], []) == (at_once, [each.sentence for each in later], over)
