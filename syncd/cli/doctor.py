"""`syncd doctor`: whether everything is fit: credentials, scopes, quotas, clocks, webhooks, the database.

The rule that keeps it true: it changes nothing at a vendor, and its exit code is that of the gravest sign.
It must not know: any vendor, or how signs are come by.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import hearing, screen
from syncd.cli.exits import Code
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.text import iso, value
from syncd.config.findings import suggest
from syncd.connectors.clock import SystemClock
from syncd.core.errors import UserError
from syncd.core.record import SECOND, Json, Micros, SystemName
from syncd.flow.examine import Checkup, Grade, Sign, database_signs, examine
from syncd.flow.home import database_path

app = typer.Typer()

_CODES = {Grade.AUTHENTICATION: Code.AUTHENTICATION, Grade.ERROR: Code.ERROR, Grade.TEMPORARY: Code.TEMPORARY}
_MARKS = {Grade.WELL: "ok", Grade.NOTE: "note", Grade.WARNING: "WARNING", Grade.TEMPORARY: "LATER", Grade.ERROR: "ERROR", Grade.AUTHENTICATION: "CLOSED"}
_STYLES = {Grade.WARNING: "yellow", Grade.TEMPORARY: "yellow", Grade.ERROR: "bold red", Grade.AUTHENTICATION: "bold red"}


@app.command(epilog="Example: syncd doctor ghl")
def doctor(
    system: Annotated[str | None, typer.Argument(metavar="[SYSTEM]", help="One system; else all.", show_default=False)] = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Find out by reading what a vendor's documentation leaves open, and keep it.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Examine every system, the database and this machine; nothing is changed at any vendor."""
    settings = read_settings(config, secrets=True)
    if system is not None and system not in settings.systems:
        meant = suggest(system, settings.systems)
        raise UserError(
            f"no system is called {system!r}", hint=f"did you mean `{meant}`?" if meant else f"configured: {', '.join(settings.systems)}"
        )
    clock = SystemClock()
    wanted = [SystemName(system)] if system is not None else list(settings.systems)
    checkups = anyio.run(partial(examine, settings, wanted, clock, probe=probe))
    machine = database_signs(database_path(settings), clock.now())
    if as_json:
        screen.show_json(
            {"systems": {each.system: _as_json(each) for each in checkups}, "machine": [_sign_as_json(sign) for sign in machine]}
        )
    else:
        for each in checkups:
            _show(each, clock.now())
        screen.show_heading("this machine")
        _show_signs(machine)
    signs = [*machine, *(sign for each in checkups for sign in each.signs)]
    code = next((code for grade, code in _CODES.items() if any(sign.grade is grade for sign in signs)), Code.OK)
    if code is not Code.OK:
        raise typer.Exit(code)


def _show(checkup: Checkup, now: Micros) -> None:
    screen.show_heading(f"{checkup.system} ({checkup.kind})")
    who, quota = checkup.who, checkup.quota
    rows = []
    if who is not None:
        until = f", good until {iso(who.expires_at)}, renews itself" if who.expires_at is not None else ""
        rows.append(["account", f"{who.name} ({who.holder}{until})"])
    if quota is not None:
        left = f"{quota.remaining:,} of {quota.limit:,} calls free"
        today = f", {quota.daily_remaining:,} of {quota.daily_limit:,} today" if quota.daily_limit is not None else ""
        rows.append(["quota", left + today])
    if checkup.skew is not None:
        rows.append(["clock", "agrees with ours" if not checkup.skew else f"{checkup.skew / SECOND:+.1f} s against ours"])
    rows += hearing.rows(checkup.heard, now) or [["webhooks", "none yet"]]
    screen.show_rows(rows)
    _show_signs(checkup.signs)
    for finding in checkup.findings:
        answer = "not known" if finding.answer is None else value(finding.answer)
        screen.show(f"{finding.question} {answer} (`{finding.setting}`): {finding.consequence}", indent=2)


def _show_signs(signs: list[Sign]) -> None:
    for sign in signs:
        screen.show(f"{_MARKS[sign.grade]:<8} {sign.about}: {sign.what}", style=_STYLES.get(sign.grade, ""), indent=2)
        if sign.mend:
            screen.show(sign.mend, indent=11)


def _as_json(checkup: Checkup) -> dict[str, Json]:
    who, quota, granted = checkup.who, checkup.quota, checkup.granted
    return {
        "kind": checkup.kind,
        "account": who.name if who is not None else None,
        "holder": who.holder if who is not None else None,
        "expires_at": iso(who.expires_at) if who is not None else None,
        "scopes": {
            "needed": sorted(checkup.needed),
            "granted": None if granted is None else sorted(granted),
            "missing": None if granted is None else sorted(checkup.needed - granted),
        },
        "quota": None
        if quota is None
        else {
            "limit": quota.limit,
            "remaining": quota.remaining,
            "daily_limit": quota.daily_limit,
            "daily_remaining": quota.daily_remaining,
            "refused_for_s": round(quota.paused_s, 1),
        },
        "clock_skew_s": None if checkup.skew is None else checkup.skew / SECOND,
        "webhooks": hearing.as_data(checkup.heard),
        "findings": [{"setting": each.setting, "answer": each.answer, "consequence": each.consequence} for each in checkup.findings],
        "signs": [_sign_as_json(sign) for sign in checkup.signs],
    }


def _sign_as_json(sign: Sign) -> dict[str, Json]:
    return {"about": sign.about, "grade": sign.grade.value, "what": sign.what, "mend": sign.mend}
