"""The oracle: when everything has come to rest, what the vendors hold is judged against what people did.

The rule that keeps it true: values are judged by the vendors' records and the people's writes alone; holds, dead letters and the journal
are asked only whether what is missing was kept and shown to somebody.
It must not know: how the daemon decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncd.core.fields import FieldType
from syncd.core.outcome import HoldKind
from syncd.store import holds, journal, writes
from syncd.store.codec import blind
from syncd.store.holds import HoldState
from syncd.store.outbox import State
from tests.sim.attendant import GATES, people_of
from tests.sim.monitors import losers_of, told_of
from tests.sim.users import Wrote
from tests.sim.vendor import FIELDS, Rec, same, tag_of, tags_in

if TYPE_CHECKING:
    from tests.sim.world import World


def _count(world: World, statement: str, *arguments: Any) -> int:
    return int(world.process.connection.execute(statement, arguments).fetchone()[0])


def unrest(world: World, healed: float) -> list[str]:
    """What is still to be done, in words; empty when nothing is."""
    tx = world.process.connection
    down = set(world._down)
    found = []
    if world.process.engine is None:
        return ["the daemon is not running"]
    states = tx.execute(
        "SELECT state, system, operation, error FROM outbox WHERE state IN ('pending', 'sent', 'unknown')"
    ).fetchall()
    found += [f"write {state} {system} {operation} {error}" for state, system, operation, error in states if system not in down]
    events = tx.execute("SELECT system, count(*) FROM events WHERE done_at IS NULL GROUP BY system").fetchall()
    found += [f"{count} events of {system}" for system, count in events if system not in down]
    found += [f"suspect {row}" for row in tx.execute("SELECT system, record_id FROM suspects").fetchall() if row[0] not in down]
    waiting = "SELECT count(*) FROM to_plan AS t" + (
        " WHERE NOT EXISTS (SELECT 1 FROM link_members AS m JOIN outbox AS o ON o.link_id = m.link_id AND o.state IN ('sent', 'unknown')"
        " WHERE m.member = t.member AND m.record_id = t.record_id AND o.member = t.member)" if down else ""
    )
    if (not down or _all_were_listed(world)) and (plans := _count(world, waiting)):
        found.append(f"{plans} to plan")
    begun = world.process.engine.clock.now() - int((world.loop.vt - healed) * 1_000_000)
    for system, polled, complete, mode in tx.execute("SELECT system, polled_at, complete_tried_at, pass_mode FROM cursors"):
        since = begun + world.vendors[system].habits.lag
        if system not in down and ((polled or 0) < since or (complete or 0) < since or mode):
            found.append(f"{system} not listed since")
    if len(tx.execute("SELECT system FROM cursors").fetchall()) < len(world.vendors) - len(down):
        found.append("a system was never listed")
    if world.webhooks.waiting and world.loop.vt - healed < 2 * 3600:
        found.append(f"{world.webhooks.waiting} deliveries")
    if tx.execute("SELECT count(*) FROM requests WHERE state IN ('new', 'running')").fetchone()[0]:
        found.append("requests")
    if any(held.kind in GATES for held in holds.select(tx, [HoldState.OPEN, HoldState.ANSWERED])) and not down:
        found.append("a gate is closed")
    if set(world.process.engine.paused) - down:
        found.append("paused")
    return found + world.automated.unrest()


def is_at_rest(world: World, healed: float) -> bool:
    """Nothing is left for a machine to do."""
    return not unrest(world, healed)


def decisions(world: World) -> int:
    """How many decisions the journal holds."""
    return _count(world, "SELECT count(*) FROM journal WHERE kind = 'field.decided'")


def end_state(world: World) -> Any:
    """What all vendors hold, without ids: for comparing runs."""
    return sorted(
        (name, rec.person, tuple((path, tuple(sorted(tags_in(FIELDS[path], (rec.now.fields or {}).get(path))))) for path in world.paths))
        for name, vendor in world.vendors.items()
        for rec in vendor.live()
    )


def check(world: World) -> None:
    """All that must hold at rest."""
    _check_inbox(world)
    excused = _excused(world)
    for person in range(world.options["people"]):
        if world.failure is not None:
            return
        _check_person(world, person, excused)
    _check_links(world)
    _check_decisions(world)
    world.automated.check(excused)


def _check_decisions(world: World) -> None:
    """S14, S16: the rule decides who wins: the source of truth where it has a say, else whoever surely wrote last."""
    options = world.options
    if world.operator_acted or world.is_reconfigured or world.somebody_owned or options["blank"] == "ignore":
        return
    truth = world.rules.source_of_truth
    for told in told_of(world, "field.decided"):
        if told["field"] in ("tags", *world.carried) or not told["losers"]:
            continue
        if options["conflict"] == "source_of_truth" and truth in told["losers"]:
            world.fail("S14", f"{truth} is the source of truth and lost {told['field']} to {told['winner']}: {told['rule']}")
        alike = all(same(told["field"], told["value"], value) for value in told["losers"].values())
        if options["conflict"] == "review" and not alike:
            world.fail("S14", f"{told['field']} was decided ({told['rule']}) where a person is to be asked")
        if told["rule"] == "last modified":
            _check_last(world, told)


def _check_last(world: World, told: dict[str, Any]) -> None:
    winner = world.users.by_tag.get(tag_of(told["value"]))
    for value in told["losers"].values():
        loser = world.users.by_tag.get(tag_of(value))
        if winner is None or loser is None or loser.at <= winner.at + 1.0:
            continue
        if any(version.at > winner.version.at for version in winner.rec.versions):
            # A record's one modified time covers all its fields: known, and told in the documents.
            world.facts["modified time of another field"] += 1
        elif any(each.modified_at == loser.version.modified_at and not each.reads and each is not loser.version for each in loser.rec.versions):
            # An edit left it where an earlier version had put it that was never read.
            world.facts["modified time of another version"] += 1
        elif not world.script.has("jump", "stamps", "vendor_jump", "stale_get", "lag_more", "hook_late"):
            world.fail("S16", f"{told['field']}: {winner.tag} of {winner.at:.1f} s won over {loser.tag} of {loser.at:.1f} s as the later one")


def _check_inbox(world: World) -> None:
    """S9, S21: what was acknowledged is stored, and everything that came in was given an outcome."""
    if not world.restored_at:
        stored = {tuple(row) for row in world.process.connection.execute("SELECT system, dedupe_key FROM events")}
        for system, key, at in world.webhooks.acknowledged:
            if (system, blind(world.process.connection, key)) not in stored:
                world.fail("S9", f"{system} {key} was acknowledged at {at:.1f} and is not in the inbox")
    lost = _count(world, "SELECT count(*) FROM events WHERE done_at IS NOT NULL AND outcome IS NULL")
    counted = _count(world, "SELECT coalesce(sum(count), 0) FROM outcomes WHERE outcome <> 'failed'")
    left, looked = _count(world, "SELECT number FROM taken"), journal.looked(world.process.connection)
    if left > counted or looked != counted:
        world.fail("S21", f"{left} records left the list and {looked} were looked at, but {counted} outcomes were counted")
    if lost:
        world.fail("S21", f"{lost} events ended without an outcome")


def _check_links(world: World) -> None:
    """S4: a record belongs to one person's link only."""
    for (link,) in world.process.connection.execute("SELECT id FROM links").fetchall():
        rows = world.process.connection.execute("SELECT system, record_id FROM link_members WHERE link_id = ?", (link,)).fetchall()
        people = {world.vendors[system].records[each].person for system, each in rows if each in world.vendors[system].records}
        if len(people) > 1:
            world.fail("S4", f"link {link} joins the records of {len(people)} people")


