"""`syncd status`: how things stand, from the store alone.

The rule that keeps it true: it works while the daemon runs and while it does not, and never changes anything.
It must not know: how the state came to be.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import typer

from syncd.cli import hearing, screen
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.passes import passes_of, places_of, reading_now
from syncd.cli.state import state_of
from syncd.cli.text import ago, counted, duration, iso, moment
from syncd.config import Settings
from syncd.core.record import SECOND, Json, Micros, SystemName
from syncd.flow.home import database_path
from syncd.store import arrivals
from syncd.store.arrivals import Hearsay
from syncd.store.database import is_owned
from syncd.store.visiting import reading

app = typer.Typer()

_NAMED_MAX = 5
ASK_S = 1.0
"""How long the running daemon has to say whether it is ready."""

_REBASING = {
    "restored": "re-basing: this is an older copy of the database",
    "lost": "re-basing: the database that was here is gone, and this is a new one",
}
_TIMES = ("polled_at", "complete_at", "cursor_at", "approved_at", "unverified_since", "heard_at", "listed_again_at")


@app.command(epilog="Example: syncd status --json | jq .holds")
def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how things stand: systems, collections, links, writes, holds, failures.

    Reads the database only, so it is safe at any time, with the daemon running or not.
    """
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    running = is_owned(path)
    about = {"config": str(settings.path), "database": str(path), "daemon": "running" if running else "not running"}
    if running and (trouble := _trouble(settings)):
        about |= {"daemon": f"running, but not ready: {trouble}", "trouble": trouble}
    if not path.exists():
        _show_nothing_yet(about, as_json=as_json)
        return
    with reading(path) as read:
        state, heard = read(lambda tx: (state_of(tx, settings), {name: arrivals.heard_from(tx, name) for name in settings.systems}))
        costs = read(lambda tx: {f"{place[0]}/{place[1]}": passes_of(settings, place, tx) for place in places_of(settings)})
    if as_json:
        screen.show_json({**about, "exists": True, **_with_iso(state)})
    else:
        costly = {name: each.sentence() for name, each in costs.items()}
        _show(about, state, heard, settings, costly, time.time_ns() // 1_000)


def _trouble(settings: Settings) -> str | None:
    """Why the running daemon is not ready, in its own words; None where it is, or where it cannot be asked."""
    listen = settings.daemon.listen
    if listen is None or not listen.port:
        return None
    try:
        with urlopen(f"http://{listen.host}:{listen.port}/readyz", timeout=ASK_S):
            return None
    except HTTPError as error:
        return error.read(200).decode(errors="replace").strip() or f"it answers {error.code}"
    except (URLError, TimeoutError):
        return "it does not answer"


def _show_nothing_yet(about: Mapping[str, str], *, as_json: bool) -> None:
    if as_json:
        screen.show_json({**about, "exists": False})
        return
    screen.show(f"nothing has been synced yet: there is no database {about['database']}")
    screen.show("next: `syncd plan` shows what would be done, `syncd run` starts")
    screen.say('(if the service keeps its state elsewhere, say so: `state = "/var/lib/syncd"` under [daemon])')


def _forgotten(counts: Mapping[str, int]) -> str:
    return f"{counted(counts['people'], 'person', 'persons')}, kept out {counts['kept_out']:,} times since"


def _with_iso(state: Json) -> Json:
    """The same with times as programs read them."""
    if isinstance(state, dict):
        return {key: iso(held) if key in _TIMES else _with_iso(held) for key, held in state.items()}
    return [_with_iso(each) for each in state] if isinstance(state, list) else state


def _show(
    about: Mapping[str, str],
    state: Mapping[str, Json],
    heard: Mapping[SystemName, Hearsay],
    settings: Settings,
    costs: Mapping[str, str],
    now: Micros,
) -> None:
    screen.show(f"daemon     {about['daemon']}", style="" if about["daemon"] == "running" else "yellow")
    screen.show(f"config     {about['config']}")
    screen.show(f"database   {about['database']}")
    if state["rebasing"]:
        screen.show(f"           {_REBASING[state['rebasing']]}; everything is read completely before anything is written", style="yellow")
    _show_systems(state)
    _show_heard(heard, now)
    _show_collections(state, costs, now)
    _show_syncs(state, now)
    _show_work(state)
    _show_outcomes(state)
    _show_automations(state)
    for line in _next_steps(state, settings):
        screen.show(f"next: {line}", style="yellow")


def _show_systems(state: Mapping[str, Json]) -> None:
    screen.show_heading("systems")
    rows = []
    for name, each in state["systems"].items():
        quota = each["quota"]
        left = f"{quota['remaining']:,} of {quota['limit']:,} calls free"
        if quota["daily_limit"] is not None:
            left += f", {quota['daily_remaining']:,} of {quota['daily_limit']:,} today"
        if quota["refused_for_s"]:
            left += f", refused for {duration(quota['refused_for_s'])}"
        paused = f"PAUSED: {each['paused']}" if each["paused"] else "in use" if each["account"] else "never used"
        rows.append([name, each["kind"], paused, left])
    screen.show_rows(rows)
    for name, each in state["systems"].items():
        for found in each["findings"]:
            if found["answer"] is None:
                what = f"{name}: {found['question']} Not known yet: {found['consequence']} (`{found['setting']}`; `syncd doctor {name} --probe`)"
                screen.show(what, indent=2)


def _show_heard(heard: Mapping[SystemName, Hearsay], now: Micros) -> None:
    rows = [[name, *row] for name, each in heard.items() for row in hearing.rows(each, now)]
    if rows:
        screen.show_heading("webhooks")
        screen.show_rows(rows)


def _not_believed(each: Mapping[str, Json], now: Micros) -> str:
    """A listing that is doubted, and when it is made again."""
    often = each["not_believed"]
    told = "the last listing was not believed" if often == 1 else f"the last {often:,} listings were not believed"
    again = each["listed_again_at"]
    if again is None:
        return told
    return f"{told}; all are listed again {'now' if again <= now else f'in {duration((again - now) / SECOND)}'}"


def _show_collections(state: Mapping[str, Json], costs: Mapping[str, str], now: Micros) -> None:
    screen.show_heading("collections")
    rows = []
    for name, each in state["collections"].items():
        rows.append([
            name,
            f"{each['records']:,}",
            ago(each["polled_at"], now),
            ago(each["complete_at"], now),
            ago(each["cursor_at"], now),
            _reading(each["reading"]) if each["reading"] else "",
        ])
    screen.show_rows(rows, head=["", "records", "polled", "all listed", "newest change read", "reading now"])
    for name, each in state["collections"].items():
        if each["paused"]:
            screen.show(f"{name}: PAUSED: {each['paused']}", style="yellow", indent=2)
        if each["not_believed"]:
            screen.show(f"{name}: {_not_believed(each, now)}", style="yellow", indent=2)
        screen.show(f"{name}: {costs[name]}", indent=2)
        if each["misses"]:
            screen.show(f"{name}: {each['misses']}", style="yellow", indent=2)
        for line in _left_out(each["left_out"]):
            screen.show(f"{name}: {line}", style="yellow", indent=2)
        if (doubts := _unproven(each, now)) is not None:
            screen.show(f"{name}: {doubts}", style="yellow", indent=2)


def _unproven(each: Mapping[str, Json], now: Micros) -> str | None:
    """What is not known of a collection behind flows; None for any other."""
    if each["not_acknowledged"] is None:
        return None
    told = "nothing was ever heard of it"
    if each["heard_at"] is not None:
        told = f"unverified since {moment(each['unverified_since'])}; last heard of {ago(each['heard_at'], now)}"
    told += f"; {counted(each['not_acknowledged'], 'hand-off')} not acknowledged" if each["not_acknowledged"] else ""
    return told + (f"; {counted(each['not_accepted'], 'hand-off')} that no hook accepts: switch its flow on" if each["not_accepted"] else "")


def _left_out(left: Mapping[str, Json]) -> list[str]:
    """What cannot be taken: how many, the first of them by name."""
    named = left["records"][:_NAMED_MAX]
    lines = [f"{each['name']} is left out: {each['why']}; {each['mend']}" for each in named]
    return lines + ([f"{left['count'] - len(named):,} more are left out: `syncd status --json` names them"] if left["count"] > len(named) else [])


def _reading(reading: Mapping[str, Json]) -> str:
    left_s = reading["left_s"]
    return reading_now(reading) + (f", about {duration(left_s)} by the quota" if left_s is not None and left_s >= 1 else "")


def _show_syncs(state: Mapping[str, Json], now: Micros) -> None:
    screen.show_heading("syncs")
    rows = []
    for name, each in state["syncs"].items():
        links = each["links"]
        ended = ", ".join(f"{count:,} {kind}" for kind, count in sorted(links.items()) if kind != "live")
        first = f"approved {ago(each['approved_at'], now)}" if each["approved_at"] else "not approved"
        ready = "yes" if each["listed_completely"] else "not yet: first every record must have been listed"
        rows.append([
            name, f"{links.get('live', 0):,}" + (f" ({ended})" if ended else ""), f"{each['plans_waiting']:,}", first, ready
        ])
    screen.show_rows(rows, head=["", "links", "to plan", "first run", "matching"])


def _show_work(state: Mapping[str, Json]) -> None:
    screen.show_heading("work")
    writes = ", ".join(f"{count:,} {kind}" for kind, count in sorted(state["writes"].items())) or "none yet"
    held = ", ".join(f"{count:,} {kind}" for kind, count in sorted(state["holds"].items())) or "none"
    rows = [["writes", writes], ["holds", held], ["failures", f"{state['failures']:,}" if state["failures"] else "none"]]
    rows += [["events waiting", f"{state['events_waiting']:,}"]] if state["events_waiting"] else []
    rows += [["forgotten", _forgotten(state["forgotten"])]] if state["forgotten"]["people"] else []
    rows += [["look deleted", f"{state['looking_deleted']:,}"]] if state["looking_deleted"] else []
    rows += [["requests", ", ".join(f"{each['kind']} ({each['state']})" for each in state["requests"])]] if state["requests"] else []
    screen.show_rows(rows)


def _show_outcomes(state: Mapping[str, Json]) -> None:
    outcomes = state["outcomes"]
    screen.show_heading(f"outcomes: {outcomes['sum']:,} looks at records")
    screen.show_rows([[each["sync"], each["outcome"], f"{each['count']:,}", each["reason"]] for each in outcomes["each"]])


def _show_automations(state: Mapping[str, Json]) -> None:
    if not state["automations"]:
        return
    screen.show_heading("automations")
    columns = ("events", "begun", "done", "waiting", "failed", "held")
    screen.show_rows(
        [[name, *(f"{each[column]:,}" for column in columns)] for name, each in state["automations"].items()],
        head=["", "events", "runs begun", "done", "waiting", "failed", "held"],
    )
    for name, each in state["automations"].items():
        if each["paused"]:
            screen.show(f"{name}: PAUSED: {each['paused']}", style="yellow", indent=2)
        if each["set_nothing_off"]:
            why = ", ".join(f"{count:,} {reason}" for reason, count in each["set_nothing_off"].items())
            screen.show(f"{name}: set nothing off: {why}", indent=2)


def _next_steps(state: Mapping[str, Json], settings: Settings) -> list[str]:
    steps = [
        f"{name} is paused; mend its credential, then `syncd resume {name}`"
        for name, each in state["systems"].items()
        if each["paused"]
    ]
    steps += [
        f"{name} is paused, and the rest goes on; let the credential open it, then `syncd resume {name.partition('/')[0]}`"
        for name, each in state["collections"].items()
        if each["paused"]
    ]
    if "first_run" in state["holds"]:
        steps.append("the first writes wait for you: `syncd plan`, then `syncd holds`")
    elif state["holds"]:
        steps.append(f"{counted(sum(state['holds'].values()), 'decision waits', 'decisions wait')} for you: `syncd holds`")
    if state["failures"]:
        steps.append(f"{counted(state['failures'], 'write')} failed: `syncd failures`")
    if failed := sum(each["failed"] for each in state["automations"].values()):
        steps.append(f"{counted(failed, 'run')} of automations failed: `syncd failures`")
    if not settings.syncs:
        steps.append("there is no sync in the configuration")
    return steps
