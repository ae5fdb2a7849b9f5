"""`syncd check`: everything that is wrong with a configuration, and with `--online` everything the vendors contradict in it.

The rule that keeps it true: all mistakes at once, each with its line and how to mend it; without `--online` nothing is called.
It must not know: any rule of the configuration.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import online, screen
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, config_path
from syncd.cli.passes import Passes, blind_spots, passes_of, places_of
from syncd.cli.spending import Spending, spending_of
from syncd.cli.text import counted
from syncd.cli.unshown import sentence, unshown
from syncd.config import Finding, Settings
from syncd.config.check import check as check_file
from syncd.config.findings import Findings
from syncd.config.lines import locate
from syncd.connectors.registry import KINDS
from syncd.core.errors import SyncdError
from syncd.core.record import Json
from syncd.flow.home import database_path
from syncd.flow.scopes import needed_scopes
from syncd.store.observations import Place
from syncd.store.tokens import former_keys
from syncd.store.visiting import reading

app = typer.Typer()

OnlineOption = Annotated[bool, typer.Option("--online", help="Also ask the vendors: credentials, custom fields, today's records.")]


@app.command(epilog="Example: syncd check --online")
def check(config: ConfigOption = None, ask_vendors: OnlineOption = False, as_json: JsonOption = False) -> None:
    """Say everything that is wrong with the configuration.

    With --online the vendors are asked too: whether the credentials open the door, whether the custom fields exist, and whether
    today's records can be told apart and read. Nothing is written anywhere. Ends with 3 when there are problems.
    """
    path = config_path(config)
    report = check_file(path, KINDS, environ=os.environ)
    looked = online.Looked()
    if ask_vendors and report.settings is not None:
        quiet_log(report.settings)
        with online.progress(shown=screen.on_terminal()) as progress:
            looked = anyio.run(partial(online.look, report.settings, progress))
    scopes = _scopes(report.settings)
    problems = [*report.problems, *looked.problems]
    notes = [*report.notes, *looked.notes, *_former_keys(report.settings)]
    costs, quotas = _costs(report.settings, looked.listed), _quotas(report.settings)
    hidden = _unshown(report.settings)
    if as_json:
        told = {**_as_json(problems, notes, looked, report.settings, costs), **quotas.as_json(), "unshown": hidden, "scopes": scopes}
        screen.show_json(told)
    else:
        _show(problems, notes, looked, report.settings)
        _show_costs(costs, report.settings)
        for name, paths in hidden.items():
            screen.show(f"note: {sentence(name, paths)}")
        for name, needed in scopes.items():
            screen.show(f"{name}: its token must hold {', '.join(needed)}")
        for line in quotas.sentences():
            screen.show(line)
        for line in quotas.warnings():
            screen.show(f"warning: {line}", style="yellow")
        _conclude(str(path), problems, looked, ask_vendors=ask_vendors, asked=report.settings is not None)
    raise typer.Exit(_code(problems, looked))


def _show(problems: Sequence[Finding], notes: Sequence[Finding], looked: online.Looked, settings: Settings | None) -> None:
    for finding in problems:
        screen.show(f"problem: {finding}")
    for trouble in (*looked.refused, *looked.unreached):
        screen.show(f"problem: {trouble}")
    for finding in notes:
        screen.show(f"note: {finding}")
    for line in looked.facts:
        screen.show(line)
    for system, address in _hooks(settings).items():
        screen.show(f"webhooks of {system}: register {address}")


def _show_costs(costs: Mapping[str, Passes], settings: Settings | None) -> None:
    for name, each in costs.items():
        screen.show(f"{name}: {each.sentence()}")
    for name, misses in _blind_spots(settings).items():
        screen.show(f"{name}: {misses}")


def _costs(settings: Settings | None, listed: Mapping[Place, int]) -> dict[str, Passes]:
    """What listing costs, from what a database knows if there is one that can be read, and from what was `listed` just now."""
    if settings is None:
        return {}
    path = database_path(settings)
    named = {f"{place[0]}/{place[1]}": place for place in places_of(settings)}
    if path.exists():
        with suppress(SyncdError), reading(path) as read:
            return read(lambda tx: {name: passes_of(settings, place, tx, listed) for name, place in named.items()})
    return {name: passes_of(settings, place, None, listed) for name, place in named.items()}


def _unshown(settings: Settings | None) -> dict[str, list[str]]:
    """The fields that wait for being shown, where a database knows of records."""
    if settings is not None and (path := database_path(settings)).exists():
        with suppress(SyncdError), reading(path) as read:
            return read(lambda tx: unshown(settings, tx))
    return {}


def _quotas(settings: Settings | None) -> Spending:
    """What the automations cost, from what came in since yesterday if there is a database that can be read."""
    if settings is None or not settings.automations:
        return Spending()
    path = database_path(settings)
    if path.exists():
        with suppress(SyncdError), reading(path) as read:
            return read(lambda tx: spending_of(settings, tx, time.time_ns() // 1_000))
    return spending_of(settings, None, 0)


def _former_keys(settings: Settings | None) -> Sequence[Finding]:
    """Of each key that tokens once had of their own: whether it is still needed."""
    if settings is None:
        return ()
    named = [name for name, each in settings.systems.items() if KINDS[each.kind].token_key(each.options) is not None]
    path, sealed = database_path(settings), dict.fromkeys(named, "")
    try:
        with reading(path) as read:
            sealed = read(former_keys)
    except SyncdError:
        sealed = sealed if path.exists() else {}
    findings = Findings(str(settings.path), locate(settings.path.read_text("utf-8-sig")))
    for name in named:
        where = ("systems", name, "token_key")
        if name in sealed:
            findings.note(where, "is needed until the tokens are used next: the key of the database then seals them", mend="keep it until this says otherwise")
        else:
            findings.note(where, "is not needed any more: the key of the database seals the tokens", mend="take it away here, and then its file")
    for name in sorted(sealed.keys() & settings.systems.keys() - set(named)):
        findings.note(("systems", name), f"its tokens are sealed with a key of their own, {sealed[name]}", mend="name it as `token_key` once more, or `syncd auth`")
    return findings.notes


def _scopes(settings: Settings | None) -> dict[str, list[str]]:
    """What a token must be granted for the syncs, and for every trigger and step of the automations, by system."""
    return {} if settings is None else {name: found for name in settings.systems if (found := sorted(needed_scopes(settings, name)))}


def _blind_spots(settings: Settings | None) -> dict[str, str]:
    return {} if settings is None else blind_spots(settings)


def _conclude(path: str, problems: Sequence[Finding], looked: online.Looked, *, ask_vendors: bool, asked: bool) -> None:
    if problems:
        unasked = "; the vendors were not asked: mend these first" if ask_vendors and not asked else ""
        screen.say(f"{path}: {counted(len(problems), 'problem')}{unasked}", style="red")
    elif looked.refused or looked.unreached:
        screen.say(f"{path} is right, but not every vendor could be asked", style="red")
    elif ask_vendors:
        screen.say(f"{path} is right, as far as the vendors can be asked", style="green")
    else:
        screen.say(f"{path} is right; `syncd check --online` asks the vendors too", style="green")


def _hooks(settings: Settings | None) -> dict[str, str]:
    if settings is None or not settings.daemon.public_url:
        return {}
    return {name: f"{settings.daemon.public_url}/hooks/{name}" for name in settings.systems}


def _as_json(
    problems: Sequence[Finding], notes: Sequence[Finding], looked: online.Looked, settings: Settings | None, costs: Mapping[str, Passes]
) -> dict[str, Json]:
    return {
        "problems": [_finding(each) for each in problems],
        "notes": [_finding(each) for each in notes],
        "refused": looked.refused,
        "unreached": looked.unreached,
        "facts": looked.facts,
        "webhooks": _hooks(settings),
        "passes": {name: each.as_json() for name, each in costs.items()},
        "misses": _blind_spots(settings),
    }


def _finding(finding: Finding) -> dict[str, Json]:
    return {
        "file": finding.file,
        "line": finding.line,
        "where": finding.where,
        "what": finding.what,
        "suggestion": finding.suggestion,
        "mend": finding.mend,
    }


def _code(problems: Sequence[Finding], looked: online.Looked) -> Code:
    if looked.refused:
        return Code.AUTHENTICATION
    if problems:
        return Code.CONFIG
    return Code.TEMPORARY if looked.unreached else Code.OK