def _excused(world: World) -> dict[int, set[str]]:
    """Who waits for a person: by whom, and why."""
    tx = world.process.connection
    found: dict[int, set[str]] = {}
    for held in holds.select(tx, [HoldState.OPEN, HoldState.ANSWERED, HoldState.IGNORED]):
        if held.kind is HoldKind.NOT_STORED and not world.script.has("partial", "trigger"):
            # The vendor's own spelling: a person need not look at it, and it keeps nothing from being equal.
            world.facts["normalisation held"] += 1
            continue
        for person in people_of(world, held):
            found.setdefault(person, set()).add(f"hold {held.kind.value} {held.field or ''}")
    for owed in writes.select(tx, [State.DEAD, State.PARKED, State.SKIPPED]):
        if owed.state is not State.DEAD or _is_last(world, owed):
            for person in people_of(world, owed):
                found.setdefault(person, set()).add(f"{owed.state.value} {owed.operation.value}")
    return found


def _is_last(world: World, owed: Any) -> bool:
    (newest,) = world.process.connection.execute(
        "SELECT max(id) FROM outbox WHERE link_id = ? AND member = ?", (owed.link, owed.member)
    ).fetchone()
    return bool(newest == owed.id)


def _check_person(world: World, person: int, excused: dict[int, set[str]]) -> None:
    records = {
        name: [rec for rec in vendor.records.values() if rec.person == person]
        for name, vendor in world.vendors.items()
        if name not in world._down
    }
    plain = person not in world.users.irregular and person not in world.touched_by_operator
    deleted = any(not rec.alive for vendor in world.vendors.values() for rec in vendor.records.values() if rec.person == person)
    if world._down and not _all_were_listed(world):
        # Nothing is planned before everybody was listed once: nobody can know who else has whom.
        return
    live = {name: [rec for rec in each if rec.alive] for name, each in records.items()}
    if not plain or any(len(each) > 1 for each in live.values()):
        # Whether a second record was to be excused was judged when it was made.
        world.facts["people irregular" if not plain else "people doubled"] += 1
        _check_lost(world, person, live)
        return
    if excused.get(person):
        world.facts["people held"] += 1
        return
    if deleted:
        world.facts["people deleted"] += 1
        _check_deleted(world, person, records)
        return
    if not any(live.values()):
        return
    if _is_outside(world, live):
        world.facts["people outside the filter"] += 1
        return
    lacking = sorted(name for name, each in live.items() if not each)
    if lacking:
        world.fail("L1", f"person {person} has no record in {lacking[0]}, and nobody is asked why")
        return
    if world._down:
        world.facts["people beside one that is down"] += 1
    world.facts["people equal"] += 1
    chosen = {name: each[0] for name, each in live.items()}
    _check_equal(world, person, chosen)
    if not world._down:
        _check_writes(world, person, chosen)


