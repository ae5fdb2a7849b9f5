"""`syncd auth`: has a person let us into a system, and keeps the tokens that come of it.

The rule that keeps it true: a code is never an argument, for others can read arguments; no token is ever shown.
It must not know: any vendor, or how tokens are kept.
"""

from __future__ import annotations

import secrets
import sys
import webbrowser
from typing import Annotated

import anyio
import typer

from syncd.cli import asking, screen
from syncd.cli.exits import NotNow
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import iso
from syncd.config import Settings
from syncd.config.findings import suggest
from syncd.connectors.clock import SystemClock
from syncd.connectors.kind import Obtained
from syncd.core.errors import UserError
from syncd.core.record import Json, SystemName
from syncd.flow.consent import can_come_back, code_in, coming_back, consent_of, obtain
from syncd.flow.home import database_path
from syncd.flow.scopes import needed_scopes
from syncd.store import control
from syncd.store.master import source_of
from syncd.store.tokens import check_key
from syncd.store.visiting import reading

app = typer.Typer()


@app.command(epilog="Example: syncd auth ghl")
def auth(
    system: Annotated[str, typer.Argument(metavar="SYSTEM", help="The system as the configuration names it.")],
    paste: Annotated[
        bool, typer.Option("--paste", help="Read the address you are sent back to (or the code in it) from standard input.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser", help="Open the address in this machine's browser.")] = False,
    wait_s: Annotated[float, typer.Option("--wait", metavar="SECONDS", min=1, help="How long to wait for you to come back.")] = 600.0,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let syncd into a system by OAuth: you agree in a browser, and the tokens are kept, sealed with the key of the database.

    Where the configuration's `redirect_uri` is on this machine you are sent back here; else bring the address along with --paste.
    """
    name = SystemName(system)
    plain = read_settings(config, secrets=False)
    if name not in plain.systems:
        meant = suggest(system, plain.systems)
        raise UserError(
            f"no system is called {system!r}", hint=f"did you mean `{meant}`?" if meant else f"configured: {', '.join(plain.systems)}"
        )
    consent_of(plain, name)
    settings = read_settings(config, secrets=True)
    path = database_path(settings)
    # Before anybody agrees: what he agrees to could not be asked for again.
    had_key = check_key(path)
    obtained = anyio.run(_authorize, settings, name, paste, browser, wait_s)
    if not had_key:
        screen.say(f"made {source_of(path).file}, the key of the database, which seals the tokens too: keep a copy of it apart")
    anyio.run(_resume, settings, name)
    _show(settings, name, obtained, as_json=as_json)


async def _authorize(settings: Settings, system: SystemName, paste: bool, browser: bool, wait_s: float) -> Obtained:
    consent, options = consent_of(settings, system)
    state = secrets.token_urlsafe(32)
    url, back = consent.url(options, needed_scopes(settings, system), state), consent.redirect_uri(options)
    if not paste and not can_come_back(back):
        screen.say(f"you will be sent to {back}; bring that address along here")
        paste = True
    if paste:
        _point(url, browser=browser)
        screen.say("then paste the address you were sent to:")
        brought = await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        return await obtain(settings, system, code_in(brought, state), SystemClock())
    async with coming_back(back, state) as code:
        _point(url, browser=browser)
        try:
            with anyio.fail_after(wait_s):
                came = await code()
        except TimeoutError:
            raise NotNow(f"nobody came back within {wait_s:.0f} s", hint="run it again, or with --paste") from None
    return await obtain(settings, system, came, SystemClock())


def _point(url: str, *, browser: bool) -> None:
    screen.say("open this address and agree:")
    screen.say(url)
    if browser:
        webbrowser.open(url)


async def _resume(settings: Settings, system: SystemName) -> None:
    """A daemon that had paused the system goes on with it."""
    if not asking.daemon_runs(settings):
        return
    with reading(database_path(settings)) as read:
        row, closed = read(lambda tx: (control.systems(tx).get(system), control.paused_collections(tx)))
    if (row is not None and row.paused is not None) or any(name == system for name, _ in closed):
        result = await asking.ask_daemon(settings, "resume", {"system": system}, timeout_s=asking.ANSWER_S)
        screen.say(str(result["said"]))


def _show(settings: Settings, system: SystemName, obtained: Obtained, *, as_json: bool) -> None:
    missing = sorted(needed_scopes(settings, system) - obtained.scopes)
    if as_json:
        told: Json = {
            "system": system,
            "holder": obtained.holder,
            "account": obtained.account,
            "scopes": sorted(obtained.scopes),
            "missing_scopes": missing,
            "expires_at": iso(obtained.expires_at),
        }
        screen.show_json(told)
        return
    screen.show(f"{system} is open to syncd: {obtained.holder} {obtained.account}; the tokens renew themselves")
    if missing:
        screen.say(f"these scopes were not granted, and the configuration needs them: {', '.join(missing)}", style="yellow")
