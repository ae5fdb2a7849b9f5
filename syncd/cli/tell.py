"""Journal rows in sentences.

The rule that keeps it true: a row tells by itself what happened, to whom and why; a kind of row that is not known yet is shown as it is.
It must not know: where rows come from, or where they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.cli import redacting
from syncd.cli.text import iso, moment, value
from syncd.core.record import Json
from syncd.store.journal import Entry

_DONE = {"create": "was created", "update": "was updated", "archive": "was archived", "delete": "was deleted"}


def tell(entry: Entry) -> str:
    """What happened, in a sentence."""
    detail, member = entry.detail, entry.member or ""
    match entry.kind:
        case "link.created":
            return f"first seen: {_refs(detail)}; a new link"
        case "link.joined":
            return f"linked by {detail.get('by', 'their keys')}: {_refs(detail)}"
        case "link.ended":
            return _ended(detail)
        case "field.decided":
            return _decided(detail)
        case "write.done":
            how = "" if detail.get("how") in ("created", "updated", "deleted") else f" ({detail.get('how')})"
            said = f"{member} {_DONE.get(str(detail.get('operation')), str(detail.get('operation')))}{how}"
            return f"{said}: {_values(detail.get('values') or {})}{_differently_shown(detail)}"
        case "write.adopted":
            return f"{member} had the record already: {detail.get('ref')} ({detail.get('how')})"
        case "write.held":
            return f"{member} waits for you: {detail.get('reason')}"
        case "write.failed":
            return f"{member} refused {_values(detail.get('values') or {})}: {detail.get('error')}"
        case "person.asked":
            said = ", ".join(f"{name} {value(held)}" for name, held in detail.items() if name not in ("by", "asked"))
            return f"{detail.get('by')} asked: {detail.get('asked')}" + (f" ({said})" if said else "")
        case kind if kind.startswith("automation."):
            return _automated(entry)
        case _:
            return f"{entry.kind} {value(dict(detail))}"


def line(entry: Entry, run_kind: str = "") -> str:
    """The row in a line: when, which link, what happened."""
    about = f"{entry.sync} link {entry.link}" if entry.link is not None else entry.sync
    return f"{moment(entry.at)}  #{entry.id}  {about or 'syncd'}  {tell(entry)}" + (f"  [{run_kind}]" if run_kind else "")


def entry_as_json(entry: Entry) -> dict[str, Json]:
    """The row whole."""
    return {
        "number": entry.id,
        "at": iso(entry.at),
        "run": entry.run_id,
        "sync": entry.sync,
        "link": entry.link,
        "kind": entry.kind,
        "member": entry.member,
        "record": entry.record_id,
        "detail": dict(entry.detail),
        "told": tell(entry),
    }


def between(interval: Json) -> str:
    """When a change was made, as far as that is known."""
    if not interval:
        return ""
    since, until = interval
    return f"changed before {moment(until)}" if since is None else f"changed between {moment(since)} and {moment(until)}"


def _refs(detail: Mapping[str, Json]) -> str:
    return " = ".join(str(ref) for ref in (detail.get("refs") or {}).values())


def _values(values: Mapping[str, Json]) -> str:
    return ", ".join(f"{name} {value(held)}" for name, held in values.items()) or "nothing"


def _ended(detail: Mapping[str, Json]) -> str:
    why = "; ".join([*map(str, detail.get("notes") or ()), *("; ".join(map(str, each)) for each in detail.get("evidence") or ())])
    return f"the link is {detail.get('state')}" + (f": {why}" if why else "")


def _decided(detail: Mapping[str, Json]) -> str:
    before = f"{value(detail.get('before'))} → " if detail.get("before") is not None else ""
    said = f"{detail.get('field')}: {before}{value(detail.get('value'))}"
    said += f", from {detail['winner']}" if detail.get("winner") else ""
    said += f" ({detail.get('rule')})" if detail.get("rule") else ""
    lost = ", ".join(f"{member} said {value(held)}" for member, held in (detail.get("losers") or {}).items())
    said += f"; lost: {lost}" if lost else ""
    return said + (f"; seen by {detail['cause']}" if detail.get("cause") else "")


def _differently_shown(detail: Mapping[str, Json]) -> str:
    sent, shown = detail.get("values") or {}, detail.get("shown") or {}
    other = {name: held for name, held in shown.items() if held != sent.get(name)}
    return f"; it now shows {_values(other)}" if other else ""


def _automated(entry: Entry) -> str:
    detail = entry.detail
    about = f"automation {detail.get('automation')}" + (f", run {detail['run']}" if "run" in detail else "")
    match entry.kind:
        case "automation.begun":
            return f"{about} began: {detail.get('subject')} was {detail.get('what')}, by a {detail.get('origin')}"
        case "automation.step":
            return f"{about} did {detail.get('did')}"
        case "automation.alert":
            return f"{about}: {redacting.value(detail.get('text'))}"
        case "automation.cut":
            return f"{about} was not set off by {detail.get('subject')}: {detail.get('depth')} automations led to it, the last of them {detail.get('by')}"
        case "automation.done":
            return f"{about} is done"
        case _:
            said = f": {detail['error']}" if detail.get("error") else ""
            return f"{about} {entry.kind.removeprefix('automation.')}{said}"