def _is_outside(world: World, live: dict[str, list[Rec]]) -> bool:
    """Whether the filter of a member keeps a person's records apart, or did when they would have met."""
    if all(when is None for when in world.had["when"]):
        return False
    path = world.paths[1]
    rule = world.rules.fields[path]
    if not all(live.values()) and (rule.owner is not None or rule.sources != rule.targets):
        # The filter goes by what is agreed, and what this side shows is not heard everywhere.
        return True
    return any((rec.now.fields or {}).get(path) in (None, []) for each in live.values() for rec in each)


def _all_were_listed(world: World) -> bool:
    return _count(world, "SELECT count(*) FROM cursors WHERE complete_at IS NOT NULL") == len(world.vendors)


def _check_lost(world: World, person: int, live: dict[str, list[Rec]]) -> None:
    """A person with several records: at least nothing of him was deleted by anybody but people."""
    for name, vendor in world.vendors.items():
        for rec in vendor.records.values():
            deleted = rec.person == person and not rec.alive and rec.now.actor == "syncd"
            if deleted and "propagate" not in world.had["delete"] and not world.operator_acted:
                world.fail("S11", f"{name} {rec.id} was deleted by the daemon")


def _check_deleted(world: World, person: int, records: dict[str, list[Rec]]) -> None:
    """A deletion was carried out, or undone by an edit: never half of it."""
    if world.had["delete"] != ["propagate"] or world.operator_acted or world._down or world.restored_at:
        return
    live = sorted(name for name, each in records.items() if any(rec.alive for rec in each))
    compared = all(each for each in records.values())
    if live and _is_outside(world, {name: [rec for rec in each if rec.alive] for name, each in records.items()}):
        # An edit won, and the filter of the member that lost him does not let him in again.
        return
    if live and len(live) < len(records) and compared and not world.script.has("rejected") and not _state_is(world, records, ("unlinked", "archived")):
        world.fail("L1", f"person {person} was deleted somewhere and still lives in {live} only")


