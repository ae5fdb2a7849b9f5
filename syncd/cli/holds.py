"""`syncd holds`: decisions that wait for a person, and answering them.

The rule that keeps it true: the list says what is asked, what each side has to say, and the very commands that answer it.
It must not know: what follows from an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated

import anyio
import typer

from syncd.cli import asking, screen
from syncd.cli.describe import read_ref, record_in_words
from syncd.cli.exits import Code
from syncd.cli.logs import quiet_log
from syncd.cli.options import ConfigOption, JsonOption, not_before_command, read_settings
from syncd.cli.owed import label_of
from syncd.cli.redacting import RedactOption
from syncd.cli.text import counted, iso, value
from syncd.config import Settings
from syncd.core.errors import UserError
from syncd.core.outcome import HoldKind
from syncd.core.record import Json, Ref, SyncName
from syncd.core.rules import SyncRules
from syncd.flow.answering import IGNORE, answer_hold
from syncd.flow.answers import APPROVE
from syncd.flow.holding import KINDS
from syncd.flow.home import database_path
from syncd.flow.reverting import REVERT
from syncd.flow.schemas import known_rules
from syncd.store import holds, links
from syncd.store.database import Connection
from syncd.store.holds import Held, HoldState
from syncd.store.visiting import look

app = typer.Typer(invoke_without_command=True)

_APPROVED = {
    *(HoldKind.FIRST_RUN, HoldKind.LISTING, HoldKind.MERGE, HoldKind.UNKNOWN_CREATE),
    *(HoldKind.UNKNOWN_STEP, HoldKind.MISSING_VALUE, HoldKind.AUTOMATION_LOOP),
}
_GATES = {HoldKind.GUARD, HoldKind.OSCILLATION}
_MENDED = {HoldKind.UNREADABLE, HoldKind.UNMAPPABLE, HoldKind.REQUIRED, HoldKind.NOT_STORED}
_SHOWN_MAX = 200

NumbersArgument = Annotated[list[int] | None, typer.Argument(metavar="NUMBER", show_default=False)]
KindOption = Annotated[
    HoldKind | None, typer.Option("--kind", help="Every open hold of this kind.", show_default=False, metavar="KIND")
]


@app.callback(epilog="Example: syncd holds approve 3")
def start(
    context: typer.Context, config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False
) -> None:
    """List the decisions that wait for you, or answer them (approve, pick, revert, ignore)."""
    if context.invoked_subcommand is None:
        list_holds(config=config, as_json=as_json)
    not_before_command(context, config=config, as_json=as_json)


@app.command("list", epilog="Example: syncd holds list --json")
def list_holds(config: ConfigOption = None, as_json: JsonOption = False, _redact: RedactOption = False) -> None:
    """List the decisions that wait for you."""
    settings = read_settings(config, secrets=False)
    found: list[dict[str, Json]] = look(database_path(settings), lambda tx: _gathered(tx, settings), [])
    if as_json:
        screen.show_json(found)
        return
    for each in found[:_SHOWN_MAX]:
        _show(each)
    if len(found) > _SHOWN_MAX:
        screen.say(f"… and {len(found) - _SHOWN_MAX:,} more (--json shows all)")
    screen.say(f"{counted(len(found), 'decision waits', 'decisions wait')} for you" if found else "nothing waits for you")


@app.command(epilog="Example: syncd holds approve 3   or   syncd holds approve --kind first_run")
def approve(
    numbers: NumbersArgument = None, kind: KindOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Let what waits go ahead: a first run, a tripped guard, a short listing, a deletion, a merge."""
    settings = read_settings(config, secrets=False)
    _answer_all(settings, _chosen(settings, numbers, kind), APPROVE, as_json=as_json)


