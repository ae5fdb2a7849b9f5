"""Answering: for each kind of hold what fits and what is refused, and what follows from an answer."""

from __future__ import annotations

import pytest

from syncd.connectors.memory import FaultKind
from syncd.core.errors import UserError
from syncd.core.outcome import HoldKind
from syncd.core.record import LinkId, RecordId
from syncd.core.rules import ConflictRule, DeleteRule
from syncd.flow.answering import answer_failures
from syncd.store import holds
from syncd.store.holds import HoldState, Question
from syncd.store.outbox import State
from tests.flow.world import ADA, CRM, MAIL, NAME, S, opened, rules

CANDIDATES = ["mail/contacts/mail-8", "mail/contacts/mail-9"]
MENDED_ELSEWHERE = ["approve", "crm", "new"]
FITS = {
    HoldKind.CONFLICT: (["crm", "mail", "ignore"], ["approve", "nobody", "new"]),
    HoldKind.AMBIGUOUS: (["mail-8", CANDIDATES[1], "new", "ignore"], ["approve", "mail-7", "crm"]),
    HoldKind.DELETE: (["approve", "archive", "propagate", "unlink", "ignore"], ["review", "crm"]),
    HoldKind.MERGE: (["approve", "ignore"], ["crm", "new"]),
    HoldKind.UNKNOWN_CREATE: (["approve", "mail-8", "ignore"], ["mail-7", "crm"]),
    HoldKind.GUARD: (["approve", "ignore"], ["crm"]),
    HoldKind.FIRST_RUN: (["approve"], ["ignore", "crm"]),
    HoldKind.LISTING: (["approve", "ignore"], ["crm"]),
    HoldKind.UNREADABLE: (["ignore"], MENDED_ELSEWHERE),
    HoldKind.UNMAPPABLE: (["ignore"], MENDED_ELSEWHERE),
    HoldKind.REQUIRED: (["ignore"], MENDED_ELSEWHERE),
    HoldKind.NOT_STORED: (["ignore"], MENDED_ELSEWHERE),
    HoldKind.OSCILLATION: (["approve", "ignore"], ["crm"]),
    HoldKind.UNKNOWN_STEP: (["approve", "ignore"], ["crm", "new"]),
    HoldKind.MISSING_VALUE: (["approve", "ignore"], ["crm", "new"]),
    HoldKind.AUTOMATION_LOOP: (["approve", "ignore"], ["crm", "revert"]),
}
CASES = [(kind, choice, fits) for kind, lists in FITS.items() for fits, choices in zip((True, False), lists, strict=True) for choice in choices]
ABOUT_A_LINK = {HoldKind.CONFLICT, HoldKind.DELETE, HoldKind.MERGE, HoldKind.UNKNOWN_CREATE} | {
    kind for kind, (_, refused) in FITS.items() if refused is MENDED_ELSEWHERE
}


def question(kind: HoldKind) -> Question:
    sides = {"crm": "a", "mail": "b"} if kind is HoldKind.CONFLICT else {"candidates": CANDIDATES}
    alone = kind is HoldKind.AMBIGUOUS
    return Question(
        sync=S, kind=kind, reason="why", sides=sides, link=LinkId(1) if kind in ABOUT_A_LINK else None, member=CRM if alone else MAIL,
        record_id=RecordId("crm-9") if alone else None, field=NAME if kind is HoldKind.CONFLICT else None,
    )  # fmt: skip


def test_every_kind_is_here():
    """A new kind of hold needs its answers."""
    assert set(HoldKind) == set(FITS)


@pytest.mark.parametrize(("kind", "choice", "fits"), CASES, ids=[f"{kind.value}-{choice.replace('/', '.')}-{'fits' if fits else 'refused'}" for kind, choice, fits in CASES])
async def test_what_fits(tmp_path, kind, choice, fits):
    """An answer that fits is said to be taken; one that does not changes nothing and says what would fit."""
    async with opened(tmp_path) as world:
        await world.linked()
        await world.engine.database.write(lambda tx: holds.ask(tx, [question(kind)], 1))
        (held,) = await world.holds()
        if fits:
            assert await world.answer(choice, held.id)
            assert [] == await world.holds()
        else:
            with pytest.raises(UserError) as refused:
                await world.answer(choice, held.id)
            assert refused.value.hint
            assert [held] == await world.holds()


async def test_only_an_open_hold_can_be_answered(tmp_path):
    """One that is closed, or never was, is named and refused."""
    async with opened(tmp_path) as world:
        await world.linked()
        await world.engine.database.write(lambda tx: holds.ask(tx, [question(HoldKind.GUARD)], 1))
        await world.answer("approve")
        for number in (1, 99):
            with pytest.raises(UserError, match=f"no open hold {number}"):
                await world.answer("approve", number)


# ---- what follows


async def conflict(world):
    crm, mail = await world.linked()
    world.later(60)
    world.crm.edit_as_user(crm, {"name": "from crm", "phone": "+12125550123"})
    world.mail.edit_as_user(mail, {"name": "from mail"})
    await world.poll()
    await world.work()
    return crm, mail


