"""Notice: tells automations what happened, and begins the runs that follow.

One turn is one transaction: the list of what happened is gone through from its front, each row is put down to whoever caused it, every
automation judges it, and the runs begin as the row leaves the list.
The rule that keeps it true: a row waits while a call of ours is under way that may have caused it, or while only the next reading tells whether it
is so, and with it whatever came later about the same record or link, and nothing else; what is told has exactly one counted outcome for each
automation it was meant for.
It must not know: how runs are carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from syncd.core.happening import PERSON, Cause, Claim, Happening, Origin, What, differences, fits, same, split
from syncd.core.record import DAY, HOUR, Json, Micros
from syncd.flow.beginning import Told, keep_newest, report, tell
from syncd.flow.bus import Bell
from syncd.flow.engine import Engine
from syncd.flow.telling import made_in_doubt
from syncd.store import claims, links, notices, runs
from syncd.store.claims import Key
from syncd.store.database import Connection
from syncd.store.notices import Kind, Notice
from syncd.store.planning import PlanItem

BATCH = 500
KEEP_CLAIMS = 7 * DAY
KEEP_RUNS = 30 * DAY


async def notice_forever(engine: Engine) -> None:
    """Tells automations whatever there is to tell, until cancelled."""
    pruned_at = 0
    while True:
        worked = await notice_once(engine)
        engine.progress.turned("notice", engine.clock.monotonic())
        if (now := engine.clock.now()) - pruned_at > HOUR:
            pruned_at = now
            await engine.database.write(lambda tx: _forget(tx, now))
        if not worked:
            await engine.bus.wait(Bell.NOTICE, engine.timing.tick_s)
        else:
            await engine.gather()


def _forget(tx: Connection, now: Micros) -> None:
    claims.forget(tx, now - KEEP_CLAIMS)
    runs.prune(tx, now - KEEP_RUNS)


async def notice_once(engine: Engine) -> bool:
    """One turn; whether anything was told."""
    if not await engine.database.read(notices.any_waiting):
        return False
    told = await engine.database.write(lambda tx: take_turn(engine, tx))
    report(engine, told)
    return told.rows > 0


def take_turn(engine: Engine, tx: Connection) -> Told:
    """Tells what can be told now."""
    told, blocked, after, ready = Told(), set[str](), 0, list[Notice]()
    # What waits must not keep what comes behind it from being looked at.
    while batch := notices.waiting(tx, BATCH, after=after):
        after = batch[-1].id
        ready = _ready(engine, tx, batch, blocked)
        if ready:
            break
    for notice in ready:
        for happening in _happenings(engine, tx, notice):
            tell(engine, tx, happening, told)
    keep_newest(engine, tx, told)
    notices.done(tx, [each.id for each in ready])
    told.rows = len(ready)
    return told


def _ready(engine: Engine, tx: Connection, batch: list[Notice], blocked: set[str]) -> list[Notice]:
    """Those of a batch that can be told now, in their order."""
    flying = notices.in_the_air(tx, batch)
    linked = _links_of(engine, tx, batch)
    ready = []
    for notice in batch:
        chain = {f"{notice.sync}#{notice.link}"} if notice.link is not None else {str(notice.ref), *linked.get(notice.id, ())}
        chain |= {f"{each.sync}#{each.link}" for each in notice.ours}
        if notice.kind is Kind.UNCLEAR or notice.id in flying or chain & blocked:
            blocked |= chain
        else:
            ready.append(notice)
    return ready


def _links_of(engine: Engine, tx: Connection, batch: list[Notice]) -> dict[int, set[str]]:
    """The links that the records of these notices belong to."""
    items: dict[PlanItem, list[int]] = {}
    for notice in batch:
        for sync, member in engine.routes.get((notice.ref.system, notice.ref.collection), ()) if notice.ref else ():
            assert notice.ref is not None
            items.setdefault(PlanItem(sync, member, notice.ref.id), []).append(notice.id)
    found: dict[int, set[str]] = {}
    for item, link in links.links_of(tx, items).items():
        for number in items[item]:
            found.setdefault(number, set()).add(f"{item.sync}#{link}")
    return found


def _happenings(engine: Engine, tx: Connection, notice: Notice) -> list[Happening]:
    """What a row tells, a happening for each of those who had a part in it."""
    match notice.kind:
        case Kind.RECORD | Kind.UNCLEAR:
            causes = _of_record(engine, tx, notice)
        case Kind.HUB:
            causes = _of_hub(tx, notice)
        case Kind.WEBHOOK:
            causes = {_of_webhook(tx, notice): frozenset()}
    return [_happening(notice, cause, changed, alone=len(causes) == 1) for cause, changed in causes.items()]


def _happening(notice: Notice, cause: Cause, changed: frozenset[str], *, alone: bool) -> Happening:
    key = f"webhook {notice.key}" if notice.kind is Kind.WEBHOOK else f"change {notice.id}"
    ref = notice.ref
    return Happening(
        key=key if alone else f"{key} {cause.origin.value} {cause.depth} {cause.by}",
        what=notice.what,
        cause=cause,
        at=notice.at,
        system=ref.system if ref else None,
        collection=(ref.collection or None) if ref else None,
        record_id=(ref.id or None) if ref else None,
        sync=notice.sync,
        link=notice.link,
        word=notice.word,
        changed=changed,
        before=notice.before,
        after=notice.after,
    )


def _known(notice: Notice) -> Cause | None:
    return None if notice.origin is None else Cause(Origin(notice.origin[0]), notice.origin[1], notice.origin[2])


def _of_record(engine: Engine, tx: Connection, notice: Notice) -> dict[Cause, frozenset[str]]:
    """Who changed what of a record, or made or removed it. What an automation did is passed on to the hub that takes it over."""
    assert notice.ref is not None
    before, after = notice.before or {}, notice.after or {}
    changed = differences(before, after)
    if (cause := _known(notice)) is not None:
        return {cause: changed} if changed or notice.what is not What.UPDATED else {}
    key = claims.of_record(notice.ref.system, notice.ref.id)
    lost = made_in_doubt(engine, tx, notice)
    settled = (*notice.ours, lost) if lost is not None else notice.ours
    found = [*claims.load(tx, [key]).get(key, ()), *(claim for ours in settled for claim in _claims_of(tx, ours))]
    if notice.what is not What.UPDATED:
        made = [claim for claim in found if claim.made]
        causes = {made[-1].cause if made else PERSON: changed}
    else:
        causes = split(changed, before, after, found)
    # A reading that began before the call was answered may not show it yet.
    shown = [claim for claim in found if claim.at <= notice.as_of or _is_shown(notice, claim)]
    claims.void(tx, [claim.id for claim in shown if claim.id])
    _keep_of_source(tx, notice, causes, found)
    return causes


def _readings(notice: Notice) -> Iterator[tuple[Micros, Mapping[str, Json], Mapping[str, Json]]]:
    """One reading after the other: when it ended, what was shown before it, and what it shows."""
    before = notice.before or {}
    for at, after in (*notice.passed, (notice.at, notice.after or {})):
        yield at, before, after
        before = after


def _is_shown(notice: Notice, claim: Claim) -> bool:
    """Whether this very claim explains something: another of the same automation, made since, has yet to show."""
    if notice.what is not What.UPDATED:
        return claim.made
    return any(
        fits(claim, path, before.get(path), after.get(path)) for _, before, after in _readings(notice) for path in differences(before, after)
    )


def _keep_of_source(tx: Connection, notice: Notice, causes: Mapping[Cause, frozenset[str]], found: Sequence[Claim]) -> None:
    """What a record shows of an automation's doing, for the hubs that take it over; also what it showed for a moment only."""
    assert notice.ref is not None
    key = claims.of_source(notice.ref.system, notice.ref.id)
    if notice.what is not What.UPDATED:
        for cause in causes:
            if cause.origin is Origin.AUTOMATION:
                values = {path: [value] for path, value in (notice.after or {}).items()}
                claims.add(tx, key, Claim(cause=cause, values=values, made=True), notice.at)
        return
    for at, before, after in _readings(notice):
        for cause, paths in split(differences(before, after), before, after, found).items():
            if cause.origin is Origin.AUTOMATION:
                claims.add(tx, key, Claim(cause=cause, values={path: [after.get(path)] for path in paths}), at)


