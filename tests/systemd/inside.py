"""The life of syncd.service, lived once inside a booted systemd; what was seen is left in ``/stage/seen.json`` for test_unit.py to judge.

The rule that keeps it true: this file looks and writes down, it decides nothing; every wait has a bound.
It must not know: syncd's modules. It is a stranger with systemctl, run by the system's own Python.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request
from typing import Any

STAGE = pathlib.Path("/stage")
UNIT = pathlib.Path("/etc/systemd/system/syncd.service")
CONFIG = pathlib.Path("/etc/syncd/syncd.toml")
WATCHDOG_S = 3
LISTENS = "127.0.0.1:8787"

Seen = dict[str, Any]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def prop(name: str) -> str:
    return run("systemctl", "show", "--property", name, "--value", "syncd.service").stdout.strip()


def pid() -> int:
    return int(prop("MainPID"))


def wait_for(condition: Any, seconds: float) -> float | None:
    """The seconds it took until `condition()`, or None."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            return None
        time.sleep(0.02)
    return round(time.monotonic() - begun, 2)


def back(restarts: int) -> bool:
    return prop("NRestarts") == str(restarts) and prop("ActiveState") == "active"


def log_lines() -> list[str]:
    """What the daemon itself said; not what the manager says about it."""
    return run("journalctl", "--quiet", "--output=cat", "--identifier=syncd").stdout.splitlines()


def drop_in(name: str, text: str) -> None:
    directory = UNIT.with_name("syncd.service.d")
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.conf").write_text(text)
    run("systemctl", "daemon-reload")


# ---- the chapters


def install(seen: Seen) -> None:
    """As the unit's own comments tell an operator to, with the emulators in the vendors' place."""
    pathlib.Path("/opt/syncd").mkdir(parents=True)
    run("mount", "--bind", "/stage/opt", "/opt/syncd")
    UNIT.write_text((STAGE / "syncd.service").read_text())
    run("systemctl", "daemon-reload")
    vendors = start_sandbox()
    secrets = CONFIG.parent / "credentials"
    secrets.mkdir(parents=True, mode=0o700)
    for name, secret in (("ghl-token", vendors["ghl"]["token"]), ("octopus-key", vendors["octopus"]["api_key"])):
        (secrets / name).write_text(secret)
        (secrets / name).chmod(0o400)
    CONFIG.parent.chmod(0o755)
    values = {"ghl_url": vendors["ghl"]["base_url"], "octopus_url": vendors["octopus"]["base_url"],
              "location_id": vendors["ghl"]["location_id"], "list_id": vendors["octopus"]["list_id"]}
    CONFIG.write_text((STAGE / "syncd.toml").read_text() % values)
    drop_in("credentials", (STAGE / "credentials.conf.example").read_text())
    seen["vendors"] = vendors
    seen["secrets"] = [vendors["ghl"]["token"], vendors["octopus"]["api_key"]]


def start_sandbox() -> dict[str, Seen]:
    """Both emulators, and what they say about themselves, by the name of what only that vendor has."""
    said = pathlib.Path("/run/sandbox.json")
    run("systemd-run", "--unit=sandbox", f"--property=StandardOutput=truncate:{said}", "/opt/syncd/bin/syncd", "sandbox", "--json")
    found: dict[str, Seen] = {}

    def told() -> bool:
        try:
            text = said.read_text()
            try:
                described = json.loads(text)
            except ValueError:
                described = json.loads(text.splitlines()[0])
        except (OSError, ValueError, IndexError):
            return False
        for vendor in described.values():
            if isinstance(vendor, dict) and "base_url" in vendor:
                found["ghl" if "location_id" in vendor else "octopus"] = vendor
        return {"ghl", "octopus"} == found.keys()

    if wait_for(told, 15) is None:
        raise RuntimeError(f"the sandbox did not say where it is: {said.read_text() if said.exists() else 'nothing'}")
    return found


def start(seen: Seen) -> None:
    begun = time.monotonic()
    seen["start"] = {"status": run("systemctl", "start", "syncd").returncode, "seconds": round(time.monotonic() - begun, 2)}
    main = pid()
    process = pathlib.Path(f"/proc/{main}")
    seen["start"] |= {"state": prop("ActiveState"), "uid": process.stat().st_uid if main else None}
    if main:
        seen["environment"] = (process / "environ").read_text() + (process / "cmdline").read_text()
    state = pathlib.Path("/var/lib/private/syncd")
    seen["modes"] = {str(path.relative_to(state)): oct(path.stat().st_mode & 0o777) for path in [state, *state.rglob("*")]}


