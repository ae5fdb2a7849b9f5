"""`syncd discover`: what a system has today."""

from __future__ import annotations

from tests.cli.world import World


def test_custom_fields_as_the_configuration_names_them(world: World) -> None:
    """Custom fields come with the paths that a field's row takes, with what they accept and whether they may be written."""
    result = world.here("discover", "ghl", "--json")
    plan = result.json["contacts"]["custom.plan"]

    assert 0 == result.code
    assert {"choice", True} == {plan["type"], plan["writable"]}
    assert "platinum" in plan["options"]
    assert "custom.plan" in world.here("discover", "ghl").out


def test_every_list_field(world: World) -> None:
    """The other vendor's fields are told in the same way."""
    (fields,) = world.here("discover", "octopus", "--json").json.values()

    assert {"email_address", "fields.FirstName", "fields.Plan", "tags"} <= fields.keys()


def test_what_polls_cannot_see(world: World) -> None:
    """It is said beneath the fields."""
    assert "A deletion shows by its webhook, or by absence from a complete pass." in world.here("discover", "octopus").out


def test_a_system_nobody_configured(world: World) -> None:
    """The message names those there are."""
    result = world.here("discover", "octopuss")

    assert 1 == result.code
    assert "ghl, octopus" in result.err
