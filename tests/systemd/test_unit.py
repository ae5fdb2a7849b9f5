"""The unit in `systemd/`: well formed, closed tight, and alive under a real systemd.

The rule that keeps it true: the unit under test is the file that is shipped, byte for byte; only drop-ins differ, and those are the
shipped examples. A machine that cannot boot a second systemd skips, and says why.
It must not know: how syncd is built inside. `inside.py` lives the service's life; the tests here judge what it saw.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from syncd.flow.daemon import STALLED_S

HERE = Path(__file__).resolve().parent
UNITS = HERE.parent.parent / "systemd"
UNIT = UNITS / "syncd.service"
RUNNER = HERE / "run_in_systemd.sh"

# What the service can do without: tools of the build and of the tests, by far the heaviest part of an environment.
NOT_RUNTIME = ("mypy", "hypothesis", "pip", "setuptools", "_pytest", "grimp", "librt")

WATCHDOG_S = 3
PROGRAM = """#!/opt/syncd/bin/python -I
# The program as it is, and two ways to have it hang, for nobody but the test: its writer's thread (SIGUSR1), its loop (SIGUSR2).
import signal, sys, threading, time
from syncd.__main__ import main
from syncd.store import database
stuck, commit = threading.Event(), database._commit
def held(*arguments):
    if stuck.is_set():
        threading.Event().wait()
    return commit(*arguments)
database._commit = held
signal.signal(signal.SIGUSR1, lambda *_: stuck.set())
signal.signal(signal.SIGUSR2, lambda *_: time.sleep(600))
sys.exit(main())
"""

CONFIGURATION = """
[daemon]
poll_min = "1s"
poll_max = "2s"

[systems.ghl]
kind = "gohighlevel"
base_url = "%(ghl_url)s"
location_id = "%(location_id)s"
token = { credential = "ghl-token" }

[systems.octopus]
kind = "emailoctopus"
base_url = "%(octopus_url)s"
api_key = { credential = "octopus-key" }

[syncs.contacts]
match = ["email"]
source_of_truth = "ghl"
first_run = "auto"

[syncs.contacts.members]
ghl = { collection = "contacts", when = { field = "email", op = "exists" } }
octopus = { collection = "contacts", list = "%(list_id)s" }

[syncs.contacts.fields]
email = { type = "email", ghl = "email", octopus = "email_address" }
first_name = { ghl = "firstName", octopus = "fields.FirstName" }
"""


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    return subprocess.run(["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


def verify(directory: Path, unit_text: str) -> subprocess.CompletedProcess[str]:
    """`systemd-analyze verify` wants the program to be there, which on this machine it is not."""
    unit = directory / "syncd.service"
    unit.write_text(unit_text.replace("/opt/syncd/bin/syncd", "/bin/true"))
    return analyze("verify", "--man=no", "--recursive-errors=no", unit)


# ---- as a text


def test_the_unit_is_well_formed(tmp_path: Path) -> None:
    """systemd understands every line; it says so by saying nothing."""
    result = verify(tmp_path, UNIT.read_text())

    assert (0, "") == (result.returncode, result.stderr)


@pytest.mark.parametrize("example", sorted(UNITS.glob("*.conf.example")), ids=lambda path: path.name)
def test_the_drop_in_examples_are_well_formed(tmp_path: Path, example: Path) -> None:
    """Each example can be copied as its comments say."""
    (tmp_path / "syncd.service.d").mkdir()
    shutil.copy(example, tmp_path / "syncd.service.d" / example.name.removesuffix(".example"))

    result = verify(tmp_path, UNIT.read_text())

    assert (0, "") == (result.returncode, result.stderr)


def test_a_misspelt_line_would_be_noticed(tmp_path: Path) -> None:
    """The check above can fail."""
    assert "WatchdogSecs" in verify(tmp_path, UNIT.read_text().replace("WatchdogSec=", "WatchdogSecs=")).stderr


def test_the_service_is_closed_tight() -> None:
    """Exposure at most 1.1 of 10, and what is left is the network it lives on."""
    result = analyze("security", "--offline=true", "--no-pager", "--threshold=11", UNIT)

    assert 0 == result.returncode, result.stdout


def test_an_open_service_would_be_noticed(tmp_path: Path) -> None:
    """The check above can fail."""
    (tmp_path / "open.service").write_text(UNIT.read_text().replace("CapabilityBoundingSet=\n", ""))

    assert 1 == analyze("security", "--offline=true", "--no-pager", "--threshold=11", tmp_path / "open.service").returncode


# ---- under a real systemd


def boot(stage: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """The command's own outcome under a systemd of its own, or a skip that says what is missing."""
    if os.geteuid() != 0:
        pytest.skip("booting systemd in namespaces needs root")
    missing = [path for path in ("/lib/systemd/systemd", "/bin/systemctl", "/usr/bin/unshare", "/bin/kill") if not os.access(path, os.X_OK)]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing (Debian: systemd util-linux procps)")
    probe = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup", "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no namespaces may be made here: {probe.stderr.strip()}")
    environment = {**os.environ, "BOOT_SECONDS": "240"}
    result = subprocess.run([RUNNER, stage, *command], env=environment, capture_output=True, text=True, timeout=270, check=False)
    if result.returncode == 125:
        pytest.skip(f"systemd does not boot in namespaces here: {result.stderr.strip()[-600:]}")
    return result


