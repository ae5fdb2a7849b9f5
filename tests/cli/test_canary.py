"""Canaries: a unique word in every secret and every personal field, a daemon that is driven through work and trouble, and then a search."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.cli.world import Daemon, World, wait_for

CANARY = "Kanarie"
PHONE = "+14155550177"


def person(number: int) -> dict[str, Any]:
    """Somebody whose every field is a canary."""
    return {
        "email": f"{CANARY}{number}@{CANARY}.example".lower(),
        "firstName": f'{CANARY}First{number}\n{{"event": "forged"}}\x1b]52;c;aGk=\x07',
        "lastName": f"{CANARY}Last{number}",
        "phone": f"{PHONE[:-2]}{number:02}",
        "tags": [f"{CANARY}Tag"],
        "source": f"{CANARY}Source",
    }


def answered(url: str, body: bytes = b"", **headers: str) -> str:
    """What it answers, whatever the status."""
    request = Request(url, data=body or None, headers=headers)
    try:
        with urlopen(request, timeout=10) as answer:
            return f"{answer.headers}{answer.read().decode(errors='replace')}"
    except HTTPError as error:
        return f"{error.headers}{error.read().decode(errors='replace')}"


def process(daemon: Daemon) -> str:
    """What others on the machine may see of it."""
    folder = Path(f"/proc/{daemon.process.pid}")
    return (folder / "environ").read_bytes().decode(errors="replace") + (folder / "cmdline").read_bytes().decode(errors="replace")


SAID = f'"{CANARY} Jane" <{CANARY}@{CANARY}.example> {PHONE} is no contact'
"""What a vendor says about it."""


def refuse_writes(world: World) -> None:
    """Two edits that the other side will not take."""

    def order(sandbox: Any) -> None:
        for operation in ("update-contact", "update-contacts-batch"):
            sandbox.octopus.faults.add(operation, "error_before", count=4, status=422, message=SAID)
        for each in sandbox.ghl.contacts():
            if CANARY.lower() in str(each["email"]).lower():
                sandbox.ghl.edit_as_user(each["id"], {"firstName": f"{CANARY}Again"})

    world.do(order)


def trouble_reading(world: World) -> None:
    """Answers that are errors, broken, or lost."""

    def order(sandbox: Any) -> None:
        for vendor in (sandbox.ghl, sandbox.octopus):
            vendor.faults.add("*", "bad_json", count=1)
            vendor.faults.add("*", "html", count=1)
            vendor.faults.add("*", "reset_after", count=1)
            vendor.faults.add("*", "error_before", count=1, status=500, message=SAID)

    world.do(order)


def test_no_canary_leaves_the_database(world: World) -> None:
    """Not in the log at its most talkative, not in an answer to a stranger, not in what the process shows of itself."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    world.edit_config("[daemon]", '[daemon]\nlog_level = "debug"')
    secrets = [(world.folder / name).read_text().strip() for name in ("ghl-token", "octopus-key")]
    for number in range(4):
        world.do(lambda sandbox, number=number: sandbox.ghl.create_as_user(person(number)))
    with world.daemon() as daemon:
        base = f"http://{daemon.said('daemon.ready')[0]['listen']}"
        wait_for(lambda: world.do(lambda sandbox: sum(CANARY.lower() in each["email_address"].lower() for each in sandbox.octopus.contacts())) == 4)
        refuse_writes(world)
        wait_for(lambda: daemon.said("write.failed"))
        trouble_reading(world)
        answers = [
            answered(f"{base}/hooks/ghl", json.dumps({"type": "ContactUpdate", **person(9)}).encode(), **{"Content-Type": "application/json"}),
            answered(f"{base}/hooks/octopus", f'{{"{CANARY}": '.encode(), **{"Content-Type": "application/json", "X-Canary": CANARY}),
            answered(f"{base}/hooks/{CANARY}?q={CANARY}"),
            answered(f"{base}/{CANARY}?token={CANARY}"),
            answered(f"{base}/readyz"),
        ]
        wait_for(lambda: len(daemon.said("poll.failed")) >= 4, timeout_s=60)
        seen = process(daemon)
    log = (world.folder / "run.log").read_text()
    lines = log.splitlines()

    assert all("event" in json.loads(line) for line in lines)
    assert "forged" not in {json.loads(line)["event"] for line in lines}
    for where, text in (("log", log), ("answers", "".join(answers)), ("process", seen)):
        assert CANARY.lower() not in text.lower(), where
        assert PHONE not in text, where
        assert not [each for each in secrets if each in text], where
    assert "Traceback" not in "".join(answers)
    assert "aiohttp" not in "".join(answers)
