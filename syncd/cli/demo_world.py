"""The demo's world: both emulators with invented people, a real configuration beside them, and trouble on request.

The rule that keeps it true: everything listens on loopback only, secrets are files that only we may read, and the configuration is one
that `syncd check` accepts and an operator could have written.
It must not know: what the daemon does with it, or how it is told.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import anyio

from syncd.cli.demo_stage import free_port, write_secret
from syncd.sandbox import EmailOctopusOptions, FaultKind, GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.sandbox.options import LOOPBACK
from syncd.sandbox.people import Population, populate

POLL_MAX_S = 2.0
LEAST_PEOPLE = 15
CONFIG = "syncd.toml"

_CONFIG = """\
# The configuration of `syncd demo`. Both systems are emulators on this machine; with real accounts you leave the two `base_url`s out.

[systems.ghl]
kind = "gohighlevel"
base_url = {ghl_url}
location_id = {location_id}
token = {{ file = "ghl-token" }}
# The emulator signs its webhooks with a key of its own. For the real one this line is not needed.
webhook_keys = [{public_key}]

[systems.octopus]
kind = "emailoctopus"
base_url = {octopus_url}
api_key = {{ file = "octopus-key" }}
webhook_secret = {{ file = "octopus-webhook-secret" }}

[syncs.contacts]
match = ["email", "phone"]
conflict = "last_modified"
source_of_truth = "ghl"
delete = "archive"
# The demo starts to write at once. Use "review" for real accounts: then nothing is written before you have looked at it.
first_run = "auto"

[syncs.contacts.guards]
delete_grace = "2s"
# A demo left running makes more edits in an hour than a real account does; the usual limit would stop it.
updates = {{ number = 10000 }}

[syncs.contacts.members.ghl]
collection = "contacts"
when = {{ field = "email", op = "exists" }}

[syncs.contacts.members.octopus]
collection = "contacts"
list = {list_id}
archive = {{ status = "unsubscribed" }}

[syncs.contacts.fields]
email = {{ type = "email", ghl = "email", octopus = "email_address" }}
first_name = {{ ghl = "firstName", octopus = "fields.FirstName" }}
last_name = {{ ghl = "lastName", octopus = "fields.LastName" }}
phone = {{ type = "phone", ghl = "phone", octopus = "fields.Phone" }}
tags = {{ type = "set", ghl = "tags", octopus = "tags" }}
plan = {{ type = "choice", ghl = "custom.plan", octopus = "fields.Plan", values = {{ gold = {{ octopus = "Gold" }}, \
silver = {{ octopus = "Silver" }}, free = {{ octopus = "Free" }} }} }}
# One way: GoHighLevel says where a contact came from.
source = {{ ghl = "source", octopus = "fields.Source", direction = "ghl -> octopus" }}

# Everything here is quicker than usual, so that you need not wait.
[daemon]
state = "state"
listen = {listen}
poll_min = "1s"
poll_max = "{poll_max_s:.0f}s"
quiet = "200ms"
quiet_max = "1s"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The emulators, who lives in them, and where the daemon's files are."""

    sandbox: Sandbox
    people: Population
    directory: Path
    url: str
    random: Random
    chaos: bool

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.directory / CONFIG

    @property
    def log(self) -> Path:
        """Where the daemon's log lines go."""
        return self.directory / "syncd.log"

    @property
    def database(self) -> Path:
        """Where the daemon keeps its state."""
        return self.directory / "state" / "syncd.db"

    def point_webhooks(self) -> None:
        """From now on both vendors announce their changes to the daemon."""
        self.sandbox.ghl.webhooks.url = f"{self.url}/hooks/ghl"
        self.sandbox.octopus.webhooks.url = f"{self.url}/hooks/octopus"


