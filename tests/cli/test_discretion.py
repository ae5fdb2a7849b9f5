"""What a log line may say, whoever logs it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from syncd.cli.discretion import LOGGABLE, Discretion, impersonal

ROOT = Path(__file__).resolve().parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}

SCRIPT = """
import asyncio, logging
from syncd.cli.logs import LogFormat, set_up_logs
from syncd.config import LogLevel
log = set_up_logs(LogLevel.DEBUG, {form})
log.info("write.delivered", link=3, name="Canary Jane", said="ok\\n{{\\"event\\": \\"forged\\"}}\\x1b[2J\\u202e")
log.info("write.delivered", link=4, name="Canary Jane")
log.warning("write.failed", error='octopus says "Canary" is no name; canary@example.com, +1 201-555-0123; https://x.example/a?token=canary')
logging.getLogger("asyncio").error("Task exception was never retrieved: ValueError('canary')")
logging.getLogger("aiohttp.server").error("GET https://x.example/hooks/ghl?secret=canary")
try:
    secret = "canary"
    raise KeyError(secret)
except KeyError:
    log.exception("engine.failed")
try:
    int("canary")
except ValueError as error:
    logging.getLogger("aiohttp.server").exception("Error handling request")
"""


@pytest.mark.parametrize("form", ["JSON", "CONSOLE"])
def test_no_line_tells_what_a_record_holds(form: str) -> None:
    """Not a key that nobody allowed, a quoted word, an address, a query, the message of an exception, nor anything of a library's."""
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(form=f"LogFormat.{form}")], capture_output=True, text=True, timeout=60, check=True)

    assert "canary" not in done.stderr.lower().replace('secret = "canary"', "").replace('int("canary")', "")
    assert "201-555" not in done.stderr
    assert "KeyError" in done.stderr
    assert "ValueError" in done.stderr
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr.replace("\\u202e", "") or form == "JSON"


def test_one_event_is_one_line() -> None:
    """Whatever it says, it forges no other; and the same hidden value has the same mark."""
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(form="LogFormat.JSON")], capture_output=True, text=True, timeout=60, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]

    assert 7 == len(lines)
    assert "forged" not in {line["event"] for line in lines}
    assert lines[0]["name"] == lines[1]["name"]
    assert lines[0]["name"].startswith("hidden:")


def test_every_key_that_is_logged_is_allowed() -> None:
    """A new key is put on the list by somebody who thought about it; else its value is hidden where it matters."""
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {keyword.arg}"
        for path in sorted((ROOT / "syncd").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _is_log(node)
        for keyword in node.keywords
        if keyword.arg not in (None, "exc_info") and keyword.arg not in LOGGABLE
    ]

    assert [] == missing


def _is_log(call: ast.Call) -> bool:
    """Whether this is a line of ours: `….log.warning("event", …)`."""
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr not in LEVELS:
        return False
    owner = function.value
    name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return name.strip("_") == "log"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ghl answered 422: name 'Ada' is too long", "ghl answered 422: name … is too long"),
        ('{"email": "ada@example.com"}', "{…: …}"),
        ("ada.l+x@example.com, too", "…, too"),
        ("call 201-555-0123 or +44 20 7946 0000", "call … or …"),
        ("the vendor's clock isn't ours", "the vendor's clock isn't ours"),
        ("GET https://x.example/a/b?c=d&e=f failed", "GET https://x.example/a/b?… failed"),
        ("after 12 attempts, 3,400 s, run 12345678", "after 12 attempts, 3,400 s, run …"),
    ],
)
def test_what_is_left_of_a_text(text: str, told: str) -> None:
    """Enough to know what went wrong, nothing of whom."""
    assert told == impersonal(text)


def test_hashes_differ_between_processes() -> None:
    """Nobody can look a value up by its mark."""
    assert Discretion().hidden("Ada") != Discretion().hidden("Ada")
