"""Undoing: what a stretch of the journal did goes back, what was touched since stays, and what cannot be undone is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from syncd.core.rules import Cap, DeleteRule, Guards
from syncd.flow.putting_back import put_back
from syncd.flow.undoing import Undoing, draft
from syncd.store import journal
from syncd.store.cursors import PassMode
from syncd.store.outbox import State
from tests.flow.world import ADA, MAIL, OPEN_GUARDS, World, opened, rules


async def last(world: World) -> int:
    return await world.read(journal.last_number)


async def drafted(world: World, first: int, end: int = 2**62) -> Undoing:
    return await world.read(lambda tx: draft(tx, world.engine.syncs, first, end))


async def undone(world: World, first: int, end: int = 2**62) -> Undoing:
    """Undoes a stretch as the request does, and lets what follows happen."""

    def commit(tx: Any) -> Undoing:
        undoing = draft(tx, world.engine.syncs, first, end)
        put_back(world.engine, tx, undoing)
        return undoing

    undoing = await world.engine.database.write(commit)
    await world.work()
    return undoing


async def edited(world: World, record: str, **fields: Any) -> int:
    """An edit in the crm that is carried to the mail list; the first row of what it did."""
    first = await last(world) + 1
    world.later(120)
    world.crm.edit_as_user(record, fields)
    await world.sync()
    return first


async def test_a_value_goes_back_everywhere(tmp_path: Path) -> None:
    """An edit that was carried across is undone on both sides, and planning again finds nothing to do."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked({**ADA, "phone": "+12015550123"})
        first = await edited(world, crm, name="Bad Mapping", phone="+12015550199")
        carried = world.mail.records()[mail]["name"]
        found = await undone(world, first)
        world.later(120)
        await world.sync()
        names = (world.crm.records()[crm]["name"], world.mail.records()[mail]["name"])
        phones = (world.crm.records()[crm]["phone"], world.mail.records()[mail]["phone"])
        left = await drafted(world, await last(world) + 1)

    assert "Bad Mapping" == carried
    assert {"name", "phone"} == {each.field for each in found.fields}
    assert ("Ada", "Ada") == names
    assert ("+12015550123", "+12015550123") == phones
    assert [] == left.names


async def test_an_undo_can_be_undone(tmp_path: Path) -> None:
    """It is in the journal like any decision."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked()
        first = await edited(world, crm, name="Augusta")
        again = await last(world) + 1
        await undone(world, first)
        await undone(world, again)

        assert ("Augusta", "Augusta") == (world.crm.records()[crm]["name"], world.mail.records()[mail]["name"])


async def test_what_was_edited_since_is_left_alone(tmp_path: Path) -> None:
    """Whether the later edit was carried across already or has only just been seen."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked({**ADA, "phone": "+12015550123"})
        first = await edited(world, crm, name="Bad", phone="+12015550199")
        end = await last(world)
        await edited(world, crm, name="Mended by hand")
        world.later(120)
        world.mail.edit_as_user(mail, {"phone": "+12015550155"})
        await world.poll(MAIL)
        found = await undone(world, first, end)
        await world.sync()
        name, phone = (world.crm.records()[crm][each] for each in ("name", "phone"))

    assert [] == found.names
    assert {("name", "it was decided again since"), ("phone", "it was edited since in mail")} == {(each.about, each.reason) for each in found.kept}
    assert ("Mended by hand", "+12015550155") == (name, phone)


async def test_a_set_loses_only_what_was_added(tmp_path: Path) -> None:
    """What was added goes, what was removed comes back, what came later stays."""
    async with opened(tmp_path) as world:
        crm, mail = await world.linked({**ADA, "tags": ["a", "b"]})
        first = await edited(world, crm, tags=["b", "bad"])
        end = await last(world)
        await edited(world, crm, tags=["b", "bad", "later"])
        await undone(world, first, end)

        assert (["a", "b", "later"], ["a", "b", "later"]) == (
            sorted(world.crm.records()[crm]["tags"]), sorted(world.mail.records()[mail]["tags"])
        )  # fmt: skip


