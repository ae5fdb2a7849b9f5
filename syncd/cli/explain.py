"""`syncd explain`: why a record is what it is.

The rule that keeps it true: a newcomer can read from it who won each field, by which rule and why, and what is still to come.
It must not know: how any of it was found out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from syncd.cli import redacting, screen
from syncd.cli.explaining import explain_meant
from syncd.cli.options import ConfigOption, JsonOption, read_settings
from syncd.cli.redacting import RedactOption
from syncd.cli.text import value
from syncd.cli.whois import who_is
from syncd.config import Settings
from syncd.config.findings import suggest
from syncd.core.errors import UserError
from syncd.core.record import FieldName, Json
from syncd.flow.home import database_path
from syncd.flow.schemas import known_rules
from syncd.store.database import Connection
from syncd.store.visiting import reading

app = typer.Typer()

_OVER = ("done", "cancelled")

RefArgument = Annotated[
    str, typer.Argument(metavar="REF", help="system/collection/id, system/id, an e-mail address or other match key, link/NUMBER.")
]
FieldArgument = Annotated[str | None, typer.Argument(metavar="FIELD", help="Only this field.", show_default=False)]


@app.command(epilog="Example: syncd explain ada@example.com   or   syncd explain ghl/contacts/ve9EPM428h8vShlRW1KT phone")
def explain(
    ref: RefArgument, field: FieldArgument = None, config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False
) -> None:
    """Tell why a record is what it is: each field's value, whose it was, by which rule, what lost, and the story so far."""
    settings = read_settings(config, secrets=False)
    path = database_path(settings)
    if not path.exists():
        raise UserError("nothing has been synced yet", hint="`syncd plan` shows what would be done, `syncd run` starts")
    with reading(path) as read:
        found = read(lambda tx: _explained(tx, settings, ref, field))
    if as_json:
        screen.show_json({"asked": ref, "field": field, "found": found})
        return
    for number, each in enumerate(found):
        if number:
            screen.show()
        _show(each, field)


def _explained(tx: Connection, settings: Settings, ref: str, field: str | None) -> list[dict[str, Json]]:
    rules = known_rules(tx, settings)
    meant = [each for each in who_is(tx, rules, ref) if each.sync in rules]
    if field is None:
        return [explain_meant(tx, rules[each.sync], each) for each in meant]
    having = [each for each in meant if field in rules[each.sync].fields]
    if meant and not having:
        known = sorted({name for each in meant for name in rules[each.sync].fields})
        near = suggest(field, known)
        raise UserError(f"no field is called `{field}`", hint=f"did you mean `{near}`?" if near else f"there are: {', '.join(known)}")
    return [_narrowed(explain_meant(tx, rules[each.sync], each), field) for each in having]


def _narrowed(told: dict[str, Json], field: str) -> dict[str, Json]:
    """What concerns one field."""
    wanted = FieldName(field)
    return {
        **told,
        "fields": {name: each for name, each in told["fields"].items() if name == wanted},
        "holds": [each for each in told["holds"] if each["field"] in (None, wanted)],
        "writes": [each for each in told["writes"] if wanted in each["values"] or not each["values"]],
        "story": [each for each in told["story"] if _concerns(each["detail"], wanted)],
    }


def _concerns(detail: Mapping[str, Json], field: FieldName) -> bool:
    if "field" in detail:
        return bool(detail["field"] == field)
    return "values" not in detail or not detail["values"] or field in detail["values"]


