"""Absence and deletion: a missing row is no deletion, a deletion follows the policy, and an edit is worth more than either."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.core.outcome import HoldKind
from syncd.sandbox import FaultKind, Operation
from tests.e2e.world import World

# Every pass is a complete one, so that absence is noticed without a webhook.
COMPLETE = {"full_pass": '"200ms"'}
WIDE = '{ delete_grace = "500ms", deletes = { number = 100 } }'


@pytest.mark.parametrize(
    ("kind", "count", "reasons"),
    [
        pytest.param(FaultKind.EMPTY_LISTING, 8, ("is empty where 8 records are known",), id="empty"),
        # More than one page of GoHighLevel's, which are of 500, and far more than one of EmailOctopus's, which are of 100.
        pytest.param(FaultKind.TRUNCATED_LISTING, 760, ("of 760 known records", "where the vendor counts"), id="truncated"),
    ],
)
async def test_a_faulty_listing_deletes_nothing(tmp_path: Path, kind: FaultKind, count: int, reasons: tuple[str, ...]) -> None:
    """A complete pass that lists nothing, or only its first page, deletes nothing and is held with the reason; when the listings
    are whole again the holds close by themselves and edits travel as before."""
    async with World.open(tmp_path, daemon=COMPLETE) as world:
        people = world.settle_many(count)
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            world.sandbox.ghl.faults.add("search-contacts", kind, probability=1.0)
            world.sandbox.octopus.faults.add("list-contacts", kind, probability=1.0)
            await world.until(lambda: len(world.holds(HoldKind.LISTING)) == 2, "both listings are held")
            said = sorted(held.reason for held in world.holds(HoldKind.LISTING))
            await world.cycles(4)

            assert world.writes(begin) == []

            world.sandbox.ghl.faults.clear()
            world.sandbox.octopus.faults.clear()
            await world.until(lambda: not world.holds(), "the holds close by themselves")
            world.sandbox.ghl.edit_as_user(people[0].ghl, {"firstName": "After"})
            await world.converge()

    assert [each.partition("/")[0] for each in said] == ["ghl", "octopus"]
    assert [each for each in said if not any(reason in each for reason in reasons)] == []
    assert [entry.operation for entry in world.writes(begin)] == [Operation.UPDATE]


async def test_a_page_left_out_deletes_nothing(tmp_path: Path) -> None:
    """A few rows missing from a listing, less than would make it unbelievable, are asked for by id, and are there."""
    async with World.open(tmp_path, daemon={**COMPLETE, "poll_max": '"500ms"'}) as world:
        world.settle_many(350)
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            world.sandbox.octopus.stats.reset()
            # One page of the subscribed, of four.
            world.sandbox.octopus.faults.add("list-contacts", FaultKind.PAGE_SKIP, probability=0.2)
            asked = world.sandbox.octopus.stats
            await world.until(lambda: asked.requests["get-contact"] >= 50, "the missing are asked for")
            world.sandbox.octopus.faults.clear()
            await world.cycles(3)

    assert world.writes(begin) == []


@pytest.mark.parametrize(
    ("policy", "webhooks"),
    [("archive", True), ("archive", False), ("propagate", True), ("unlink", True), ("review", True)],
)
async def test_a_true_deletion_follows_the_policy(tmp_path: Path, policy: str, webhooks: bool) -> None:
    """Somebody deleted in GoHighLevel is unsubscribed (archive), deleted (propagate) or left alone (unlink, review) in EmailOctopus;
    review asks. Nobody else is touched, and nobody comes back. Without webhooks a complete pass notices it."""
    daemon = {} if webhooks else COMPLETE
    sync = {"delete": f'"{policy}"', "guards": WIDE}
    async with World.open(tmp_path, daemon=daemon, sync=sync, webhooks=webhooks) as world:
        gone, *_ = world.settle_many(6)
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            world.sandbox.ghl.delete_as_user(gone.ghl)
            if policy == "archive":
                await world.until(lambda: world.octopus(gone.octopus)["status"] == "unsubscribed", "the archived is unsubscribed")
            elif policy == "propagate":
                await world.until(lambda: not world.octopus_by_email(gone.email), "the deletion is carried over")
            elif policy == "unlink":
                # The grace period passes, and then some.
                await world.seconds(1.5)
            else:
                [held] = await world.held(HoldKind.DELETE)
                await world.cycles(4)

                assert world.writes(begin) == []

                await world.answer(held, "approve")
                await world.until(lambda: world.octopus(gone.octopus)["status"] == "unsubscribed", "what was approved is done")
            await world.cycles(5)
            writes, left = world.writes(begin), world.holds()

    expected = {"archive": ["update"], "propagate": ["delete"], "unlink": [], "review": ["update"]}[policy]

    assert [entry.operation for entry in writes] == expected
    assert {entry.id for entry in writes} <= {gone.octopus}
    assert world.ghl_by_email(gone.email) == []
    assert left == []


async def test_the_archived_is_never_subscribed_again(tmp_path: Path) -> None:
    """Somebody unsubscribed because they were deleted elsewhere stays unsubscribed, even when their record is edited or made again."""
    async with World.open(tmp_path, sync={"guards": WIDE}) as world:
        gone, other = world.settle(), world.settle()
        async with world.daemon():
            await world.converge()
            world.sandbox.ghl.delete_as_user(gone.ghl)
            await world.until(lambda: world.octopus(gone.octopus)["status"] == "unsubscribed", "the archived is unsubscribed")
            world.sandbox.octopus.edit_as_user(gone.octopus, {"FirstName": "Edited"})
            world.sandbox.ghl.create_as_user({"email": gone.email, "firstName": "Made Again"})
            world.sandbox.ghl.edit_as_user(other.ghl, {"firstName": "Other"})
            await world.until(lambda: world.octopus(other.octopus)["fields"]["FirstName"] == "Other", "others go on")
            await world.cycles(4)

    assert world.octopus(gone.octopus)["status"] == "unsubscribed"


async def test_a_deletion_in_emailoctopus_leaves_gohighlevel_whole(tmp_path: Path) -> None:
    """GoHighLevel has no archive here, so somebody deleted in EmailOctopus stays as they are there, and are not made again."""
    async with World.open(tmp_path, sync={"guards": WIDE}) as world:
        gone, *others = world.settle_many(4)
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            world.sandbox.octopus.delete_as_user(gone.octopus)
            world.sandbox.octopus.edit_as_user(others[0].octopus, {"FirstName": "Other"})
            await world.until(lambda: world.ghl(others[0].ghl)["firstName"] == "Other", "others go on")
            await world.cycles(5)
            writes = world.writes(begin)

    assert [entry.id for entry in writes] == [others[0].ghl]
    assert len(world.ghl_by_email(gone.email)) == 1
    assert world.octopus_by_email(gone.email) == []


async def test_an_edit_is_worth_more_than_a_deletion(tmp_path: Path) -> None:
    """Deleted here and edited there at the same time: the edit wins, and the record is made again here."""
    async with World.open(tmp_path, sync={"delete": '"propagate"', "guards": WIDE}) as world:
        here, there, *_ = world.settle_many(4)
        async with world.daemon():
            await world.converge()
            world.sandbox.ghl.delete_as_user(here.ghl)
            world.sandbox.octopus.edit_as_user(here.octopus, {"FirstName": "Edited"})
            world.sandbox.octopus.delete_as_user(there.octopus)
            world.sandbox.ghl.edit_as_user(there.ghl, {"firstName": "Edited"})
            await world.until(lambda: world.ghl_by_email(here.email), "the record is made again in GoHighLevel")
            await world.until(lambda: world.octopus_by_email(there.email), "the record is made again in EmailOctopus")
            await world.converge()

    assert [row["firstName"] for row in world.ghl_by_email(here.email)] == ["Edited"]
    assert [row["fields"]["FirstName"] for row in world.octopus_by_email(there.email)] == ["Edited"]


async def test_a_merge_is_held_and_relinked_when_approved(tmp_path: Path) -> None:
    """A record that is gone while its keys live on in another was merged: nothing is archived; a person approves the relink, and
    the survivor is then kept equal."""
    async with World.open(tmp_path, sync={"guards": WIDE}) as world:
        merged, *_ = world.settle_many(4)
        survivor = world.sandbox.ghl.seed({"firstName": "No", "lastName": "Address"})
        async with world.daemon():
            await world.converge()
            begin = world.mark()
            world.sandbox.ghl.delete_as_user(merged.ghl)
            world.sandbox.ghl.edit_as_user(survivor["id"], {"email": merged.email, "phone": merged.person.phone})
            [held] = await world.held(HoldKind.MERGE)
            await world.cycles(3)

            assert world.writes(begin) == []
            assert world.octopus(merged.octopus)["status"] == "subscribed"

            await world.answer(held, "approve")
            await world.converge()
            world.sandbox.octopus.edit_as_user(merged.octopus, {"FirstName": "Relinked"})
            await world.converge()
            left = world.holds()

    assert world.ghl(survivor["id"])["firstName"] == "Relinked"
    assert world.octopus(merged.octopus)["status"] == "subscribed"
    assert left == []
