"""`syncd run`."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.world import World, wait_for


def test_it_runs_until_told(world: World) -> None:
    """Ready once everything runs; SIGTERM ends it within five seconds with 0; standard output stays empty."""
    with world.daemon() as daemon:
        wait_for(lambda: world.here("status", "--json").json.get("holds", {}).get("first_run"))
        took_s = daemon.stop()

    assert (0, b"") == (daemon.process.returncode, daemon.out)
    assert took_s < 5
    assert daemon.said("daemon.stopped")


def test_its_log_is_json_lines(world: World) -> None:
    """Each line is one object with an ISO time, a level and a dotted event; the first is not indented, coloured or anything else."""
    with world.daemon() as daemon:
        daemon.stop()
    lines = daemon.lines()

    assert len(lines) == len(daemon.log.read_text().splitlines())
    assert {("timestamp", "level", "event")} == {tuple(line)[:3] for line in lines}
    assert UTC == datetime.fromisoformat(lines[0]["timestamp"]).tzinfo
    assert [] == [line["event"] for line in lines if "." not in line["event"]]


def test_no_secret_is_logged(world: World) -> None:
    """Neither token nor key nor anybody's address shows in the log, at any level."""
    world.edit_config("[daemon]", '[daemon]\nlog_level = "debug"')
    with world.daemon() as daemon:
        wait_for(lambda: daemon.said("links.planned"))
    log = daemon.log.read_text()

    assert (world.folder / "ghl-token").read_text().strip() not in log
    assert (world.folder / "octopus-key").read_text().strip() not in log
    assert "@example" not in log


def test_an_unknown_log_format_is_wrong_usage(world: World) -> None:
    """It is refused before anything starts, with the formats there are."""
    result = world.syncd("run", "--log-format", "nonsense")

    assert 2 == result.code
    assert "console" in result.err


def test_every_problem_is_said_and_code_is_3(world: World) -> None:
    """A configuration that cannot be used: all problems with their lines, no traceback, no database."""
    world.edit_config("poll_min", "pol_min")
    world.edit_config('match = ["email", "phone"]', 'match = ["email", "fone"]')
    result = world.syncd("run")

    assert (3, "") == (result.code, result.out)
    assert f"syncd.toml:{world.line('pol_min')}: daemon.pol_min" in result.err
    assert "did you mean `phone`" in result.err
    assert "Traceback" not in result.err
    assert not world.database.exists()


def test_a_second_daemon_is_refused(world: World) -> None:
    """Two would undo each other's work: the second says which process is the first."""
    with world.daemon() as daemon:
        result = world.syncd("run")

        assert 1 == result.code
        assert f"process {daemon.process.pid}" in result.err
        assert "Traceback" not in result.err


def test_a_bad_configuration_leaves_the_old_one_running(world: World) -> None:
    """SIGHUP over a broken file is refused in the log with the problems, and the daemon goes on."""
    with world.daemon() as daemon:
        world.edit_config("poll_min", "pol_min")
        daemon.process.send_signal(signal.SIGHUP)
        wait_for(lambda: daemon.said("reload.refused"))

        assert "pol_min" in str(daemon.said("reload.refused")[0]["problems"])
        assert daemon.process.poll() is None


def test_it_says_which_sqlite_it_runs_on(world: World) -> None:
    """At the start, and as a warning where that one has a fault that matters here."""
    with world.daemon() as daemon:
        daemon.stop()
    (line,) = daemon.said("sqlite.version")
    faulty = (3, 7, 0) <= sqlite3.sqlite_version_info <= (3, 51, 2)

    assert (sqlite3.sqlite_version, "warning" if faulty else "info") == (line["version"], line["level"])


def test_the_running_process_is_closed_to_others(world: World) -> None:
    """No core is dumped, /proc shows it to nobody of its own user, and holds no secret anyway."""
    with world.daemon() as daemon:
        process = Path(f"/proc/{daemon.process.pid}")
        owner, limits = (process / "environ").stat().st_uid, (process / "limits").read_text()
        shown = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        children = subprocess.run(["cat", str(process / "maps")], capture_output=True, check=False, user=65534 if os.geteuid() == 0 else None)
        daemon.stop()

    assert 0 == owner
    assert ["0", "0"] == next(line for line in limits.splitlines() if line.startswith("Max core file size")).split()[4:6]
    assert 0 != children.returncode
    assert [] == [name for name in ("ghl-token", "octopus-key") if (world.folder / name).read_bytes().strip() in shown]
