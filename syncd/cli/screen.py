"""The screen: data on standard output, messages on standard error.

The rule that keeps it true: everything shown passes through here, so nothing a record says can reach the terminal raw, and a pipe
gets whole lines without colour. It must not know: any command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from syncd.cli import redacting
from syncd.cli.text import as_json, safe
from syncd.core.errors import SyncdError, UserError
from syncd.core.record import Json

_PIPE_WIDTH = 10_000


def console(*, messages: bool = False) -> Console:
    """A console for data, or for messages. Rich itself honours NO_COLOR."""
    stream = sys.stderr if messages else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=messages, width=width, markup=False, highlight=False, emoji=False)


def show(text: str = "", *, style: str = "", indent: int = 0) -> None:
    """One line of data."""
    console().print(Text(" " * indent + safe(redacting.line(text)), style=style), soft_wrap=True)


def show_heading(text: str) -> None:
    """A line of data that begins something new."""
    console().print()
    show(text, style="bold")


def say(text: str, *, style: str = "") -> None:
    """One line for the person, not for the pipe."""
    console(messages=True).print(Text(safe(text), style=style), soft_wrap=True)


def show_rows(rows: Sequence[Sequence[str]], *, head: Sequence[str] = (), indent: int = 2) -> None:
    """Rows of data in columns."""
    table = Table(box=None, pad_edge=False, show_header=bool(head), header_style="bold", padding=(0, 2, 0, 0))
    for place in range(max((len(row) for row in (*rows, head)), default=0)):
        table.add_column(Text(head[place]) if place < len(head) else "", overflow="fold")
    for row in rows:
        table.add_row(*(Text(safe(redacting.line(cell))) for cell in row))
    out = console()
    with out.capture() as drawn:
        out.print(table)
    for line in drawn.get().split("\n")[:-1]:
        sys.stdout.write(f"{' ' * indent}{line.rstrip()}\n")


def show_json(value: Json, *, lines: bool = False) -> None:
    """A value as JSON; on one line of its own where `lines`."""
    sys.stdout.write(as_json(redacting.data(value), lines=lines) + "\n")
    if lines:
        sys.stdout.flush()


def show_text(text: str) -> None:
    """A text of our own, as it is."""
    sys.stdout.write(text)


def show_error(error: SyncdError) -> None:
    """An error as an operator needs it: what happened, every problem, what to do."""
    say(f"error: {error.message}", style="bold red")
    if isinstance(error, UserError):
        for problem in error.problems:
            say(f"  {problem}")
    if error.hint:
        say(f"hint: {error.hint}")


def on_terminal() -> bool:
    """Whether there is a person to ask and to show progress to."""
    return sys.stdin.isatty() and sys.stderr.isatty()
