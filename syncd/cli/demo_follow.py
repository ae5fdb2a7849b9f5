"""The demo left running: people edit on both sides, and every edit is followed to the other side.

The rule that keeps it true: an edit has arrived when the other vendor's own log says so, not when syncd does.
It must not know: how an edit travels; that it came by webhook or by poll is read from the journal and only told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

import anyio

from syncd.cli.demo_daemon import Daemon
from syncd.cli.demo_story import Tally, Teller
from syncd.cli.demo_verify import FIELDS, GHL, OCTOPUS, Row, ghl_row, octopus_row, writes_by_api
from syncd.cli.demo_world import World
from syncd.sandbox import Applied, EmailOctopus, GoHighLevel
from syncd.sandbox.people import Edit, Part, trickle
from syncd.store import journal
from syncd.store.visiting import reading

PACE_S = 1.5
PATIENCE_S = 30.0
PATIENCE_IN_CHAOS_S = 120.0
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trip:
    """One edit on its way: what changed on the near side, and from where on to look on the far one."""

    edit: Edit
    row: Row
    changed: Mapping[str, object]
    made: Applied
    far_seq: int
    journal_number: int


async def follow(teller: Teller, world: World, daemon: Daemon, tally: Tally, minutes: float | None) -> None:
    """Makes edits and follows them until the time is up, or for ever."""
    until = None if minutes is None else monotonic() + minutes * 60
    for edit in trickle(world.sandbox, world.random):
        if until is not None and monotonic() >= until:
            return
        daemon.check()
        if _is_difficult(world, edit):
            continue
        trip = _set_out(world, edit)
        if not trip.changed:
            continue
        tally.edits += 1
        shown = ", ".join(_said(value) for name, value in trip.changed.items() if name != "source")
        teller.tell(f"{edit.sentence}{f': {shown}' if edit.operation == 'update' else ''}.")
        patience_s = PATIENCE_IN_CHAOS_S if world.chaos else PATIENCE_S
        with anyio.move_on_after(patience_s) as patience:
            arrived = await _arrival(world, daemon, trip)
            tally.arrived += 1
            seconds = (_moment(arrived) - _moment(trip.made)).total_seconds()
            tally.slowest_s = max(tally.slowest_s, seconds)
            teller.tell(f"… is in {_far_title(edit)} after {seconds:.1f} s{_way(world, trip)}.", style="green", indent=4)
        if patience.cancelled_caught:
            tally.differences.append(f"not in {_far_title(edit)} after {patience_s:.0f} s: {edit.sentence}")
            teller.tell(f"… has not come to {_far_title(edit)} yet. `syncd status` tells more.", style="yellow", indent=4)
        await anyio.sleep(PACE_S)


def _is_difficult(world: World, edit: Edit) -> bool:
    """Edits that stay where they are, because they are about what waits for a person."""
    twins = {number for each in world.people.of(Part.DUPLICATED) for number in (*each.ghl_ids, *each.octopus_ids)}
    odd = {number for each in world.people.of(Part.UNMAPPABLE) for number in (*each.ghl_ids, *each.octopus_ids)}
    about_plan = "custom" in edit.changes or "Plan" in edit.changes.get("fields", {})
    return edit.contact_id in twins or (edit.contact_id in odd and about_plan)


def _set_out(world: World, edit: Edit) -> _Trip:
    near, far = _sides(world, edit)
    before = _rows(near).get(edit.contact_id or "")
    far_seq = len(far.truth)
    with reading(world.database) as read:
        number = read(journal.last_number)
    contact_id = edit.apply(world.sandbox)
    row = _rows(near)[contact_id]
    names = [name for name in FIELDS if near is world.sandbox.ghl or name != "source"]
    changed = {name: row.values[name] for name in names if before is None or before.values[name] != row.values[name]}
    return _Trip(edit=edit, row=row, changed=changed, made=near.truth.since()[-1], far_seq=far_seq, journal_number=number)


async def _arrival(world: World, daemon: Daemon, trip: _Trip) -> Applied:
    """The write in the far vendor's log after which it shows what was changed."""
    _, far = _sides(world, trip.edit)
    while True:
        daemon.check()
        written = writes_by_api(far.truth.since(trip.far_seq))
        if written:
            rows = _rows(far)
            for entry in reversed(written):
                row = rows.get(entry.id)
                if row is not None and row.email == trip.row.email and _shows(row, trip.changed):
                    return entry
        await anyio.sleep(_LOOK_S)


def _shows(row: Row, changed: Mapping[str, object]) -> bool:
    return all(row.values[name] == value for name, value in changed.items())


def _way(world: World, trip: _Trip) -> str:
    """How syncd came to know of the edit, as it noted when it decided."""
    names = {name.replace(" ", "_") for name in trip.changed}
    with reading(world.database) as read:
        entries = read(lambda tx: journal.after(tx, trip.journal_number))
    ways = [str(each.detail["cause"]) for each in entries if each.kind == "field.decided" and each.detail["field"] in names]
    if not ways:
        return ""
    return ", by webhook" if ways[0] == "webhook" else ", found by a poll" if ways[0].startswith("pass ") else ""


def _sides(world: World, edit: Edit) -> tuple[GoHighLevel | EmailOctopus, GoHighLevel | EmailOctopus]:
    """Where the edit was made, and where it must arrive."""
    ghl, octopus = world.sandbox.ghl, world.sandbox.octopus
    return (ghl, octopus) if edit.system == ghl.name else (octopus, ghl)


def _far_title(edit: Edit) -> str:
    return OCTOPUS if edit.system == GoHighLevel.name else GHL


def _rows(vendor: GoHighLevel | EmailOctopus) -> dict[str, Row]:
    as_row = ghl_row if isinstance(vendor, GoHighLevel) else octopus_row
    return {row.id: row for row in map(as_row, vendor.contacts())}


def _moment(entry: Applied) -> datetime:
    return datetime.fromisoformat(entry.at)


def _said(value: object) -> str:
    return f"now {', '.join(sorted(value))}" if isinstance(value, frozenset) else str(value)
