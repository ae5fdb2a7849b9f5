"""The sandbox as a whole: loopback only, clean shutdown, the same world from the same seed, and its people.

Rule: nothing here depends on one vendor's shapes.

It must not know what an engine would do.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from random import Random

import pytest
from aiohttp import ClientError, ClientSession

from syncd.sandbox import EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.sandbox.people import Part, populate, populate_many, trickle


def test_loopback_only():
    """Any other address is refused when the options are made."""
    with pytest.raises(ValueError, match=r"127\.0\.0\.1 only"):
        SandboxOptions(host="0.0.0.0")


async def test_shutdown_leaves_nothing(opened):
    """Leaving ends hanging requests, stops the tasks and closes the ports."""
    before = asyncio.all_tasks()
    async with Sandbox(SandboxOptions(ghl=GoHighLevelOptions(index_lag_s=0))) as sandbox:
        sandbox.ghl.faults.add("get-contact", "hang_before", seconds=60)
        url, headers = sandbox.ghl.base_url, {"Authorization": f"Bearer {sandbox.ghl.token}", "Version": "2021-07-28"}
        async with ClientSession(headers=headers) as session:
            hanging = asyncio.create_task(session.get(f"{url}/contacts/x"))
            await asyncio.sleep(0.05)
            async with asyncio.timeout(3):
                await sandbox.__aexit__(None, None, None)
            with pytest.raises((ClientError, ConnectionError)):
                await hanging
            with pytest.raises(ClientError):
                await session.get(f"{url}/contacts/x")

    await asyncio.sleep(0)
    assert asyncio.all_tasks() - before == set()


async def test_given_ports(opened):
    """A port that is asked for is used, and describe() is JSON."""
    world = await opened()
    taken = int(world.sandbox.ghl.base_url.rsplit(":", 1)[1])
    await world.sandbox.__aexit__(None, None, None)

    async with Sandbox(SandboxOptions(octopus=EmailOctopusOptions(port=taken))) as sandbox:
        described = json.loads(json.dumps(sandbox.describe()))

    assert described["emailoctopus"]["base_url"].endswith(f":{taken}")
    assert described["emailoctopus"].keys() >= {"api_key", "list_id", "webhook_secret"}
    assert described["gohighlevel"].keys() >= {"base_url", "token", "location_id", "webhook_public_key_pem"}


async def test_population(opened):
    """Fifty people, four in five on both sides, and one of each difficulty; the same seed makes the same world."""
    world, twin = await opened(clock=lambda: 1.7e9), await opened(clock=lambda: 1.7e9)
    people = populate(world.sandbox, 3)
    same = populate(twin.sandbox, 3)

    assert people == same
    assert world.sandbox.ghl.contacts() == twin.sandbox.ghl.contacts()
    assert len(people.residents) == 50
    assert len([one for one in people.residents if one.ghl_ids and one.octopus_ids]) == 40
    assert len(people.of(Part.GHL_ONLY)) == len(people.of(Part.OCTOPUS_ONLY)) == 5
    ghl = {row["id"]: row for row in world.sandbox.ghl.contacts()}
    octopus = {row["id"]: row for row in world.sandbox.octopus.contacts()}
    (double,), (conflict,), (odd,) = (people.of(p) for p in (Part.DUPLICATED, Part.CONFLICT, Part.UNMAPPABLE))
    assert len({ghl[one]["email"] for one in double.ghl_ids}) == 1
    assert len(double.ghl_ids) == 2
    assert ghl[conflict.ghl_ids[0]]["firstName"] != octopus[conflict.octopus_ids[0]]["fields"]["FirstName"] != ""
    assert ghl[odd.ghl_ids[0]]["custom"] == {"plan": "platinum"}
    assert "Plan" not in octopus[odd.octopus_ids[0]]["fields"]


async def test_population_is_visible_and_silent(opened, receiver):
    """The first inhabitants are in search at once, whatever the lag, and no webhook told of them."""
    world = await opened(ghl={"index_lag_s": 60.0})
    world.sandbox.ghl.webhooks.url = world.sandbox.octopus.webhooks.url = receiver.url
    populate(world.sandbox, 1, 10)

    assert (await world.search()).body["total"] == len(world.sandbox.ghl.contacts())
    assert world.sandbox.ghl.webhooks.pending == world.sandbox.octopus.webhooks.pending == 0


async def test_crowd(opened):
    """Thousands of plain contacts overlap as asked, and a full scan of them stays quick."""
    world = await opened()
    rows = populate_many(world.sandbox, 1, 3000, overlap=0.8)
    left = {row["email"] for row in world.sandbox.ghl.contacts()}
    right = {row["email_address"] for row in world.sandbox.octopus.contacts()}

    assert len(left | right) == 3000
    assert len(left) + len(right) == rows
    assert 0.75 < len(left & right) / 3000 < 0.85


async def test_trickle(opened):
    """Edits come with a sentence, can be applied one after the other, and leave one entry each in a log."""
    world = await opened()
    populate(world.sandbox, 1, 12)
    ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
    before = len(ghl.truth) + len(octopus.truth)

    edits = trickle(world.sandbox, Random(4), deletes=True)
    for _ in range(60):
        edit = next(edits)
        assert edit.apply(world.sandbox)
        assert edit.sentence.endswith(("in GoHighLevel", "in EmailOctopus"))

    assert len(ghl.truth) + len(octopus.truth) == before + 60


async def test_nobody_is_given_anothers_number(opened):
    """However many telephone numbers are edited: two people of one number, one of them new, would rightly wait for a person."""
    world = await opened()
    populate(world.sandbox, 1, 12)
    edits = trickle(world.sandbox, Random(4))
    changed = [each.changes for each in (next(edits) for _ in range(2_000))]
    given = [phone for each in changed if (phone := each.get("phone") or each.get("fields", {}).get("Phone")) and len(each) == 1]

    assert 400 < len(given)
    assert len(given) == len({"".join(filter(str.isdigit, each))[-10:] for each in given})


def test_serve_as_a_process():
    """`python -m syncd.sandbox.serve` tells how to connect, and ends cleanly on SIGTERM."""
    command = [sys.executable, "-W", "error", "-m", "syncd.sandbox.serve", "--people", "6"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        while (line := process.stdout.readline()) != "}\n":
            assert line, process.stderr and process.stderr.read()
            lines.append(line)
        process.terminate()
        rest, errors = process.communicate(timeout=10)

    assert json.loads("".join(lines) + "}")["gohighlevel"]["base_url"].startswith("http://127.0.0.1:")
    assert (process.returncode, rest, errors) == (0, "", "")
