"""Settling: what comes back from a write, and what is held because it did not."""

from __future__ import annotations

import pytest

from syncd.connectors.memory import FaultKind
from syncd.core.fields import FieldType
from syncd.flow.settle import _why_not_stored
from syncd.store.holds import HoldState
from tests.flow.hands import by_us, edited
from tests.flow.world import ADA, MAIL, Watch, opened, systems


async def test_normalisation_is_no_edit(tmp_path):
    """What the vendor made of our value becomes the base: it does not travel back and is not written again."""
    clock = Watch()
    far = systems(clock, mail={"normalise": lambda path, value: value.title() if path == "name" and value else value})
    async with opened(tmp_path, far=far) as world:
        crm, mail = await world.linked({**ADA, "name": "Ada"})
        await edited(world, crm, name="ada of long acre")
        await world.work()
        for _ in range(2):
            world.later(60)
            await world.hear()
            world.later(3)
            await world.reread()
            await world.sync()

        assert ("ada of long acre", "Ada Of Long Acre") == (world.crm.records()[crm]["name"], world.mail.records()[mail]["name"])
        assert (0, 1) == (len(by_us(world.crm)), len(by_us(world.mail)))


async def test_a_value_that_is_not_kept_is_held(tmp_path):
    """The vendor said yes and kept the old value: a person is asked, and it is not sent for ever."""
    clock = Watch()
    far = systems(clock, mail={"normalise": lambda path, value: "Ada" if path == "name" else value})
    async with opened(tmp_path, far=far) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        await world.work()
        await world.sync()
        (asked,) = await world.holds()

        assert ("not_stored", "name", {"sent": "Ada L", "mail": "Ada"}) == (asked.kind.value, asked.field, asked.sides)
        assert ("Ada L", "Ada") == (world.crm.records()[crm]["name"], world.mail.records()[mail]["name"])
        assert 1 == len(by_us(world.mail))


async def test_a_value_that_is_neither_old_nor_ours_is_held(tmp_path):
    """The vendor shows something that nobody here wrote: its own doing or an edit of the same moment, a person is asked."""
    clock = Watch()
    far = systems(clock, mail={"normalise": lambda path, value: "Grace" if path == "name" and value == "Ada L" else value})
    async with opened(tmp_path, far=far) as world:
        crm, _ = await world.linked()
        await edited(world, crm, name="Ada L")
        await world.work()
        await world.sync()
        (asked,) = await world.holds()

        assert ("not_stored", "name", {"sent": "Ada L", "mail": "Grace"}) == (asked.kind.value, asked.field, asked.sides)
        assert "mail accepted the write and shows something else, or was edited meanwhile: name" == asked.reason
        assert 1 == len(by_us(world.mail))


@pytest.mark.parametrize(("kind", "shown", "sent", "before", "asked"), [
    (FieldType.NUMBER, 3.14, 3.14159, None, False),
    (FieldType.NUMBER, 3, 3.14159, 5, False),
    (FieldType.NUMBER, 7, 3.14159, 5, True),
    (FieldType.NUMBER, 5, 3.14159, 5, True),
    (FieldType.INSTANT, "2026-01-31T12:34:00.000Z", "2026-01-31T12:34:56.789Z", None, False),
    (FieldType.INSTANT, "2026-01-31T13:34:56.789Z", "2026-01-31T12:34:56.789Z", None, True),
    (FieldType.TEXT, "Ada  LOVELACE", "ada Lovelace", "Grace", False),
    (FieldType.TEXT, "Ada Love", "Ada Lovelace", "Grace", False),
    (FieldType.TEXT, None, "Ada Lovelace", "Grace", True),
    (FieldType.BOOL, False, True, None, True),
    (FieldType.SET, ["a", "c"], ["a", "b"], None, False),
])  # fmt: skip
def test_what_a_vendor_may_make_of_a_value(kind, shown, sent, before, asked):
    """Rounded, coarser, tidied up or cut short is the vendor's own spelling; anything else is asked about."""
    assert asked == bool(_why_not_stored(kind, shown, sent, before))


async def test_a_hold_about_a_lost_value_closes_when_it_is_kept(tmp_path):
    """Mended at the vendor, the next write of that field closes the question by itself."""
    clock, keeps = Watch(), []
    far = systems(clock, mail={"normalise": lambda path, value: "Ada" if path == "name" and not keeps else value})
    async with opened(tmp_path, far=far) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada L")
        await world.work()
        assert ["not_stored"] == await world.asked()
        keeps.append(True)
        await edited(world, crm, name="Ada M")
        await world.work()

        assert ("Ada M", []) == (world.mail.records()[mail]["name"], await world.asked())


async def test_an_ignored_hold_does_not_come_back(tmp_path):
    """A person said to leave it: planned again without a change, it rests."""
    clock = Watch()
    far = systems(clock, mail={"normalise": lambda path, value: "Ada" if path == "name" else value})
    async with opened(tmp_path, far=far) as world:
        crm, _ = await world.linked()
        await edited(world, crm, name="Ada L")
        await world.work()
        await world.answer("ignore")
        await world.sync()

        assert ([], 1) == (await world.asked(), len(await world.holds(HoldState.IGNORED)))


async def test_what_arrived_of_a_doubtful_update_is_ours_though_somebody_edited_since(tmp_path):
    """The answer was lost and a person edited another field: what the vendor cut short of our words is no edit, and the person's is taken over."""
    clock = Watch()
    far = systems(clock, mail={"normalise": lambda path, value: value[:8] if path == "name" and value else value})
    async with opened(tmp_path, far=far) as world:
        crm, mail = await world.linked()
        await edited(world, crm, name="Ada Lovelace", tags=["one"])
        world.mail.faults.add(FaultKind.TIMEOUT_AFTER, "update")
        await world.write(MAIL)
        world.mail.edit_as_user(mail, {"tags": ["one", "two"]})
        world.later(60)
        await world.work()
        await world.sync()

        assert ("Ada Lovelace", ["one", "two"]) == tuple(world.crm.records()[crm][path] for path in ("name", "tags"))
        assert ("Ada Love", ["one", "two"]) == tuple(world.mail.records()[mail][path] for path in ("name", "tags"))
        assert ([], 2) == (await world.asked(), (await world.told()).count("write.done"))
