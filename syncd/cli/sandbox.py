"""`syncd sandbox`: both emulated vendors by themselves, to try a configuration or a script against.

The rule that keeps it true: they listen on loopback and send webhooks to loopback only; with `--json`, standard output is one line.
It must not know: what will connect.
"""

from __future__ import annotations

import ipaddress
import json
import signal
from typing import Annotated, Any
from urllib.parse import urlsplit

import anyio
import typer

from syncd.cli import screen
from syncd.cli.options import JsonOption
from syncd.core.errors import UserError
from syncd.sandbox import EmailOctopusOptions, GoHighLevelOptions, Sandbox, SandboxOptions
from syncd.sandbox.people import populate

app = typer.Typer()

LEAST_PEOPLE = 6

SeedOption = Annotated[int, typer.Option("--seed", help="The same seed makes the same people.")]
PeopleOption = Annotated[
    int, typer.Option("--people", min=0, max=5000, help="How many people to invent; 0 for none, else 6 or more.")
]
GhlPortOption = Annotated[int, typer.Option("--ghl-port", min=0, max=65535, help="Port of GoHighLevel; 0 for any free one.")]
OctopusPortOption = Annotated[
    int, typer.Option("--octopus-port", min=0, max=65535, help="Port of EmailOctopus; 0 for any free one.")
]
WebhooksOption = Annotated[
    str | None,
    typer.Option(
        "--webhooks-to", metavar="URL", help="Send webhooks to URL/hooks/ghl and URL/hooks/octopus.", show_default=False
    ),
]
QuotasOption = Annotated[bool, typer.Option("--no-quotas", help="Let any number of requests through.")]


@app.command(epilog="Example: syncd sandbox --webhooks-to http://127.0.0.1:8787")
def sandbox(
    seed: SeedOption = 1,
    people: PeopleOption = 50,
    ghl_port: GhlPortOption = 0,
    octopus_port: OctopusPortOption = 0,
    webhooks_to: WebhooksOption = None,
    no_quotas: QuotasOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run emulated GoHighLevel and EmailOctopus accounts on this machine.

    Prints how to connect, then serves until SIGINT or SIGTERM. Everybody in the accounts is invented.
    """
    if 0 < people < LEAST_PEOPLE:
        raise typer.BadParameter(f"0 for none, else {LEAST_PEOPLE} or more", param_hint="--people")
    target = None if webhooks_to is None else _checked(webhooks_to)
    options = SandboxOptions(
        ghl=GoHighLevelOptions(port=ghl_port),
        octopus=EmailOctopusOptions(port=octopus_port),
        quotas=not no_quotas,
        seed=seed,
    )
    try:
        anyio.run(_serve, options, people, target, as_json)
    except OSError as error:
        raise UserError(f"cannot listen: {error.strerror or error}", hint="choose other ports, or 0 for any free one") from error


def _checked(url: str) -> str:
    """The address without its last slash. Raises BadParameter unless it leads to this machine."""
    try:
        parts = urlsplit(url)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_fits = urlsplit(""), False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits or parts.query or parts.fragment:
        raise typer.BadParameter("write it as http://127.0.0.1:8787", param_hint="--webhooks-to")
    if parts.username is not None or not _is_loopback(parts.hostname):
        raise typer.BadParameter(
            "the sandbox sends webhooks to this machine only: http://127.0.0.1:8787", param_hint="--webhooks-to"
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    """A literal loopback address; a name could lead anywhere, `localhost` alone cannot."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(options: SandboxOptions, people: int, target: str | None, as_json: bool) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with Sandbox(options) as running:
            if people:
                populate(running, options.seed, people)
            if target is not None:
                running.ghl.webhooks.url = f"{target}/hooks/ghl"
                running.octopus.webhooks.url = f"{target}/hooks/octopus"
            if as_json:
                screen.show_json(_described(running), lines=True)
            else:
                _show(running)
            async for _ in signals:
                return


def _described(running: Sandbox) -> dict[str, Any]:
    """How to connect, how many contacts there are, where webhooks go, and what belongs into a configuration."""
    vendors = (running.ghl, running.octopus)
    described = running.describe()
    for vendor in vendors:
        described[vendor.name] |= {"contacts": len(vendor.contacts()), "webhooks_to": vendor.webhooks.url}
    return {**described, "config": _snippet(running)}


def _snippet(running: Sandbox) -> str:
    """The systems as they stand in a configuration; the secrets go into files beside it."""
    ghl, octopus = running.ghl.describe(), running.octopus.describe()
    return f"""\
[systems.ghl]
kind = "gohighlevel"
base_url = {json.dumps(ghl["base_url"])}
location_id = {json.dumps(ghl["location_id"])}
token = {{ file = "ghl-token" }}
webhook_keys = [{json.dumps(ghl["webhook_public_key_pem"])}]

[systems.octopus]
kind = "emailoctopus"
base_url = {json.dumps(octopus["base_url"])}
api_key = {{ file = "octopus-key" }}
webhook_secret = {{ file = "octopus-webhook-secret" }}
"""


def _show(running: Sandbox) -> None:
    ghl, octopus = running.ghl.describe(), running.octopus.describe()
    screen.show("Both vendors are emulated on this machine. Stop with Ctrl-C.", style="bold")
    rows = [
        ["GoHighLevel", ghl["base_url"]],
        ["  location id", ghl["location_id"]],
        ["  token", ghl["token"]],
        ["  contacts", str(len(running.ghl.contacts()))],
        ["EmailOctopus", octopus["base_url"]],
        ["  list id", octopus["list_id"]],
        ["  API key", octopus["api_key"]],
        ["  webhook secret", octopus["webhook_secret"]],
        ["  contacts", str(len(running.octopus.contacts()))],
        ["webhooks to", running.ghl.webhooks.url or "nowhere; say --webhooks-to http://127.0.0.1:8787"],
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        screen.show(f"{name:<{width}}  {value}")
    screen.show()
    screen.show("For a configuration, with the three secrets in files beside it that only you may read:", style="bold")
    for line in (
        "(umask 077",
        f" echo {ghl['token']} > ghl-token",
        f" echo {octopus['api_key']} > octopus-key",
        f" echo {octopus['webhook_secret']} > octopus-webhook-secret)",
    ):
        screen.show(line)
    screen.show()
    for line in _snippet(running).splitlines():
        screen.show(line)
    screen.show(f"# The list, for [syncs.NAME.members.octopus]:  list = {json.dumps(octopus['list_id'])}")
