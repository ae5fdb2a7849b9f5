"""Three systems around one contact: whatever is done on any of them arrives on the others once, and a lame one holds up nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.sandbox import ActiveTrailOptions, FaultKind, Operation
from tests.e2e.daemon import Daemon
from tests.e2e.trio import IMPORTS, SIDES, Trio

NAMES = ("Ada", "Bo", "Cy")


async def test_edits_on_all_three_at_once(tmp_path: Path) -> None:
    """Different fields all arrive everywhere; of one field that all three edited the source of truth's value does; sets merge
    element by element, with groups for tags; and then nothing is written any more."""
    async with Trio.open(tmp_path, sync={"conflict": '"source_of_truth"'}) as trio:
        for name in ("Ada", "Bo", "Cy"):
            trio.settle(name, plan="gold", tags=["customer", "vip"])
        begin = trio.mark()
        async with trio.daemon():
            await trio.converge()

            assert trio.writes(begin) == []

            trio.edit("ghl", "Ada", first="Adele")
            trio.edit("octopus", "Ada", last="Lovelace")
            trio.edit("trail", "Ada", plan="silver")
            trio.edit("ghl", "Bo", last="From Ghl")
            trio.edit("octopus", "Bo", last="From Octopus")
            trio.edit("trail", "Bo", last="From Trail")
            trio.edit("ghl", "Cy", tags=["customer", "vip", "here"])
            trio.edit("octopus", "Cy", tags={"customer": False})
            trio.edit("trail", "Cy", tags=["customer", "vip", "there"])
            agreed = await trio.converge()
            rest = trio.mark()
            await trio.cycles(6)

    assert agreed["ada"] == ("Adele", "Lovelace", "silver", frozenset({"customer", "vip"}))
    assert agreed["bo"][1] == "From Ghl"
    assert agreed["cy"][3] == {"vip", "here", "there"}
    assert trio.writes(rest) == []


async def test_who_is_made_on_one_side_is_made_once_on_the_others(tmp_path: Path) -> None:
    """Wherever it is: one create on each of the other two, with tags and plan; none is left without, and none comes back."""
    async with Trio.open(tmp_path) as trio:
        trio.settle("Ada")
        async with trio.daemon():
            await trio.converge()
            begin = trio.mark()
            for side in SIDES:
                for number in range(3):
                    trio.make(side, f"{side}{number}", last="Comer", plan="free", tags=["vip", "fresh"])
            agreed = await trio.converge()
            made = [entry for entry in trio.writes(begin) if entry.operation is Operation.CREATE and entry.collection == "contacts"]

    assert {agreed[f"{side}2"] for side in SIDES} == {(f"{side}2", "Comer", "free", frozenset({"vip", "fresh"})) for side in SIDES}
    assert len(agreed) == 10
    assert len(made) == 18


async def test_who_is_made_on_all_three_at_once_is_one(tmp_path: Path) -> None:
    """The same person entered everywhere within a second is linked, never doubled."""
    async with Trio.open(tmp_path) as trio:
        trio.settle("Ada")
        async with trio.daemon():
            await trio.converge()
            for number, side in enumerate(SIDES):
                trio.make(side, "Same", tags=[f"tag{number}"])
            agreed = await trio.converge()

    assert agreed["same"][3] == {"tag0", "tag1", "tag2"}
    assert len(agreed) == 2


async def test_a_deletion_is_propagated(tmp_path: Path) -> None:
    """Who is deleted on one side, whichever, goes from the others, and from nowhere twice; who is edited elsewhere meanwhile stays."""
    async with Trio.open(tmp_path) as trio:
        for name in ("Ada", "Bo", "Cy", "Di", "Ed"):
            trio.settle(name)
        async with trio.daemon():
            await trio.converge()
            begin = trio.mark()
            for side, name in zip(SIDES, ("Bo", "Cy", "Di"), strict=True):
                trio.delete(side, name)
            await trio.until(lambda: sorted(trio.together()) == ["ada", "ed"], "the deletions arrive")
            await trio.converge()
            deleted = [entry for entry in trio.writes(begin) if entry.collection == "contacts"]
            trio.delete("trail", "Ed")
            trio.edit("octopus", "Ed", first="Edited")
            await trio.until(lambda: trio.together().get("ed", ("",))[0] == "Edited", "the edit brings it back")
            agreed = await trio.converge()

    assert len(deleted) == 6
    assert sorted(agreed) == ["ada", "ed"]


async def test_a_deletion_archives(tmp_path: Path) -> None:
    """With `archive` who is deleted in GoHighLevel is unsubscribed there and muted here, and stays."""
    async with Trio.open(tmp_path, sync={"delete": '"archive"'}, archive=True) as trio:
        for name in ("Ada", "Bo", "Cy", "Di"):
            trio.settle(name)
        async with trio.daemon():
            await trio.converge()
            octopus, trail = trio.id_of("octopus", "Bo"), trio.id_of("trail", "Bo")
            trio.delete("ghl", "Bo")
            await trio.until(lambda: row(trio, "octopus", octopus)["status"] == "unsubscribed", "it is unsubscribed")
            await trio.until(lambda: row(trio, "trail", trail)["is_do_not_mail"], "it is muted")
            rest = trio.mark()
            await trio.cycles(5)

    assert trio.writes(rest) == []
    assert sorted(trio.rows("ghl")) == ["ada", "cy", "di"]
    assert {entry["is_do_not_mail"] for entry in trio.sandbox.trail.contacts() if entry["id"] != trail} == {False}


def row(trio: Trio, side: str, contact_id: str) -> dict:
    """One contact as it truly is."""
    return next(each for each in trio.vendor(side).contacts() if str(each["id"]) == contact_id)


async def test_a_lame_member_holds_up_nobody(tmp_path: Path) -> None:
    """While one of three refuses every call, answers none, or does not know our token, the other two go on exchanging edits, and it
    catches up when it is well, with what was done on it meanwhile."""
    async with Trio.open(tmp_path) as trio:
        for name in NAMES:
            trio.settle(name, tags=["vip"])
        async with trio.daemon() as daemon:
            await trio.converge()
            for lame, how in (("octopus", "closed"), ("trail", "refusing"), ("ghl", "hanging")):
                await limp(trio, daemon, lame, how)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["refusing", "hanging", "closed"])
@pytest.mark.parametrize("lame", SIDES)
async def test_any_member_may_be_lame_in_any_way(tmp_path: Path, lame: str, how: str) -> None:
    """The same for each of the three and each way."""
    async with Trio.open(tmp_path) as trio:
        for name in NAMES:
            trio.settle(name, tags=["vip"])
        async with trio.daemon() as daemon:
            await trio.converge()
            await limp(trio, daemon, lame, how)


async def limp(trio: Trio, daemon: Daemon, lame: str, how: str) -> None:
    """One member is lame for a while. Where our token opens nothing, somebody is made meanwhile; elsewhere a create is in doubt for long."""
    one, other = (side for side in SIDES if side != lame)
    begin, token, told = trio.mark(), trio.vendor(lame).token, f"{lame} {how}"
    if how == "closed":
        trio.vendor(lame).token = "another-token-than-before"
        trio.make(one, f"{lame}-newcomer", tags=["vip"])
    elif how == "refusing":
        trio.vendor(lame).faults.add("*", FaultKind.ERROR_BEFORE, status=503, probability=1.0)
    else:
        trio.vendor(lame).faults.add("*", FaultKind.HANG_BEFORE, seconds=30.0, probability=1.0)
    trio.edit(one, "Ada", first=told)
    trio.edit(other, "Bo", last=told)
    trio.edit(lame, "Cy", last=told)
    await trio.until(lambda: trio.rows(other)["ada"][0] == told and trio.rows(one)["bo"][1] == told, "the two go on")
    trio.edit(one, "Ada", last="and on")
    await trio.until(lambda: trio.rows(other)["ada"][1] == "and on", "and on")
    await trio.cycles(2, sides=(one, other))

    assert trio.writes(begin, lame) == []

    trio.vendor(lame).faults.clear()
    if how == "closed":
        trio.vendor(lame).token = token
        daemon.reload()
    agreed = await trio.converge()

    assert (agreed["ada"][:2], agreed["bo"][1], agreed["cy"][1]) == ((told, "and on"), told, told)
    assert (f"{lame}-newcomer" in agreed) is (how == "closed")
    trio.edit(one, "Ada", last="")
    await trio.converge()


@pytest.mark.parametrize("fault", ["lost", "refused"])
async def test_many_are_made_in_one_call(tmp_path: Path, fault: str) -> None:
    """Where ActiveTrail may import, whoever is missing there is made in few calls: once each, also where the answer is lost after the
    import was carried out or the call is refused; one whom it does not take keeps nobody else out; the group for imports is shown to nobody."""
    options = ActiveTrailOptions(groups=("customer", "newsletter", "vip", IMPORTS))
    async with Trio.open(tmp_path, trail=options, settings="import_group = 1000004") as trio:
        names = [f"P{number}" for number in range(60)]
        for number, name in enumerate(names):
            trio.settle(name, "ghl", "octopus", tags=["vip"] if number % 2 else ["customer", "fresh"])
        if fault == "lost":
            trio.sandbox.trail.faults.add("import-contacts", FaultKind.RESET_AFTER)
        else:
            trio.sandbox.trail.faults.add("import-contacts", FaultKind.ERROR_BEFORE, status=400)
        begin = trio.mark()
        async with trio.daemon():
            agreed = await trio.converge()
            requests = trio.sandbox.trail.stats.requests

    assert sorted(agreed) == sorted(name.lower() for name in names)
    assert agreed["p0"][3] == {"customer", "fresh"}
    made = [entry for entry in trio.writes(begin, "trail") if entry.operation is Operation.CREATE and entry.collection == "contacts"]
    assert len(made) == 60
    assert trio.writes(begin, "ghl", "octopus") == []
    assert requests["create-contact"] == 0
    assert requests["import-contacts"] <= 12