def _claims_of(tx: Connection, ours: notices.Ours) -> Iterator[Claim]:
    """A settled write as claims: an automation's where the hub has the value from one, else the sync's own."""
    key = claims.of_hub(ours.sync, ours.link)
    of_hub = claims.load(tx, [key]).get(key, [])
    usual = Cause(Origin.BACKFILL if ours.backfill else Origin.SYNC)
    causes: dict[Cause, dict[str, list[Json]]] = {}
    for path, value in ours.values.items():
        begun = [claim.cause for claim in of_hub if ours.fields.get(path) in claim.values]
        causes.setdefault(begun[-1] if begun else usual, {})[path] = [value]
    maker = next((claim.cause for claim in reversed(of_hub) if claim.made), usual)
    yield Claim(cause=maker, made=ours.made)
    for cause, values in causes.items():
        yield Claim(cause=cause, values=values)


def _of_hub(tx: Connection, notice: Notice) -> dict[Cause, frozenset[str]]:
    """Who moved which fields of a hub: whoever moved them at the member they come from."""
    assert notice.sync is not None
    assert notice.link is not None
    before, after = notice.before or {}, notice.after or {}
    changed = frozenset(name for name in before.keys() | after.keys() if not same(before.get(name), after.get(name)))
    keys = {claims.of_source(ref.system, ref.id) for each in notice.sources.values() for ref, _ in each.values()}
    found = claims.load(tx, keys)
    known, by_source = _known(notice), dict[Cause, set[str]]()
    for name in changed:
        # What is told of as the backlog's may still be a value that an automation gave.
        cause = known if known is not None and known.origin is Origin.AUTOMATION else _source_of(notice, name, found)
        by_source.setdefault(cause, set()).add(name)
    causes = by_source if known is None else {known: set(changed)} if changed else {}
    made = False
    if notice.what is not What.UPDATED:
        # One thing came to be, or ended: it has one cause. Of its values some may be an automation's all the same.
        makers = [claim.cause for each in found.values() for claim in each if claim.made]
        maker = known or (makers[-1] if makers else PERSON)
        causes, made = {maker: set(changed)}, maker.origin is Origin.AUTOMATION and notice.what is What.CREATED
    # What a record came to later is still to be taken over.
    claims.void(tx, [claim.id for each in found.values() for claim in each if claim.at <= notice.at])
    _keep_of_hub(tx, notice, causes if made else by_source, made=made)
    return {cause: frozenset(names) for cause, names in causes.items()}