async def test_a_record_of_our_making_goes_again(tmp_path: Path) -> None:
    """By the delete rule, once; the record it was made from stays, and nothing is made again."""
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE)) as world:
        await world.linked()
        first = await last(world) + 1
        bob = world.crm.create_as_user({"email": "bob@example.com", "name": "Bob"})
        await world.sync()
        made = len(world.mail.records())
        found = await undone(world, first)
        world.later(1200)
        await world.sync()
        left = [each["email"] for each in world.mail.records().values()]

    assert (2, ["delete"]) == (made, [each.operation.value for each in found.removals])
    assert ["ada@example.com"] == left
    assert bob in world.crm.records()


async def test_a_record_that_was_edited_since_stays(tmp_path: Path) -> None:
    """And so it is where the rule is that a person decides."""
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE)) as world:
        await world.sync()
        first = await last(world) + 1
        world.crm.create_as_user(ADA)
        await world.sync()
        (made,) = world.mail.records()
        world.later(120)
        world.mail.edit_as_user(made, {"name": "Touched"})
        await world.poll(MAIL)
        found = await undone(world, first)
        await world.work()

        assert [] == found.removals
        assert "the record made in mail was edited since" in [each.reason for each in found.kept]
        assert made in world.mail.records()


async def test_where_the_rule_is_review(tmp_path: Path) -> None:
    """The record is named, for a person to remove."""
    async with opened(tmp_path, rules(delete=DeleteRule.REVIEW)) as world:
        await world.sync()
        first = await last(world) + 1
        world.crm.create_as_user(ADA)
        await world.sync()
        found = await drafted(world, first)

    assert [] == found.names
    assert any(each.cannot and "by hand" in each.reason for each in found.kept)


async def test_what_was_agreed_for_the_first_time(tmp_path: Path) -> None:
    """There was no value that all had: nothing is cleared, and what lost is told."""
    async with opened(tmp_path) as world:
        crm, mail = world.crm.create_as_user(ADA), world.mail.create_as_user({**ADA, "name": "Adah"})
        await world.sync()
        found = await undone(world, 1)

        assert [] == found.names
        assert any(each.about == "name" and "mail had 'Adah'" in each.reason for each in found.kept)
        assert world.crm.records()[crm]["name"] == world.mail.records()[mail]["name"]


async def test_a_deletion_cannot_be_undone(tmp_path: Path) -> None:
    """It is said so, with the reason."""
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE)) as world:
        for number in range(5):
            world.crm.create_as_user({"email": f"p{number}@example.com", "name": "P"})
        crm, mail = await world.linked()
        first = await last(world) + 1
        world.crm.delete_as_user(crm)
        for _ in range(4):
            world.later(1200)
            await world.poll(mode=PassMode.COMPLETE)
            await world.reread()
            await world.work()
        found = await drafted(world, first)

    assert mail not in world.mail.records()
    assert ["it was deleted in mail: a new record there would have another id"] == [each.reason for each in found.kept if each.cannot]


async def test_guards_hold(tmp_path: Path) -> None:
    """Undoing much at once waits for a person, like any other change of that size."""
    few = Guards(deletes=Cap(number=1, share=0.0), updates=OPEN_GUARDS.updates, creates=OPEN_GUARDS.creates, blanks=OPEN_GUARDS.blanks)
    async with opened(tmp_path, rules(delete=DeleteRule.PROPAGATE, guards=few)) as world:
        await world.sync()
        first = await last(world) + 1
        for number in range(4):
            world.crm.create_as_user({"email": f"p{number}@example.com", "name": "P"})
        await world.sync()
        found = await undone(world, first)
        parked = await world.outbox(State.PARKED)

    assert 4 == len(found.removals)
    assert 3 == len(parked)
    assert 3 == len(world.mail.records())


async def test_what_was_not_shown_is_not_done(tmp_path: Path) -> None:
    """The request does what was among what a person saw, in the stretch that a person saw, and no more."""
    async with opened(tmp_path) as world:
        crm, _ = await world.linked({**ADA, "phone": "+12015550123"})
        first = await edited(world, crm, name="Bad", phone="+12015550199")
        end = await last(world)
        shown = [each for each in (await drafted(world, first, end)).names if each.endswith("/name")]
        await edited(world, crm, name="Edited while it was read")
        found = (await drafted(world, first, end)).only(shown)

    assert [] == found.names
    assert {"it was decided again since", "it was not among what was shown"} == {each.reason for each in found.kept}
