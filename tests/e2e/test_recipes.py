"""Every recipe, as it comes, through the real daemon between emulated vendors: create, update, delete or what stands in for it, both ways.

What is done and what must come of it is said by the demo's scenes, which are judged by the vendors' own truth; here it is made sure that each
scene does all of that, and that it ends well.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd import recipes
from syncd.cli.demo_places import EO, GHL, GHL_CONTACTS, HATS, TRAIL
from syncd.cli.demo_recipe import Shown, Stage, opened, perform
from syncd.cli.demo_scenes import SCENES
from syncd.cli.demo_story import Teller
from syncd.sandbox import Actor, Operation

OTHER = {"ghl-emailoctopus": EO, "activetrail-ghl-users": TRAIL}
BOTH_WAYS = {(deed, side) for deed in ("create", "update", "delete") for side in ("here", "there")}
# Nobody unsubscribes, deletes or writes to a person there because of a sync.
NEVER = {"send-message", "delete-contact", "delete-user", "create-user", "create-invoice", "add-inbound-message"}


def test_every_recipe_has_a_scene() -> None:
    """A recipe that nobody has seen work is none."""
    assert {each.name for each in recipes.list_recipes()} == SCENES.keys()


@pytest.mark.parametrize("name", sorted(SCENES))
async def test_a_recipe(name: str, tmp_path: Path) -> None:
    """Each edit arrives, in both directions; nothing is deleted or sent by the sync; then nothing more is written."""
    shown = Shown(recipe=name)
    async with opened(SCENES[name], name, tmp_path) as stage:
        await perform(stage, shown, Teller(as_json=True))

    assert [] == shown.differences
    assert 0 == shown.writes_at_rest
    other = OTHER.get(name, HATS)
    done = {(step.deed, {GHL: "here", other: "there"}[step.system]) for step in shown.steps}
    assert BOTH_WAYS <= done
    assert [] == [entry for vendor in stage.sandbox.vendors for entry in vendor.truth.since() if entry.actor is Actor.API and entry.operation is Operation.DELETE]
    assert not NEVER & _asked(stage)
    emails = [row["email"] for row in GHL_CONTACTS.rows(stage.sandbox)]
    assert len(emails) == len(set(emails))


def _asked(stage: Stage) -> set[str]:
    return {operation for vendor in stage.sandbox.vendors for operation, count in vendor.stats.requests.items() if count}
