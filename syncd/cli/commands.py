"""Which commands there are, and where each is to be found: a command's file is loaded when somebody asks for it, and no other.

`TABLE` names each command, the line that tells of it, and its module; the help of the whole program needs no more. `Commands` is the group
that typer makes of it.
The rule that keeps it true: a row says of its command what the command says of itself (a test loads them all), and nothing but this table
imports a command.
It must not know: what any command does.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

SET_UP: Final = "Set up"
WORK: Final = "Work"
LOOK: Final = "Look"
ANSWER: Final = "Answer"
TRY: Final = "Try"


@dataclass(frozen=True, slots=True)
class Row:
    """A command: its name, the panel of the help it stands in, what it does in a line, and where it is if not in the module of its name.

    A group has commands of its own.
    """

    name: str
    panel: str
    line: str
    module: str = ""
    group: bool = False


# The order is the order of `syncd --help`.
TABLE: Final = (
    Row("init", SET_UP, "Write a first, commented configuration, or add a ready automation to one."),
    Row("check", SET_UP, "Say everything that is wrong with the configuration."),
    Row("auth", SET_UP, "Let syncd into a system by OAuth: you agree in a browser, and the tokens are kept, sealed with the key of the database."),
    Row("doctor", SET_UP, "Examine every system, the database and this machine; nothing is changed at any vendor."),
    Row("discover", SET_UP, "List what a system has today: collections and their fields, custom ones included, and what else can be named."),
    Row("plan", SET_UP, "Show exactly what would be written, without writing anything anywhere."),
    Row("apply", SET_UP, "Write exactly what a kept plan says, or refuse and name everything that has moved since."),
    Row("run", WORK, "Keep everything equal until stopped."),
    Row("reconcile", WORK, "Look at every record now, and make everything equal."),
    Row("call", WORK, "Call any operation of a vendor by its name."),
    Row("import", WORK, "Take in a file that a system without an API exported: it seeds, and it proves what is still so.", module="import_"),
    Row("export", WORK, "Write all that is kept of one person as JSON; or the records that a system still lacks, for its own importer."),
    Row("backup", WORK, "Write a backup of all that syncd knows, while it runs."),
    Row("restore", WORK, "Put a backup back. The daemon then reads everything anew before it writes anything.", module="backup"),
    Row("status", LOOK, "Show how things stand: systems, collections, links, writes, holds, failures."),
    Row("explain", LOOK, "Tell why a record is what it is: each field's value, whose it was, by which rule, what lost, and the story so far."),
    Row("events", LOOK, "Show what was decided and written, oldest first; with --json one object a line."),
    Row("metrics", LOOK, "Print how things stand as Prometheus metrics: quotas, ages, writes, holds, outcomes, automations."),
    Row("runs", LOOK, "List the runs: when, what came of them, what was written; or tell what one did."),
    Row("undo", ANSWER, "Put back what a run or a stretch of time did."),
    Row("holds", ANSWER, "List the decisions that wait for you, or answer them (approve, pick, revert, ignore).", group=True),
    Row("failures", ANSWER, "List the writes that failed for good, or answer them (retry, skip).", group=True),
    Row("automations", LOOK, "List what is automated and what came of it, look at runs, or answer them (pause, resume, retry, skip, give-up).", group=True),
    Row("alerts", LOOK, "List what needs you now and who was told of it, or try whether telling works (test).", group=True),
    Row("audit", LOOK, "Compare everything with everything now, and name each difference that nothing explains (or verify the journal).", group=True),
    Row("bridge", SET_UP, "The flows that a system without an API needs.", group=True),
    Row("key", SET_UP, "The key that seals the database.", group=True),
    Row("resume", ANSWER, "Use a paused system again."),
    Row("forget", ANSWER, "Erase everything that is kept of one person, and never take them in again."),
    Row("demo", TRY, "See syncd at work between two emulated vendors, on this machine alone."),
    Row("sandbox", TRY, "Run emulated GoHighLevel and EmailOctopus accounts on this machine."),
)


def load(row: Row) -> TyperCommand | TyperGroup:
    """The command itself, of its module."""
    module = import_module(f"syncd.cli.{row.module or row.name}")
    around = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="rich")
    around.add_typer(module.app, name=row.name if row.group else None)
    found = get_group(around).commands[row.name]
    assert isinstance(found, TyperCommand | TyperGroup)
    return found


class Commands(TyperGroup):
    """The commands of the table: told of by their rows, and loaded when one is chosen."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._rows = {row.name: row for row in TABLE}
        for row in TABLE:
            self.add_command(TyperCommand(row.name, help=row.line, rich_help_panel=row.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first argument names, what is meant by it, and the arguments left over."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found and load(self._rows[name or ""]), rest