def sync(seen: Seen) -> None:
    """A contact that is made at one vendor must come to the other, through everything the unit forbids and allows."""
    vendors, email = seen["vendors"], "through.the.unit@example.com"
    call(vendors["ghl"], "/contacts/", {"locationId": vendors["ghl"]["location_id"], "email": email, "firstName": "Unit"}, vendors["ghl"]["token"], Version="2021-07-28")

    def arrived() -> bool:
        octopus = vendors["octopus"]
        time.sleep(0.5)
        return any(email in call(octopus, f"/lists/{octopus['list_id']}/contacts?status={each}", None, octopus["api_key"]) for each in ("subscribed", "pending"))

    seen["sync"] = {"seconds": wait_for(arrived, 60), "restarts": prop("NRestarts")}


def call(vendor: Seen, path: str, body: Seen | None, token: str, **headers: str) -> str:
    """One call to an emulator, as anybody would make it."""
    data = None if body is None else json.dumps(body).encode()
    sent = urllib.request.Request(vendor["base_url"] + path, data, {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers})
    with urllib.request.urlopen(sent, timeout=10) as answer:
        return answer.read().decode()


def kill(seen: Seen) -> None:
    os.kill(pid(), 9)
    seen["kill"] = {"seconds": wait_for(lambda: back(1), 15), "restarts": prop("NRestarts")}


def reload(seen: Seen) -> None:
    """A good configuration, then one that is none; the same process must live through both."""
    good = CONFIG.read_text()
    for name, text in (("good", good + "\n# as before, with a remark\n"), ("bad", good + "\n[daemon\n")):
        before, lines = pid(), len(log_lines())
        CONFIG.write_text(text)
        status = run("systemctl", "reload", "syncd").returncode
        spoke = wait_for(lambda lines=lines: len(log_lines()) > lines, 5)
        time.sleep(0.5)
        seen[f"reload {name}"] = {"status": status, "answered": spoke is not None, "same process": pid() == before,
                                  "state": prop("ActiveState"), "log": log_lines()[lines:]}
    CONFIG.write_text(good)


def stop(seen: Seen) -> None:
    begun = time.monotonic()
    run("systemctl", "stop", "syncd")
    seen["stop"] = {"seconds": round(time.monotonic() - begun, 2), "result": prop("Result"), "status": prop("ExecMainStatus")}


def stall(seen: Seen) -> None:
    """A process that lives and does nothing: only the watchdog can tell."""
    drop_in("watchdog", f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
    run("systemctl", "start", "syncd")
    time.sleep(WATCHDOG_S + 1)
    seen["stall"] = {"restarts before": prop("NRestarts")}
    os.kill(pid(), 19)
    seen["stall"] |= {"seconds": wait_for(lambda: back(1), 15), "restarts": prop("NRestarts")}
    run("systemctl", "stop", "syncd")


def deadlock(seen: Seen) -> None:
    """The writer's thread hangs for ever, everything else goes round, webhooks are heard: only that nothing is planned tells; then the loop itself hangs."""
    drop_in("watchdog", f"[Service]\nWatchdogSec={WATCHDOG_S}\n")
    for name, number in (("deadlock", signal.SIGUSR1), ("busy loop", signal.SIGUSR2)):
        run("systemctl", "start", "syncd")
        time.sleep(2)
        before = int(prop("NRestarts"))
        os.kill(pid(), number)
        with contextlib.suppress(OSError):
            # Something to commit: that a stranger came by is counted.
            urllib.request.urlopen(urllib.request.Request(f"http://{LISTENS}/hooks/ghl", b"{}"), timeout=5)
        seen[name] = {"seconds": wait_for(lambda before=before: back(before + 1), 40), "result": prop("Result")}
        run("systemctl", "stop", "syncd")


def refuse(seen: Seen) -> None:
    """A start that no restart can mend."""
    good = CONFIG.read_text()
    CONFIG.write_text(good + "\n[daemon\n")
    status = run("systemctl", "start", "syncd").returncode
    time.sleep(1.5)
    seen["refuse"] = {"status": status, "exit": prop("ExecMainStatus"), "restarts": prop("NRestarts"), "state": prop("ActiveState")}
    CONFIG.write_text(good)


def main() -> None:
    seen: Seen = {}
    try:
        for chapter in (install, start, sync, kill, reload, stop, stall, deadlock, refuse):
            seen["chapter"] = chapter.__name__
            chapter(seen)
        seen["chapter"] = "the end"
    finally:
        seen["log"] = log_lines()
        seen["forbidden"] = [line for line in run("journalctl", "--quiet", "--output=cat").stdout.splitlines() if "SIGSYS" in line or "seccomp" in line]
        (STAGE / "seen.json").write_text(json.dumps(seen, indent=1))
        (STAGE / "journal").write_text(run("journalctl", "--quiet", "--no-pager").stdout)


main()