@asynccontextmanager
async def open_world(directory: Path, *, seed: int, people: int, chaos: bool) -> AsyncIterator[World]:
    """Both emulators running and filled, and the configuration written, for the length of the block."""
    options = SandboxOptions(
        ghl=GoHighLevelOptions(index_lag_s=1.5 if chaos else 0.3), octopus=EmailOctopusOptions(buffer_s=0.2), seed=seed
    )
    async with _running(Sandbox(options)) as sandbox:
        port = free_port()
        world = World(
            sandbox=sandbox,
            people=populate(sandbox, seed, people),
            directory=directory,
            url=f"http://{LOOPBACK}:{port}",
            random=Random(f"{seed}/demo"),  # noqa: S311 - repeatable on purpose
            chaos=chaos,
        )
        _write_files(world, port)
        yield world


@asynccontextmanager
async def _running(sandbox: Sandbox) -> AsyncIterator[Sandbox]:
    """The emulators for the length of the block; closing them is not cut short by the signal that ends the demo."""
    try:
        yield await sandbox.__aenter__()
    finally:
        with anyio.CancelScope(shield=True):
            await sandbox.__aexit__(None, None, None)


def _write_files(world: World, port: int) -> None:
    ghl, octopus = world.sandbox.ghl.describe(), world.sandbox.octopus.describe()
    write_secret(world.directory / "ghl-token", ghl["token"])
    write_secret(world.directory / "octopus-key", octopus["api_key"])
    write_secret(world.directory / "octopus-webhook-secret", octopus["webhook_secret"])
    text = _CONFIG.format(
        ghl_url=json.dumps(ghl["base_url"]),
        location_id=json.dumps(ghl["location_id"]),
        public_key=json.dumps(ghl["webhook_public_key_pem"]),
        octopus_url=json.dumps(octopus["base_url"]),
        list_id=json.dumps(octopus["list_id"]),
        listen=json.dumps(f"{LOOPBACK}:{port}"),
        poll_max_s=POLL_MAX_S,
    )
    world.config.write_text(text, encoding="utf-8")


def order_faults(world: World) -> None:
    """Trouble for the first sync, of the kinds that make other tools double or lose records."""
    ghl, octopus = world.sandbox.ghl.faults, world.sandbox.octopus.faults
    ghl.add("create-contact", FaultKind.HANG_AFTER, seconds=0.5)
    ghl.add("create-contact", FaultKind.ERROR_AFTER, status=422)
    octopus.add("create-contact", FaultKind.RESET_AFTER)
    octopus.add("list-contacts", FaultKind.RATE_LIMITED, retry_after_s=1, skip=2)
    ghl.add("search-contacts", FaultKind.ERROR_BEFORE, status=502)
    _order_noise(world)


def order_more_faults(world: World) -> None:
    """Trouble for the edits."""
    ghl, octopus = world.sandbox.ghl.faults, world.sandbox.octopus.faults
    ghl.add("create-contact", FaultKind.ERROR_AFTER, status=500)
    octopus.add("create-contact", FaultKind.HANG_AFTER, seconds=0.5)
    ghl.add("update-contact", FaultKind.ERROR_AFTER, status=500)
    octopus.add("update-contact", FaultKind.RESET_AFTER)
    ghl.add("get-contact", FaultKind.RATE_LIMITED)
    _order_noise(world)


def _order_noise(world: World) -> None:
    for vendor in (world.sandbox.ghl, world.sandbox.octopus):
        vendor.faults.add("*", FaultKind.ERROR_BEFORE, count=4, probability=0.05, status=500)
        vendor.faults.add("*", FaultKind.RESET_BEFORE, count=4, probability=0.05)


async def scramble_webhooks(world: World) -> None:
    """Every webhook comes twice and out of order, and some do not come at all, until cancelled."""
    senders = (world.sandbox.ghl.webhooks, world.sandbox.octopus.webhooks)
    for sender in senders:
        sender.mode = replace(sender.mode, copies=2, shuffle=True, delay_s=0.1)
    while True:
        for sender in senders:
            sender.mode = replace(sender.mode, mute=world.random.random() < 0.4)
        await anyio.sleep(0.25)
