"""`syncd resume`."""

from __future__ import annotations

from tests.cli.world import World, wait_for


def test_a_paused_system_goes_on(world: World) -> None:
    """A refused credential pauses one system, the status says so and what to do; resumed, it is used again."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    with world.daemon() as daemon:
        world.do(lambda sandbox: sandbox.ghl.faults.add("*", "unauthorized", count=1))
        wait_for(lambda: daemon.said("system.paused"))
        status = world.here("status").out
        result = world.syncd("resume", "ghl")
        wait_for(lambda: daemon.said("system.resumed"))

        assert "PAUSED" in status
        assert "next: ghl is paused; mend its credential, then `syncd resume ghl`" in status
        assert (0, "ghl is used again\n") == (result.code, result.out)
        assert 0 == world.syncd("reconcile").code


def test_without_a_daemon(looked: World) -> None:
    """It is said to be used again, for whoever starts next."""
    assert {"said": "ghl is used again"} == looked.syncd("resume", "ghl", "--json").json


def test_a_system_that_is_not_there(looked: World) -> None:
    """A typo gets its suggestion."""
    result = looked.syncd("resume", "octopuss")

    assert 1 == result.code
    assert "did you mean `octopus`" in result.err