@pytest.mark.parametrize("winner", ["crm", "mail"])
async def test_a_picked_side_wins(tmp_path, winner):
    """The picked member's value goes everywhere; the field's hold is closed, the other fields never waited."""
    async with opened(tmp_path, rules(conflict=ConflictRule.REVIEW)) as world:
        crm, mail = await conflict(world)
        assert ("+12125550123", "from mail") == (world.mail.records()[mail]["phone"], world.mail.records()[mail]["name"])
        await world.answer(winner)
        await world.work()

        assert [f"from {winner}"] * 2 == [world.crm.records()[crm]["name"], world.mail.records()[mail]["name"]]
        assert [] == await world.holds(HoldState.OPEN, HoldState.ANSWERED)


async def test_an_ignored_conflict_rests_until_a_side_changes(tmp_path):
    """Planned again it stays ignored; another edit of that field asks again."""
    async with opened(tmp_path, rules(conflict=ConflictRule.REVIEW)) as world:
        crm, _ = await conflict(world)
        await world.answer("ignore")
        await world.sync()
        assert [] == await world.asked()
        world.later(60)
        world.crm.edit_as_user(crm, {"name": "again"})
        await world.poll()
        await world.work()

        assert ["conflict"] == await world.asked()


async def test_a_conflict_that_people_settled_closes(tmp_path):
    """Both sides say the same now: nobody need answer."""
    async with opened(tmp_path, rules(conflict=ConflictRule.REVIEW)) as world:
        _, mail = await conflict(world)
        world.later(60)
        world.mail.edit_as_user(mail, {"name": "from crm"})
        await world.poll()
        await world.work()

        assert [] == await world.asked()


async def ambiguous(world):
    twins = [world.mail.create_as_user(ADA) for _ in range(2)]
    crm = world.crm.create_as_user(ADA)
    await world.sync()
    (held,) = [each for each in await world.holds() if each.record_id == crm]
    return crm, twins, held.id


async def test_a_picked_candidate_is_linked(tmp_path):
    """By its ref or its id; the other twin stays alone, and nothing is doubled."""
    async with opened(tmp_path) as world:
        crm, twins, number = await ambiguous(world)
        await world.answer(f"mail/contacts/{twins[1]}", number)
        await world.work()

        assert {"crm": crm, "mail": twins[1]} in await world.links()
        assert (1, 2) == (len(world.crm.records()), len(world.mail.records()))


async def test_a_new_one_is_made_on_a_persons_word(tmp_path):
    """It is none of the candidates: it gets a link of its own, and a record there."""
    async with opened(tmp_path) as world:
        crm, _, number = await ambiguous(world)
        await world.answer("new", number)
        await world.work()

        assert {"crm": crm, "mail": "mail-3"} in await world.links()


@pytest.mark.parametrize(("choice", "left"), [("propagate", 0), ("archive", 1), ("approve", 1), ("unlink", 1)])
async def test_a_held_deletion_is_carried_out_as_answered(tmp_path, choice, left):
    """Whatever the person chose instead of the rule."""
    archive = {MAIL: {"archive": {"name": "archived"}}}
    async with opened(tmp_path, rules(delete=DeleteRule.REVIEW, members=archive)) as world:
        crm, _ = await world.linked()
        world.crm.delete_as_user(crm)
        await world.hear(CRM)
        for seconds in (3, 601):
            world.later(seconds)
            await world.reread(CRM)
        await world.work()
        assert ["delete"] == await world.asked()
        await world.answer(choice)
        await world.work()
        await world.sync()
        shown = [each["name"] for each in world.mail.records().values()]

        assert (left, [], {}) == (len(shown), await world.asked(), world.crm.records())
        if left:
            assert ["Ada" if choice == "unlink" else "archived"] == shown


# ---- failed writes


async def failed(world):
    crm, mail = await world.linked()
    world.later(60)
    world.crm.edit_as_user(crm, {"name": "Ada L"})
    await world.poll()
    await world.plan()
    world.mail.faults.add(FaultKind.REJECTED, "update")
    await world.work()
    (dead,) = await world.outbox(State.DEAD)
    return mail, dead.id


async def test_a_failed_write_is_tried_again(tmp_path):
    """Once more from the start, when a person says so."""
    async with opened(tmp_path) as world:
        mail, number = await failed(world)
        said = await world.engine.database.write(lambda tx: answer_failures(world.engine, tx, [number], "retry"))
        await world.work()

        assert ("1 writes are tried again", "Ada L") == (said, world.mail.records()[mail]["name"])


async def test_a_failed_write_is_given_up(tmp_path):
    """It is not owed again while nobody edits the record."""
    async with opened(tmp_path) as world:
        mail, _ = await failed(world)
        await world.engine.database.write(lambda tx: answer_failures(world.engine, tx, [], "skip"))
        await world.sync()

        assert ("Ada", {"skipped": 1}) == (world.mail.records()[mail]["name"], await world.counts())


async def test_an_unknown_failure_is_named(tmp_path):
    """Nothing is retried when one of the numbers is wrong."""
    async with opened(tmp_path) as world:
        _, number = await failed(world)
        with pytest.raises(UserError, match="no failed write 99"):
            await world.engine.database.write(lambda tx: answer_failures(world.engine, tx, [number, 99], "retry"))

        assert {"dead": 1} == await world.counts()
