"""Setting: values that an automation gives a hub, for the sync to carry to its members.

The rule that keeps it true: the hub is moved and its link put on the list to plan in one transaction, and what follows is planned like any edit,
against each member's own base; an edit that was seen and is not planned yet comes first.
It must not know: which writes follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncd.core.fields import FieldType, Unreadable, equal, read
from syncd.core.happening import Origin, What
from syncd.core.link import BY_AUTOMATION, HubField, Interval, Link, LinkState
from syncd.core.record import SECOND, FieldName, Json, Micros
from syncd.core.rules import SyncRules
from syncd.flow.engine import Engine
from syncd.store import links, notices, planning
from syncd.store.database import Connection
from syncd.store.journal import Entry, append
from syncd.store.runs import Run


class Unfit(Exception):  # noqa: N818 (named for what it says)
    """What a step was given can never work; the message says why."""


def set_fields(engine: Engine, tx: Connection, run: Run, link: Link, given: Mapping[FieldName, Json], now: Micros) -> Micros | None:
    """Moves the hub. None when it was done; else after how long to try again, because something about this link is to be planned first.

    Raises Unfit where it can never be done.
    """
    rules = engine.syncs.get(link.sync)
    if rules is None or link.state is not LinkState.LIVE:
        raise Unfit(f"the link is {link.state.value}" if rules is not None else f"there is no sync {link.sync} any more")
    values = {name: _fitting(rules, name, value) for name, value in given.items()}
    if any(planning.is_waiting(tx, item.sync, item.member, item.record_id) for item in links.items_of(link)):
        return SECOND // 4
    moved = {
        name: value
        for name, value in values.items()
        if name not in link.hub or not equal(rules.fields[name].type, link.hub[name].value, value)
    }
    if not moved:
        return None
    why = f"{BY_AUTOMATION}{run.automation}"
    fields = {name: HubField(value=value, rule=why, interval=Interval(now, now)) for name, value in moved.items()}
    after = replace(link, hub={**link.hub, **fields}, revision=link.revision + 1)
    links.save(tx, [after], now)
    planning.enqueue(tx, links.items_of(after), now, why)
    _tell(engine, tx, run, link, after, moved, now)
    return None


def _tell(engine: Engine, tx: Connection, run: Run, before: Link, after: Link, moved: Mapping[FieldName, Json], now: Micros) -> None:
    origin = (Origin.AUTOMATION.value, run.cause.depth + 1, str(run.automation))
    notices.hub_moved(
        tx, after.sync, after.id, What.UPDATED, before=before.values(), after=after.values(), sources={}, origin=origin, at=now
    )
    append(tx, [
        Entry(
            at=now,
            run_id=engine.run_id,
            sync=after.sync,
            link=after.id,
            kind="field.decided",
            detail={
                "field": name,
                "value": value,
                "before": before.hub[name].value if name in before.hub else None,
                "winner": None,
                "rule": f"{BY_AUTOMATION}{run.automation}",
                "losers": {},
                "cause": f"automation run {run.id}",
                "between": [now, now],
                "revision": after.revision,
            },
        )
        for name, value in moved.items()
    ])  # fmt: skip


def _fitting(rules: SyncRules, name: FieldName, value: Json) -> Json:
    """The value in the hub's normal form."""
    row = rules.fields.get(name)
    if row is None:
        raise Unfit(f"{rules.name} has no field {name}")
    if row.owner is not None:
        raise Unfit(f"{name} belongs to {row.owner}, and only its edits count")
    found = read(row.type, value)
    if isinstance(found, Unreadable):
        raise Unfit(f"{name}: {found.reason}")
    if row.choices is not None and row.type is FieldType.CHOICE and found is not None and found not in row.choices:
        raise Unfit(f"{name} is one of {', '.join(sorted(row.choices))}")
    return found
