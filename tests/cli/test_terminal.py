"""What records hold reaches no terminal raw: a corpus of hostile names through every command that shows records."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import unicodedata
from contextlib import ExitStack
from typing import Any

import pytest

from tests.cli.world import World, make_world

HOSTILE = [
    "\x1b[2J\x1b[H wiped",
    "\x1b]0;title\x07",
    "\x1b]52;c;Y3VybCBldmls\x07 clipboard",
    "\x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x9b31m c1 \x90q\x9c",
    "Ada\u202egnp.exe",
    "\u2066iso\u2069 \u200fmark\u200e",
    "zero\u200bwidth\ufeff",
    "line\nforged  #1  contacts link 1  all is well",
    "back\b\b\bspace\rreturn\x00",
    "para\u2028graph\u2029",
    "[bold red]markup[/bold red] {template} %s",
    '=HYPERLINK("https://evil.example")',
]
ALLOWED = {"\n"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A world whose people are called so, synced, with one edit, one failure and one question."""
    with ExitStack() as stack:
        world = make_world(tmp_path_factory.mktemp("hostile"), stack, 6)
        world.edit_config('first_run = "review"', 'first_run = "auto"')

        def fill(sandbox: Any) -> None:
            for number, name in enumerate(HOSTILE):
                fields = {"email": f"h{number}@example.com", "firstName": name, "lastName": name, "tags": [name], "source": name}
                sandbox.ghl.create_as_user(fields)
            sandbox.octopus.faults.add("create-contact", "error_before", count=1, status=422, message=HOSTILE[0])

        world.do(fill)
        world.syncd("reconcile")
        first = next(each for each in world.do(lambda sandbox: sandbox.ghl.contacts()) if each["email"] == "h1@example.com")
        world.do(lambda sandbox: sandbox.ghl.edit_as_user(first["id"], {"firstName": HOSTILE[3]}))
        world.syncd("reconcile")
        yield world


def raw(text: str) -> list[str]:
    """Characters that a terminal obeys or hides."""
    return sorted({
        f"U+{ord(each):04X}"
        for each in text
        if each not in ALLOWED and (unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}) and each not in "\u200c\u200d"
    })


COMMANDS = [
    ("status",),
    ("events", "--limit", "500"),
    ("explain", "h0@example.com"),
    ("explain", "h5@example.com"),
    ("holds",),
    ("failures",),
    ("runs",),
    ("runs", "1"),
    ("undo", "--from", "1"),
    ("undo", "--since", "1h"),
    ("alerts",),
]


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["plain", "json"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_raw(hostile: World, command: tuple[str, ...], form: tuple[str, ...]) -> None:
    """Not from a name, a tag, or what a vendor said."""
    result = hostile.here(*command, *form)

    assert 0 == result.code, result.err
    assert [] == raw(result.out + result.err)


@pytest.mark.parametrize("command", [("plan", "--all"), ("audit",)], ids=" ".join)
def test_nothing_raw_from_those_that_ask_vendors(hostile: World, command: tuple[str, ...]) -> None:
    """The same of commands that list everything."""
    result = hostile.syncd(*command)

    assert result.code in (0, 6), result.err
    assert [] == raw(result.out + result.err)


def test_no_line_is_forged(hostile: World) -> None:
    """A line break in a name begins no line of ours."""
    lines = hostile.here("events", "--limit", "500").out.splitlines()

    assert not [line for line in lines if line.startswith("forged")]


def test_on_a_terminal(hostile: World) -> None:
    """Where there is one, with colours and all: only the sequences that we write ourselves."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "syncd", "explain", "h0@example.com"]
    done = subprocess.Popen(command, cwd=hostile.folder, env=hostile.environ(TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
    except OSError:
        pass  # The other end is closed.
    os.close(ours)
    done.wait(60)

    assert b"wiped" in shown
    assert b"\x1b[2J" not in shown
    assert b"\x1b]" not in shown
