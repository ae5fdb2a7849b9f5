"""The command line as a whole: help, version, wrong usage."""

from __future__ import annotations

import pytest

import syncd
from tests.cli.world import World

COMMANDS = ["init", "check", "plan", "run", "reconcile", "status", "explain", "events", "holds", "failures", "resume", "call", "auth", "doctor", "import", "export"]


def test_help_says_what_there_is(looked: World) -> None:
    """Every command stands in the help, in groups, with the way to begin."""
    result = looked.here("--help")

    assert 0 == result.code
    assert [] == [command for command in COMMANDS if f" {command} " not in result.out]
    assert [] == [group for group in ("Set up", "Work", "Look", "Answer") if group not in result.out]
    assert "syncd init" in result.out


@pytest.mark.parametrize(
    "command", [*([each] for each in COMMANDS), *(["holds", each] for each in ("list", "approve", "pick", "ignore")),
                *(["failures", each] for each in ("list", "retry", "skip")), ["holds", "revert"], ["bridge", "guide"]], ids=" ".join
)
def test_every_command_has_an_example(command: list[str], looked: World) -> None:
    """Its help ends with a line that can be copied, and knows --json."""
    result = looked.here(*command, "--help")

    assert 0 == result.code
    assert f"Example: syncd {' '.join(command)}" in " ".join(result.out.split())
    assert "--json" in result.out


def test_version(looked: World) -> None:
    """The version, and nothing else."""
    assert (0, f"syncd {syncd.__version__}\n") == (looked.here("--version").code, looked.here("--version").out)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["status", "--nonsense"], ["explain"], ["holds", "approve"], ["holds", "-c", "x", "list"], ["events", "--limit", "-1"]],
    ids=" ".join,
)
def test_wrong_usage_is_code_2(arguments: list[str], looked: World) -> None:
    """Wrong usage says what is wrong on standard error, and nothing on standard output."""
    result = looked.here(*arguments)

    assert (2, "") == (result.code, result.out)
    assert "Error" in result.err


@pytest.mark.parametrize("command", [["status"], ["run"], ["check"], ["plan"], ["reconcile"], ["holds"], ["failures"], ["events"]], ids=" ".join)
def test_a_missing_configuration_is_code_3(command: list[str], looked: World) -> None:
    """Every command that needs a configuration says so in the same way."""
    # `run` sets the log up, which is for a process of its own.
    result = (looked.syncd if command == ["run"] else looked.here)(*command, "-c", "nowhere.toml")

    assert (3, "") == (result.code, result.out)
    assert "nowhere.toml" in result.err
    assert "syncd init" in result.err
    assert "Traceback" not in result.err


def test_no_colour_off_a_terminal(looked: World) -> None:
    """A pipe gets text alone."""
    assert "\x1b" not in looked.here("status").out + looked.here("holds").out