def _show(told: Mapping[str, Json], field: str | None) -> None:
    number = f"link {told['link']}, {told['state']}, revision {told['revision']}" if told["link"] is not None else told["state"]
    screen.show(f"{redacting.value(told['about']) or 'a record without match keys'}  (sync {told['sync']}, {number})", style="bold")
    if told["why_not_linked"]:
        screen.show(f"why it is not linked: {told['why_not_linked']}", style="yellow")
    if field is None:
        _show_members(told["members"])
    if told["link"] is None:
        screen.show_heading("what it shows")
        screen.show_rows([[name, value(each["shows"])] for name, each in told["fields"].items()])
    else:
        screen.show_heading("fields")
        for name, each in told["fields"].items():
            _show_field(name, each)
    _show_open(told)
    if told["story"]:
        screen.show_heading("the story (times are UTC)")
        for entry in told["story"]:
            screen.show(f"{entry['at'][:19].replace('T', ' ')}  {entry['told']}", indent=2)


def _show_members(members: Mapping[str, Mapping[str, Json]]) -> None:
    screen.show_heading("records")
    rows = []
    for name, each in members.items():
        seen = f"last seen {each['seen_at'][:19].replace('T', ' ')} UTC" if each["seen_at"] else "never seen"
        gone = f"GONE: {'; '.join(each['evidence'])}" if each["gone"] else ""
        rows.append([name, each["ref"] or "no record here", seen if each["ref"] else "", gone])
    screen.show_rows(rows)


def _show_field(name: str, each: Mapping[str, Json]) -> None:
    if not each["known"]:
        screen.show(f"{name}: not agreed yet", indent=2)
    else:
        came = [f"from {each['winner']}"] if each["winner"] else []
        came += [each["rule"]] if each["rule"] else []
        screen.show(f"{name}: {value(each['value'])}" + (f"   {', '.join(came)}" if came else ""), indent=2, style="cyan")
    if each["when"]:
        screen.show(each["when"], indent=6)
    if each["decided_at"]:
        seen = f", seen by {each['cause']}" if each["cause"] else ""
        other = f", by {each['decided_by']}" if each["decided_by"] and each["decided_by"] != each["rule"] else ""
        screen.show(f"decided {each['decided_at'][:19].replace('T', ' ')} UTC{seen}{other}", indent=6)
    for member, lost in each["losers"].items():
        screen.show(f"lost: {member} said {value(lost)}", indent=6, style="yellow")
    plain = [member for member, side in each["members"].items() if _side(side, each["value"]) == ""]
    if plain:
        screen.show(f"shown by {' and '.join(plain)}", indent=6)
    for member, side in each["members"].items():
        if member not in plain:
            screen.show(f"{member} {_side(side, each['value'])}", indent=6)


def _side(side: Mapping[str, Json], agreed: Json) -> str:
    """How what a member shows differs from the agreed value; empty where it does not."""
    if side["unreadable"]:
        return f"shows {value(side['shows'])}, which cannot be read: {side['unreadable']}"
    if not side["shown"]:
        return "does not show it"
    behind = not side["has_agreed"] or side["agreed"] != agreed
    if side["shows"] == agreed:
        return ""
    said = f"shows {value(side['shows'])}"
    if side["has_base"] and side["base"] != side["shows"]:
        said += f", and showed {value(side['base'])} when this was decided"
    return said + ("; it has not taken the agreed value over yet" if behind else ", its own way of saying the agreed value")


def _show_open(told: Mapping[str, Json]) -> None:
    """What waits: for a person, or for the writer."""
    if told["holds"]:
        screen.show_heading("waits for you")
        for each in told["holds"]:
            about = f", {each['field']}" if each["field"] else ""
            answered = f" ({each['state']}: {each['choice']})" if each["state"] != "open" else ""
            screen.show(f"hold {each['number']}, {each['kind']}{about}: {each['reason']}{answered}", indent=2, style="yellow")
    waiting = [each for each in told["writes"] if each["state"] not in _OVER]
    if waiting:
        screen.show_heading("writes not done")
        for each in waiting:
            values = ", ".join(f"{name} {value(held)}" for name, held in each["values"].items())
            error = f"; {each['error']}" if each["error"] else ""
            screen.show(f"{each['operation']} in {each['member']}, {each['state']}: {values}{error}", indent=2)