def system_python() -> str:
    """A Python of this version that the service may see: not under /root or /home."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in map(Path.resolve, (Path(sys.base_prefix, "bin", name), Path("/usr/bin", name), Path("/usr/local/bin", name))):
        if path.is_file() and path.parts[1] not in ("root", "home", "tmp"):
            return str(path)
    pytest.skip(f"no {name} outside /root and /home")


def left_out(directory: str, names: list[str]) -> set[str]:
    return {name for name in names if name == "__pycache__" or (name in NOT_RUNTIME and directory == sysconfig.get_path("purelib"))}


def lay_out(stage: Path) -> None:
    """What will be /opt/syncd inside: an environment of the system's Python with the packages these tests run with."""
    opt = stage / "opt"
    subprocess.run([system_python(), "-m", "venv", "--without-pip", opt], check=True, capture_output=True)
    [packages] = opt.glob("lib/python3*/site-packages")
    shutil.copytree(sysconfig.get_path("purelib"), packages, dirs_exist_ok=True, ignore=left_out)
    spec = importlib.util.find_spec("syncd")
    assert spec is not None and spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, packages / "syncd", dirs_exist_ok=True, ignore=left_out)
    program = opt / "bin" / "syncd"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    for file in (UNIT, UNITS / "credentials.conf.example", HERE / "inside.py"):
        shutil.copy(file, stage)
    (stage / "syncd.toml").write_text(CONFIGURATION)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What inside.py wrote down; the service lives once for all tests of this file."""
    stage = tmp_path_factory.mktemp("stage")
    lay_out(stage)
    result = boot(stage, system_python(), "/stage/inside.py")
    told = json.loads((stage / "seen.json").read_text()) if (stage / "seen.json").exists() else {}
    journal = (stage / "journal").read_text() if (stage / "journal").exists() else ""
    assert 0 == result.returncode, f"in {told.get('chapter')}:\n{result.stdout}{result.stderr}\n{journal[-4000:]}"
    return told


def test_the_runner_hands_on_the_status(tmp_path: Path) -> None:
    """The runner itself: systemd is PID 1, the words arrive whole, the status is the command's."""
    result = boot(tmp_path, "bash", "-c", 'echo "$(cat /proc/1/comm) $(systemctl is-system-running) $0"; exit 7', "two words; $HOME 100%")

    assert (7, "systemd running two words; $HOME 100%\n") == (result.returncode, result.stdout)


def test_it_reaches_active(seen: dict[str, Any]) -> None:
    """READY=1 arrives, from a user that is nobody's."""
    assert (0, "active") == (seen["start"]["status"], seen["start"]["state"])
    assert 61184 <= seen["start"]["uid"] <= 65519


def test_every_log_line_is_json(seen: dict[str, Any]) -> None:
    """One object a line, each with the name of its event, over all starts, reloads and failures."""
    assert seen["log"]
    assert [] == [line for line in map(json.loads, seen["log"]) if not line.get("event")]


def test_no_secret_is_shown(seen: dict[str, Any]) -> None:
    """Neither the log nor the process's own description holds a credential."""
    shown = "\n".join(seen["log"]) + seen["environment"]

    assert [] == [secret for secret in seen["secrets"] if secret in shown]


def test_the_state_is_private(seen: dict[str, Any]) -> None:
    """Directories 0700, files 0600: nothing for group or others."""
    assert "0o700" == seen["modes"]["."]
    assert {} == {path: mode for path, mode in seen["modes"].items() if not mode.endswith("00")}


def test_a_sync_goes_through(seen: dict[str, Any]) -> None:
    """Under the whole filter a record reaches the other side, in one life, and nothing that was needed was forbidden."""
    assert seen["sync"]["seconds"] is not None
    assert "0" == seen["sync"]["restarts"]
    assert [] == seen["forbidden"]
    assert [] == [line for line in seen["log"] if "Operation not permitted" in line or "process.open" in line]


def test_a_killed_process_is_back(seen: dict[str, Any]) -> None:
    """kill -9 costs five seconds at most."""
    assert "1" == seen["kill"]["restarts"]
    assert seen["kill"]["seconds"] is not None and seen["kill"]["seconds"] <= 5


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_a_reload_keeps_it_running(seen: dict[str, Any], kind: str) -> None:
    """SIGHUP is answered in the log by the same process, whether the new configuration is one or not."""
    expected = {"status": 0, "answered": True, "same process": True, "state": "active"}
    actual = seen[f"reload {kind}"]

    assert expected == {key: actual[key] for key in expected}, actual


def test_it_stops_cleanly(seen: dict[str, Any]) -> None:
    """SIGTERM drains within five seconds and is a success."""
    assert ("success", "0") == (seen["stop"]["result"], seen["stop"]["status"])
    assert seen["stop"]["seconds"] <= 5


def test_the_watchdog_restarts_a_stalled_process(seen: dict[str, Any]) -> None:
    """It leaves a working process alone, and a stopped one not."""
    assert "0" == seen["stall"]["restarts before"]
    assert "1" == seen["stall"]["restarts"]
    assert seen["stall"]["seconds"] is not None and seen["stall"]["seconds"] <= 8


@pytest.mark.parametrize("how", ["deadlock", "busy loop"])
def test_the_watchdog_restarts_what_makes_no_progress(seen: dict[str, Any], how: str) -> None:
    """A thread that hangs while the rest goes round, and a loop that does not go round: the process is another one in time."""
    assert seen[how]["seconds"] is not None
    assert seen[how]["seconds"] <= STALLED_S + WATCHDOG_S + 10


def test_no_progress_is_ended_within_35_seconds() -> None:
    """What the engine waits before it says so and what the unit waits after that come to no more together."""
    (written,) = re.findall(r"^WatchdogSec=(\d+)$", UNIT.read_text(), re.MULTILINE)

    assert STALLED_S + int(written) <= 35


def test_an_invalid_configuration_is_not_retried(seen: dict[str, Any]) -> None:
    """Exit status 3 waits for a person."""
    assert ("3", "0", "failed") == (seen["refuse"]["exit"], seen["refuse"]["restarts"], seen["refuse"]["state"])
