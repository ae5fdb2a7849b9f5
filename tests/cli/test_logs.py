"""The form of log lines, for our events and for the libraries'."""

from __future__ import annotations

import json
import subprocess
import sys

SCRIPT = """
import logging, warnings
from syncd.cli.logs import LogFormat, set_up_logs
from syncd.config import LogLevel
log = set_up_logs(LogLevel.INFO, {form})
log.debug("not.shown")
log.info("write.delivered", link=3, said="\\x1b]0;title\\x07")
logging.getLogger("aiohttp.server").error("Error handling request")
logging.getLogger("asyncio").debug("Using selector")
warnings.warn("old")
try:
    very_secret = "hunter2"
    1 / 0
except ZeroDivisionError:
    log.exception("engine.failed")
"""


CRASH = """
from syncd.cli.logs import LogFormat, set_up_logs
from syncd.config import LogLevel
set_up_logs(LogLevel.ERROR, LogFormat.JSON)
raise ExceptionGroup("many", [ValueError("one")])
"""


def run(form: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", SCRIPT.format(form=form)], capture_output=True, text=True, timeout=60, check=True)

    assert "" == done.stdout
    return done.stderr.splitlines()


def test_json_lines() -> None:
    """Every line is one object, whoever logged it; an exception is told without its local variables."""
    lines = [json.loads(line) for line in run("LogFormat.JSON")]

    assert ["write.delivered", "Error handling request", "engine.failed"] == [line["event"] for line in lines if line.get("logger") != "py.warnings"]
    assert {"timestamp", "level", "event"} <= set.intersection(*(set(line) for line in lines))
    assert "aiohttp.server" == lines[1]["logger"]
    assert ["info", "error", "warning", "error"] == [line["level"] for line in lines]
    assert "ZeroDivisionError" in lines[-1]["exception"]
    assert "hunter2" not in lines[-1]["exception"].replace('very_secret = "hunter2"', "")


def test_json_off_a_terminal() -> None:
    """Where nobody says, a pipe gets JSON."""
    assert run("None")[0].startswith("{")


def test_plain_lines_are_harmless() -> None:
    """For a person: time, level, event, keys; a value moves no cursor and sets no title."""
    [first, *_] = run("LogFormat.CONSOLE")

    assert first.endswith("info    write.delivered  link=3 said=]0;title")


def test_a_crash_is_one_line_too() -> None:
    """What ends the process is found in the log, whole, in the form of the rest."""
    done = subprocess.run([sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=60, check=False)
    [line] = [json.loads(line) for line in done.stderr.splitlines()]

    assert (1, "process.crashed", "critical") == (done.returncode, line["event"], line["level"])
    assert "ValueError: one" in line["exception"]
