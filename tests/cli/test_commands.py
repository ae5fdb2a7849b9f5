"""The table of commands: that it says what the commands say, and that a command loads no other."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from typer.main import get_group

from syncd.cli.commands import TABLE, Row, load
from tests.cli.world import ROOT, World

LOADED = """
import sys
from syncd.__main__ import main
try:
    main()
except SystemExit:
    pass
sys.stderr.write(" ".join(sys.modules))
"""


def loaded_by(world: World, *arguments: str) -> set[str]:
    """The modules that a process has loaded when the command has ended."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], cwd=world.folder, env=world.environ(), capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_says_what_its_command_says(row: Row) -> None:
    """The line in the help of the program is the first of the command's own, and a command of that name is there."""
    command = load(row)

    assert row.name == command.name
    assert row.line == " ".join((command.help or "").partition("\n\n")[0].split())
    assert row.group == hasattr(command, "commands")


def test_every_command_has_a_row() -> None:
    """A command that nobody can call would be found by its tests alone."""
    files = {path.stem for path in Path(ROOT, "syncd", "cli").glob("*.py") if "\napp = typer.Typer(" in path.read_text() and path.stem != "__init__"}
    offered = {
        (stem, name)
        for stem in files
        for app in [import_module(f"syncd.cli.{stem}").app]
        for name in ([stem] if app.registered_callback or app.info.no_args_is_help is True else get_group(app).commands)
    }

    assert offered == {(row.module or row.name, row.name) for row in TABLE}


def test_the_help_loads_no_command(looked: World) -> None:
    """Neither the help nor the version needs a command, the configuration's models, or what commands work with."""
    for asked in ("--help", "--version"):
        loaded = loaded_by(looked, asked)

        assert {"syncd.cli.commands", "syncd.core.errors"} <= loaded
        assert set() == {f"syncd.cli.{row.module or row.name}" for row in TABLE} & loaded
        assert set() == {"syncd.config", "syncd.store.database", "syncd.flow", "pydantic", "aiohttp"} & loaded


@pytest.mark.parametrize("command", ["status", "events"])
def test_who_looks_loads_only_what_he_looks_at(command: str, looked: World) -> None:
    """No other command, no daemon, no emulated vendor, no vendor that the configuration does not name, and nothing that calls one."""
    loaded = loaded_by(looked, command)
    rooms = {".".join(name.split(".")[:2]) for name in loaded}

    assert {f"syncd.cli.{command}", "syncd.connectors.gohighlevel", "syncd.connectors.emailoctopus", "syncd.store.database"} <= loaded
    assert {f"syncd.cli.{command}"} == {f"syncd.cli.{row.module or row.name}" for row in TABLE} & loaded
    assert "syncd.sandbox" not in rooms
    assert set() == {"syncd.flow.daemon", "syncd.flow.assemble", "syncd.connectors.activetrail", "syncd.connectors.bridge"} & loaded
    assert set() == {"aiohttp", "structlog", "icalendar"} & loaded
    assert [] == [name for name in loaded if name.startswith("phonenumbers.data.region_")]


@pytest.mark.parametrize("command", ["check", "holds", "failures"])
def test_who_calls_no_vendor_loads_nothing_that_calls_one(command: str, looked: World) -> None:
    """What is asked of the configuration and the database alone needs neither HTTP nor a daemon, though the same command could have more done."""
    loaded = loaded_by(looked, command)

    assert f"syncd.cli.{command}" in loaded
    assert set() == {"aiohttp", "syncd.flow.daemon", "syncd.sandbox", "syncd.connectors.wire"} & loaded
