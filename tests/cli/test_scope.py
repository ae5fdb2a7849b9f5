"""A configuration that covers less, or other things, than before: what it leaves is left alone, never deleted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.cli.world import World


@pytest.fixture
def agreed(world: World) -> World:
    """A world in which everything was made equal."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert 0 == world.syncd("reconcile").code
    return world


def octopus(world: World, list_id: str | None = None) -> dict[str, Mapping[str, object]]:
    found = world.do(lambda sandbox: sandbox.octopus.contacts(list_id=list_id))
    return {each["id"]: {name: each[name] for name in ("email_address", "fields", "tags", "status")} for each in found}


def ghl(world: World) -> dict[str, tuple[object, ...]]:
    return {each["id"]: (each["email"], each["firstName"], each.get("tags")) for each in world.do(lambda sandbox: sandbox.ghl.contacts())}


def test_another_list(agreed: World) -> None:
    """The links let go of the old list's contacts, which stay as they are; the same people are made or found in the new one."""
    old = agreed.do(lambda sandbox: sandbox.octopus.list_id)
    new = agreed.do(lambda sandbox: sandbox.octopus.add_list("Another"))
    there, before = octopus(agreed, old), ghl(agreed)
    agreed.edit_config(f'list = "{old}"', f'list = "{new}"')
    result = agreed.syncd("reconcile")
    linked = {each["email_address"].lower() for each in octopus(agreed, new).values()}

    assert 0 == result.code
    assert "member.moved" in result.err
    assert (there, before) == (octopus(agreed, old), ghl(agreed))
    assert linked
    assert linked <= {str(email).lower() for email, *_ in before.values()}
    assert 0 == agreed.syncd("reconcile").code
    assert len(linked) == len(octopus(agreed, new))


def test_a_narrower_condition(agreed: World) -> None:
    """Records that `when` no longer admits stay as they are on every side, and what is linked goes on being kept equal."""
    there, before = octopus(agreed), ghl(agreed)
    agreed.edit_config('when = { field = "email", op = "exists" }', 'when = { field = "plan", op = "eq", value = "gold" }')
    result = agreed.syncd("reconcile")

    assert 0 == result.code
    assert (there, before) == (octopus(agreed), ghl(agreed))