def _state_is(world: World, records: dict[str, list[Rec]], states: tuple[str, ...]) -> bool:
    ids = [rec.id for each in records.values() for rec in each]
    return any(
        _count(
            world, "SELECT count(*) FROM links AS l JOIN link_members AS m ON m.link_id = l.id WHERE m.record_id = ? AND l.state = ?",
            each, state,
        )
        for each in ids
        for state in states
    )


def _check_equal(world: World, person: int, chosen: dict[str, Rec]) -> None:
    """L1: all sides hold the same, but for spelling."""
    for path in world.rules.fields:
        rule = world.rules.fields[path]
        names = [name for name in sorted(chosen) if name in rule.targets and name in rule.sources]
        shown = {name: (chosen[name].now.fields or {}).get(path) for name in names}
        if any(not same(path, shown[names[0]], value) for value in shown.values()):
            world.fail("L1", f"person {person}: {path} is {shown} ({', '.join(str(each.id) for each in chosen.values())})")
            return


def _check_writes(world: World, person: int, chosen: dict[str, Rec]) -> None:
    """S1: what a person wrote and the daemon read is everywhere, was written over by a person who saw it, or is in the journal."""
    if world.restored_at or world.somebody_owned:
        return
    losers = losers_of(world)
    for wrote in world.users.wrote:
        if wrote.person != person or world.failure is not None or wrote.path not in world.rules.fields:
            continue
        if wrote.path == "tags":
            _check_element(world, wrote, chosen)
            continue
        if not wrote.tag or wrote.tag in losers:
            continue
        if all(wrote.tag in tags_in(FIELDS[wrote.path], (rec.now.fields or {}).get(wrote.path)) for rec in chosen.values()):
            continue
        if _is_superseded(world, wrote):
            continue
        if _was_known(world, wrote):
            world.fail("S1", f"{wrote.rec.id}.{wrote.path} = {wrote.tag} (at {wrote.at:.1f} s) was read, and is nowhere now")


def _was_known(world: World, wrote: Wrote) -> bool:
    """Whether a version with this value was surely read, and stood for a while after."""
    versions = wrote.rec.versions
    for index, version in enumerate(versions):
        if version.fields is None or wrote.tag not in tags_in(FIELDS[wrote.path], version.fields.get(wrote.path)):
            continue
        ended = (versions[index + 1].at - version.at) / 1e6 if index + 1 < len(versions) else 1e9
        began = world.loop.vt - (world.true_time() - version.at) / 1e6
        for at, paths in version.reads:
            stood = at + 10.0 <= began + ended
            broken = any(at - 0.001 <= broke <= at + 10.0 for broke in world.breaks)
            if wrote.path in paths and stood and not broken:
                return True
    return False


def _is_superseded(world: World, wrote: Wrote) -> bool:
    """Whether a person wrote over it later, on its own side or where it was shown."""
    for later in world.users.wrote:
        if later.path != wrote.path or later.person != wrote.person or later.at < wrote.at or later is wrote:
            continue
        if later.rec is wrote.rec and later.version.seq > wrote.version.seq:
            return True
        shown = any(
            version.seq < later.version.seq and version.fields is not None
            and wrote.tag in tags_in(FIELDS[wrote.path], version.fields.get(wrote.path))
            for version in later.rec.versions
        )  # fmt: skip
        if shown:
            return True
    return False


def _check_element(world: World, wrote: Wrote, chosen: dict[str, Rec]) -> None:
    held = [wrote.tag in tags_in(FieldType.SET, (rec.now.fields or {}).get("tags")) for rec in chosen.values()]
    if not wrote.removed and wrote.tag and not all(held) and _was_known(world, wrote):
        if (wrote.person, wrote.tag) not in world.users.cleared:
            world.fail("S1", f"{wrote.rec.id}.tags: {wrote.tag} was added and read, and is gone though nobody took it away")
    elif wrote.removed and any(held):
        world.facts["removals undone"] += 1