def _source_of(notice: Notice, name: str, found: dict[Key, list[Claim]]) -> Cause:
    fitting = [
        claim.cause
        for ref, values in notice.sources.get(name, {}).values()  # type: ignore[call-overload]
        for claim in found.get(claims.of_source(ref.system, ref.id), ())
        if any(path in claim.values and same(claim.values[path][0], value) for path, value in values.items())
    ]
    return fitting[-1] if fitting else PERSON


def _keep_of_hub(tx: Connection, notice: Notice, causes: dict[Cause, set[str]], *, made: bool) -> None:
    """As long as the hub has a value from an automation, the writes that carry it on are that automation's doing."""
    assert notice.sync is not None
    assert notice.link is not None
    key = claims.of_hub(notice.sync, notice.link)
    moved = set[str]().union(*causes.values())
    stale = [claim for claim in claims.load(tx, [key]).get(key, ()) if claim.made or moved & claim.values.keys()]
    claims.void(tx, [claim.id for claim in stale])
    kept = [(claim.cause, {name: values for name, values in claim.values.items() if name not in moved}) for claim in stale]
    for cause, values in kept:
        if values:
            claims.add(tx, key, Claim(cause=cause, values=values), notice.at)
    for cause, names in causes.items():
        if cause.origin is Origin.AUTOMATION:
            values = {name: [(notice.after or {}).get(name)] for name in names}
            claims.add(tx, key, Claim(cause=cause, values=values, made=made), notice.at)


def _of_webhook(tx: Connection, notice: Notice) -> Cause:
    """Whose doing a webhook tells of: ours, where it carries the very values that we wrote and the record was not told of since."""
    assert notice.ref is not None
    key = claims.of_webhook(notice.ref.system, notice.ref.id)
    carried = notice.carried or {}
    for claim in claims.load(tx, [key]).get(key, ()):
        shown = [path for path in claim.values if path in carried]
        fits = bool(shown) and all(any(same(value, carried[path]) for value in claim.values[path]) for path in shown)
        if fits or (claim.made and not carried):
            claims.void(tx, [claim.id])
            return claim.cause
    return PERSON
