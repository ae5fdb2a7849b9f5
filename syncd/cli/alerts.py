"""`syncd alerts`: what needs a person now, who was told, and whether telling works.

The rule that keeps it true: it shows what the daemon has noticed, and a test goes the way that an alert goes.
It must not know: what makes an alert, or how it is sent.
"""

from __future__ import annotations

import time
import uuid
from functools import partial

import anyio
import typer

from syncd.cli import screen
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, not_before_command, read_settings
from syncd.cli.text import ago, iso
from syncd.config import Settings
from syncd.core.alert import Notice
from syncd.core.record import Json
from syncd.flow.channels import LOG, NotTold, channels_of, tell
from syncd.flow.home import database_path
from syncd.store import alerts as notices
from syncd.store.visiting import look

app = typer.Typer(invoke_without_command=True)


@app.callback(epilog="Example: syncd alerts test")
def start(context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what needs you now and who was told of it, or try whether telling works (test)."""
    if context.invoked_subcommand is None:
        list_alerts(config=config, as_json=as_json)
    not_before_command(context, config=config, as_json=as_json)


@app.command("list", epilog="Example: syncd alerts list --json")
def list_alerts(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what needs you now, as the daemon last noticed it."""
    settings = read_settings(config, secrets=False)
    known = look(database_path(settings), notices.load, {}).values()
    now = time.time_ns() // 1_000
    open_ones = [each for each in known if each.over_at is None]
    if as_json:
        screen.show_json([_as_json(each) for each in open_ones])
        return
    for each in (one for one in open_ones if one.about.channel == LOG):
        screen.show(f"{each.about.kind}  {each.sentence}", style="bold")
        screen.show(f"since {ago(each.opened_at, now)}; next: {each.mend}", indent=4)
    for each in open_ones:
        if each.about.channel != LOG and each.said != "open":
            screen.show(f"{each.about.channel} was not told of {each.about.kind} {each.about.subject} yet ({each.attempts} attempts)", style="yellow")
    if not open_ones:
        screen.say("nothing needs you")


@app.command("test", epilog="Example: syncd alerts test")
def try_channels(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Send a test through every channel of [alerts], and say how it went. Ends with 5 where one did not take it."""
    settings = read_settings(config, secrets=True)
    said = anyio.run(partial(_test, settings))
    if as_json:
        screen.show_json(said)
    else:
        for channel, trouble in said.items():
            screen.show(f"{channel}: {trouble or 'told'}", style="red" if trouble else "")
        if len(said) == 1:
            screen.say("only the log is told: write `webhook` or `command` under [alerts]")
    raise typer.Exit(Code.TEMPORARY if any(said.values()) else Code.OK)


async def _test(settings: Settings) -> dict[str, str]:
    now = time.time_ns() // 1_000
    message: dict[str, Json] = {
        "id": uuid.uuid4().hex,
        "type": "alert.test",
        "kind": "test",
        "subject": "test",
        "sentence": "this is a test: alerts of syncd arrive here",
        "next": "nothing is to be done",
        "since": now,
        "over_at": None,
        "held_back": 0,
    }
    said: dict[str, str] = {}
    for channel in channels_of(settings.alerts):
        try:
            await tell(channel, message, settings.alerts, quiet_log(settings), now)
        except NotTold as error:
            said[channel] = str(error)
        else:
            said[channel] = ""
    return said


def _as_json(notice: Notice) -> dict[str, Json]:
    return {
        "channel": notice.about.channel,
        "kind": notice.about.kind,
        "subject": notice.about.subject,
        "sentence": notice.sentence,
        "next": notice.mend,
        "since": iso(notice.opened_at),
        "told": notice.said == "open",
        "attempts": notice.attempts,
        "held_back": notice.held_back,
    }