@app.command(epilog="Example: syncd holds pick 4 octopus")
def pick(
    number: Annotated[int, typer.Argument(metavar="NUMBER")],
    choice: Annotated[str, typer.Argument(metavar="CHOICE", help="A member, a record, `new`, or what to do about a deletion.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a question: whose value wins, which record it is, what to do about a deletion."""
    _answer_all(read_settings(config, secrets=False), [number], choice, as_json=as_json)


@app.command(epilog="Example: syncd holds revert 7")
def revert(
    numbers: NumbersArgument = None, kind: KindOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Undo, where it came from, what a guard has stopped: changed values are put back, deleted records made again."""
    settings = read_settings(config, secrets=False)
    _answer_all(settings, _chosen(settings, numbers, kind), REVERT, as_json=as_json)


@app.command(epilog="Example: syncd holds ignore 5 6")
def ignore(
    numbers: NumbersArgument = None, kind: KindOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Leave things as they are, until the question changes."""
    settings = read_settings(config, secrets=False)
    _answer_all(settings, _chosen(settings, numbers, kind), IGNORE, as_json=as_json)


def _chosen(settings: Settings, numbers: Sequence[int] | None, kind: HoldKind | None) -> list[int]:
    if numbers and kind is None:
        return list(dict.fromkeys(numbers))
    if numbers or kind is None:
        raise typer.BadParameter("name holds by their numbers, or all of a kind with --kind")
    held: list[Held] = look(database_path(settings), lambda tx: holds.select(tx, [HoldState.OPEN], limit=1_000_000), [])
    return [each.id for each in held if each.kind is kind]


def _answer_all(settings: Settings, numbers: Iterable[int], choice: str, *, as_json: bool) -> None:
    """Gives one answer to several holds; one that does not fit does not keep the others from being answered."""
    log, said, refused = quiet_log(settings), [], False
    if not database_path(settings).exists():
        raise UserError("nothing waits for you: there is no database yet", hint="`syncd run` or `syncd reconcile` makes it")
    for number in numbers:
        try:
            told = anyio.run(
                partial(
                    asking.answer,
                    settings,
                    "hold",
                    {"hold": number, "choice": choice},
                    partial(answer_hold, number=number, choice=choice),
                    log=log,
                )
            )
            said.append({"hold": number, "ok": True, "said": told})
        except UserError as error:
            refused = True
            said.append({"hold": number, "ok": False, "said": error.message, "hint": error.hint})
            screen.show_error(error)
        if not as_json and said[-1]["ok"]:
            screen.show(f"hold {number}: {said[-1]['said']}")
    if as_json:
        screen.show_json(said)
    elif not said:
        screen.say("nothing waits for you")
    if any(each["ok"] for each in said) and not asking.daemon_runs(settings):
        screen.say("it takes effect with the next `syncd run` or `syncd reconcile`")
    raise typer.Exit(Code.ERROR if refused else Code.OK)


def _gathered(tx: Connection, settings: Settings) -> list[dict[str, Json]]:
    rules = known_rules(tx, settings)
    held = holds.select(tx, [HoldState.OPEN, HoldState.ANSWERED], limit=1_000_000)
    whole = links.load(tx, [each.link for each in held if each.link is not None])
    labels = {number: label_of(rules.get(link.sync), link.values()) for number, link in whole.items()}
    return [_as_json(tx, each, rules, labels.get(each.link, "") if each.link is not None else "") for each in held]


def _as_json(tx: Connection, held: Held, rules: Mapping[SyncName, SyncRules], label: str) -> dict[str, Json]:
    return {
        "number": held.id,
        "kind": held.kind.value,
        "sync": held.sync,
        "link": held.link,
        "about": label or (str(held.record_id) if held.kind in KINDS else _record(tx, held, rules)),
        "member": held.member,
        "record": held.record_id,
        "field": held.field,
        "reason": held.reason,
        "sides": dict(held.sides),
        "candidates": {
            str(ref): record_in_words(tx, rules.get(held.sync), str(ref)) for ref in held.sides.get("candidates") or ()
        },
        "state": held.state.value,
        "since": iso(held.created_at),
        "fits": _fits(held, rules.get(held.sync)),
    }


def _record(tx: Connection, held: Held, rules: Mapping[SyncName, SyncRules]) -> str:
    sync = rules.get(held.sync)
    if held.member is None or held.record_id is None or sync is None or held.member not in sync.members:
        return ""
    member = sync.members[held.member]
    return record_in_words(tx, sync, f"{member.system}/{member.collection}/{held.record_id}")


def _fits(held: Held, rules: SyncRules | None) -> list[str]:
    """The commands that answer it."""
    if held.state is HoldState.ANSWERED:
        return []
    ignore_it = f"syncd holds ignore {held.id}"
    match held.kind:
        case HoldKind.CONFLICT:
            return [*(f"syncd holds pick {held.id} {member}" for member in sorted(held.sides)), ignore_it]
        case HoldKind.AMBIGUOUS:
            ids = [ref.id for ref in map(read_ref, held.sides.get("candidates") or ()) if not _is_twin(held, ref, rules)]
            return [*(f"syncd holds pick {held.id} {each}" for each in ids), f"syncd holds pick {held.id} new", ignore_it]
        case HoldKind.DELETE:
            return [f"syncd holds pick {held.id} {rule}" for rule in ("archive", "propagate", "unlink")] + [ignore_it]
        case HoldKind.FIRST_RUN:
            return [f"syncd holds approve {held.id}"]
        case kind if kind in _GATES:
            return [f"syncd holds approve {held.id}", f"syncd holds revert {held.id}", ignore_it]
        case kind if kind in _APPROVED:
            return [f"syncd holds approve {held.id}", ignore_it]
        case kind if kind in _MENDED:
            return ["mend the value at the vendor, or the mapping, and it closes by itself", ignore_it]
        case _:
            return [ignore_it]


def _is_twin(held: Held, ref: Ref, rules: SyncRules | None) -> bool:
    """A record of the same member cannot be what this one is: the two are doubles at the vendor, for a person to merge there."""
    if rules is None or held.member is None or held.member not in rules.members:
        return False
    member = rules.members[held.member]
    return (member.system, member.collection) == (ref.system, ref.collection)


def _show(each: Mapping[str, Json]) -> None:
    about = " · ".join(str(each[name]) for name in ("sync", "about", "member", "field") if each[name])
    screen.show(f"{each['number']}  {each['kind']}  {about}", style="bold")
    screen.show(each["reason"], indent=4)
    for ref, told in each["candidates"].items():
        screen.show(f"{ref}: {told or 'not seen'}", indent=4)
    for side, held in each["sides"].items():
        if side not in ("candidates", "sample", "survivor", "values"):
            screen.show(f"{side}: {value(held)}", indent=4)
    for name in ("sample", "survivor", "values"):
        if each["sides"].get(name):
            screen.show(f"{name}: {value(each['sides'][name])}", indent=4)
    if each["state"] == HoldState.ANSWERED.value:
        screen.show("answered; it is carried out with the next plan", indent=4, style="dim")
    for command in each["fits"]:
        screen.show(f"→ {command}", indent=4, style="green")
