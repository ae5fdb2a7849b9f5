"""Reconcile: takes the records that show something new, loads their links by the hundred, asks the planner, commits what follows.

One turn is one transaction: links, holds, owed writes and the journal are committed together, and the items leave the list with them.
The rule that keeps it true: nothing is planned before every member has been listed completely once and its keys are in the index; a link
with a write in the air is not planned, or, where its outcome cannot be found out for long, without that member; every item ends in exactly
one counted outcome.
It must not know: how records are read or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from syncd.core.guard import direction
from syncd.core.link import Gone, Link, LinkState, Seen
from syncd.core.match import key_of
from syncd.core.outcome import Hold, Operation, Plan
from syncd.core.plan import plan
from syncd.core.record import FieldName, Json, LinkId, MemberName, Micros, RecordId, Ref, SyncName
from syncd.core.rules import SyncRules
from syncd.core.translate import see
from syncd.flow import forgetting
from syncd.flow.answers import Answers
from syncd.flow.binding import bind
from syncd.flow.bus import Bell
from syncd.flow.engine import FIRST, LIVE, OLD, Engine
from syncd.flow.folding import Folded, fold, index_children
from syncd.flow.gates import Gates, ask_all
from syncd.flow.linking import index_of, link_records, ref_of
from syncd.flow.soundness import look_over
from syncd.flow.telling import OURS, tell_hub
from syncd.flow.work import is_ready
from syncd.store import children, continuity, control, holds, journal, links, observations, outbox, planning
from syncd.store.database import Connection
from syncd.store.holds import Question
from syncd.store.journal import Entry
from syncd.store.observations import Observation
from syncd.store.outbox import InFlight, Intent
from syncd.store.planning import DuePlan, PlanItem

BATCH = 200


async def reconcile_forever(engine: Engine) -> None:
    """Plans whatever shows something new, until cancelled."""
    for sync in engine.syncs:
        await look_over(engine, sync)
    while True:
        worked = False
        for sync in engine.syncs:
            worked = await reconcile_once(engine, sync) or worked
        engine.progress.turned("reconcile", engine.clock.monotonic())
        if not worked:
            await engine.bus.wait(Bell.PLAN, engine.timing.tick_s)
        else:
            await engine.gather()


async def reconcile_once(engine: Engine, sync: SyncName) -> bool:
    """One turn for one sync; whether there was anything to do."""
    now = engine.clock.now()
    if not await engine.database.read(lambda tx: _has_work(tx, engine.syncs[sync], now)):
        return False
    turn = await engine.database.write(lambda tx: take_turn(engine, tx, engine.syncs[sync]))
    if turn.owed:
        engine.bus.ring(Bell.OUTBOX)
    if turn.items:
        engine.bus.ring(Bell.NOTICE)
    if turn.rebased:
        engine.log.info("database.rebased")
    for link, names in turn.fights:
        engine.log.warning("record.fought_over", sync=sync, link=link, fields=names)
    for reason in turn.froze:
        engine.log.warning("guard.tripped", sync=sync, reason=reason)
    if turn.items:
        engine.log.debug("links.planned", sync=sync, items=turn.items, owed=turn.owed, held=turn.held)
    return turn.indexed + turn.items > 0


@dataclass(slots=True)
class Turn:
    """What one turn came to: records whose keys were indexed, or else items that were planned."""

    indexed: int = 0
    rebased: bool = False
    items: int = 0
    owed: int = 0
    held: int = 0
    froze: tuple[str, ...] = ()
    fights: tuple[tuple[LinkId, list[FieldName]], ...] = ()


def _has_work(tx: Connection, rules: SyncRules, now: Micros) -> bool:
    """Whether a turn may come to anything; what it comes to, it decides upon what it sees itself."""
    waits = planning.any_waiting(tx, rules.name) or (bool(rules.children) and children.any_passed(tx, rules.name, now))
    return waits or not control.settled(tx, rules.name) or continuity.rebasing(tx) is not None


def take_turn(engine: Engine, tx: Connection, rules: SyncRules) -> Turn:
    """Indexes what has been read, or else plans a batch.

    Both in one transaction: a record that was read after the last indexing is known to nobody who looks for its keys, and would be made
    a second time.
    """
    if rules.children:
        children.wake_passed(tx, rules.name, engine.clock.now())
    indexed = _index(engine, tx, rules)
    if indexed:
        return Turn(indexed=indexed)
    if not is_ready(tx, rules):
        return Turn()
    due = planning.due(tx, rules.name, BATCH)
    if not due:
        _settle_first_run(tx, rules, engine.clock.now())
        return Turn(rebased=_end_rebasing(engine, tx))
    return _plan_batch(engine, tx, rules, due)


def _settle_first_run(tx: Connection, rules: SyncRules, now: Micros) -> None:
    if not control.settled(tx, rules.name) and not planning.any_waiting(tx, rules.name):
        control.settle(tx, rules.name, now)


def _end_rebasing(engine: Engine, tx: Connection) -> bool:
    """Whether everything has just been read anew after a restore."""
    if continuity.rebasing(tx) is None or not all(is_ready(tx, rules) for rules in engine.syncs.values()):
        return False
    continuity.end_rebasing(tx)
    return True


def _index(engine: Engine, tx: Connection, rules: SyncRules) -> int:
    """Brings the index of match keys up to date; records that share a changed key are looked at again."""
    items = planning.unindexed(tx, rules.name, BATCH * 5)
    if not items:
        return 0
    total = len(items)
    if others := [each for each in items if each.item.member not in rules.members]:
        index_children(tx, rules, others, engine.clock.now())
        items = [each for each in items if each.item.member in rules.members]
    seen = observations.load(tx, [ref_of(rules, each.item) for each in items])
    shown = {each.item: found.fields for each in items if (found := seen.get(ref_of(rules, each.item))) is not None}
    bound = bind(tx, rules, [(item.member, fields) for item, fields in shown.items() if fields is not None])
    keyed = [
        (each, planning.blinded(tx, index_of(bound, rules.members[each.item.member], shown.get(each.item)))) for each in items
    ]
    again = planning.index_keys(tx, forgetting.keep_out(engine, tx, rules, keyed))
    planning.enqueue(tx, again, engine.clock.now(), "a shared key changed")
    return total


def _plan_batch(engine: Engine, tx: Connection, rules: SyncRules, due: list[DuePlan]) -> Turn:
    linked = links.links_of(tx, [each.item for each in due])
    alone = [each for each in due if each.item not in linked]
    seen = observations.load(tx, [ref_of(rules, each.item) for each in alone])
    found, outcomes = link_records(engine, tx, rules, alone, seen)
    linked |= found
    in_flight = outbox.in_flight(tx, linked.values())
    ready = [each for each in due if _can_be_planned(each.item, linked.get(each.item), in_flight)]
    causes = {linked[each.item]: each.cause for each in ready if each.item in linked}
    batch = _Batch.load(engine, tx, rules, list(causes), in_flight)
    for link_id, cause in causes.items():
        batch.plan_link(link_id, cause)
    batch.commit()
    for each in ready:
        outcomes.setdefault(each.item, batch.outcomes.get(linked.get(each.item, LinkId(0)), ("no-op", "")))
    planning.done(tx, ready)
    journal.count_looked(tx, engine.run_id, len(ready))
    journal.tally(tx, engine.run_id, rules.name, [outcomes[each.item] for each in ready])
    return Turn(items=len(ready), owed=batch.owed, held=batch.held, froze=tuple(batch.gates.frozen.values()),
                fights=batch.gates.fights)


def _can_be_planned(item: planning.PlanItem, link: LinkId | None, in_flight: InFlight) -> bool:
    """What a record shows says nothing while a write to it is in doubt; the other records of its link go on."""
    return link is None or (link not in in_flight.busy and item.member not in in_flight.doubtful.get(link, ()))


class _Batch:
    """The links of one turn: loaded together, planned one by one, saved together."""

    def __init__(self, engine: Engine, tx: Connection, rules: SyncRules, ids: list[LinkId], in_flight: InFlight) -> None:
        self.engine = engine
        self.in_doubt = in_flight.doubtful
        self.tx = tx
        self.rules = rules
        self.now: Micros = engine.clock.now()
        self.gates = Gates.open(tx, rules, self.now, ids)
        self.links: dict[LinkId, Link] = {}
        self.seen: dict[Ref, Observation] = {}
        self.folded: Folded = {}
        self.later: Mapping[PlanItem, Micros | None] = {}
        self.answers = Answers({})
        self.doubtful = holds.doubtful_creates(tx, ids)
        self.outcomes: dict[LinkId, tuple[str, str]] = {}
        self.owed = 0
        self.held = 0
        self._planned: list[tuple[Link, Plan, str]] = []
        self._intents: list[Intent] = []
        self._no_longer: list[tuple[LinkId, MemberName]] = []
        self._after: list[Link] = []
        self._entries: list[Entry] = []
        self._questions: dict[LinkId, list[Question]] = {}

    @classmethod
    def load(cls, engine: Engine, tx: Connection, rules: SyncRules, ids: list[LinkId], in_flight: InFlight) -> _Batch:
        """Everything the batch needs, in a handful of statements."""
        batch = cls(engine, tx, rules, ids, in_flight)
        batch.answers = Answers.load(tx, ids)
        batch.links = {number: batch.answers.relinked(link) for number, link in links.load(tx, ids).items()}
        refs = [member.ref for link in batch.links.values() for member in link.members.values() if member.ref]
        batch.seen = observations.load(tx, refs)
        shown = [
            (name, found.fields)
            for link in batch.links.values()
            for name, member in link.members.items()
            if member.ref is not None and (found := batch.seen.get(member.ref)) is not None and found.fields is not None
        ]
        records = [(name, member.ref) for link in batch.links.values() for name, member in link.members.items() if member.ref]
        batch.folded, batch.later = fold(tx, rules, records, batch.now)
        batch.rules = bind(tx, rules, shown, [link.values() for link in batch.links.values()])
        return batch

    def plan_link(self, link_id: LinkId, cause: str) -> None:
        """Plans one link and gathers what follows."""
        link = self.links[link_id]
        shown = {
            name: look
            for name, member in link.members.items()
            if member.ref is not None and name in self.rules.members and (look := self._look(link, name, member.ref))
        }
        decided = plan(
            self.rules,
            link,
            shown,
            picks=self.answers.picks(link_id),
            deletion=self.answers.deletion(link_id),
            in_doubt=frozenset(self.in_doubt.get(link_id, ())),
        )
        if decided.link != link or self.answers.touches(link_id):
            self._after.append(decided.link)
        self.gates.decided(link_id, decided.decisions)
        self._owe(link, decided, cause)
        self._questions[link_id] = [self._question(link_id, hold) for hold in decided.holds]
        self._ask_to_see(decided)
        self._journal(link, decided, cause)
        if self.engine.is_told(self.rules.name):
            tell_hub(self.engine, self.tx, self.rules, link, decided, self.seen, cause, settled=self.gates.settled)
        self.held += len(decided.holds)
        self._planned.append((link, decided, cause))

    def commit(self) -> None:
        """Saves all of it."""
        outbox.cancel(self.tx, self._no_longer, self.now)
        fresh = outbox.owe(self.tx, self._intents, self.now)
        self.owed, owing = len(fresh), {each.link for each in fresh}
        self.outcomes = {link.id: _outcome(link, decided, cause, owed=link.id in owing) for link, decided, cause in self._planned}
        links.save(self.tx, self._after, self.now)
        children.plan_later(self.tx, self.later)
        for link in self._after:
            if self.answers.touches(link.id):
                self._close_questions_about(link)
        holds.close_others(self.tx, self._questions, self.now)
        holds.ask(self.tx, [each for asked in self._questions.values() for each in asked], self.now)
        ask_all(self.tx, self.gates.questions, self.now)
        journal.append(self.tx, self._entries)

    def _close_questions_about(self, link: Link) -> None:
        """A record that an answer brought into a link is no open question any more."""
        for name, member in link.members.items():
            if member.ref is not None:
                holds.close_record(self.tx, self.rules.name, name, member.ref.id, self.now)

    def _ask_to_see(self, decided: Plan) -> None:
        """A listing may leave out what a reading by id shows: who never showed a field is read once before it is written there."""
        for name in decided.unseen:
            ref = decided.link.members[name].ref
            assert ref is not None, "only a record that was seen can lack a field"
            observations.read_again(self.tx, ref, f"unseen {decided.link.id} {decided.link.revision}", self.now)

    def _look(self, link: Link, name: MemberName, ref: Ref) -> Seen | Gone | None:
        observation = self.seen.get(ref)
        if observation is None:
            return None
        if observation.fields is None:
            survivor, is_linked = self._survivor(link, name, ref)
            lacking = holds.not_kept(self.tx, link.id, name)
            return Gone(evidence=observation.evidence, survivor=survivor, survivor_linked=is_linked, lacking=lacking)
        shown = {**observation.fields, **self.folded.get(ref, {})}
        return see(self.rules, self.rules.members[name], shown, observation.changed)

    def _survivor(self, link: Link, name: MemberName, ref: Ref) -> tuple[Ref | None, bool]:
        """Another record of the same member that now carries the gone record's keys, and whether it has a link of its own."""
        base = link.members[name].base
        wanted = planning.blinded(self.tx, {key: value for key in self.rules.match if (value := key_of(key, base)) is not None})
        alike = sorted(
            each.item
            for each in planning.kin(self.tx, self.rules.name, wanted.items())
            if each.item.member == name and each.item.record_id != ref.id
        )
        if not alike:
            return None, False
        linked = links.links_of(self.tx, alike)
        free = [each for each in alike if each not in linked]
        return ref_of(self.rules, (free or alike)[0]), not free

    def _owe(self, before: Link, decided: Plan, cause: str) -> None:
        targets = {write.member for write in decided.writes}
        if LinkState.LIVE in (before.state, decided.link.state):
            # An ended link still owes the deletions it ended with.
            self._no_longer.extend((before.id, name) for name in self.rules.members if name not in targets)
        for write in decided.writes:
            if write.operation is Operation.CREATE and (before.id, write.member) in self.doubtful:
                # It may be there already, and only a person can say.
                continue
            member = self.rules.members[write.member]
            known = decided.link.members.get(write.member)
            target = known.ref if known is not None and known.ref else Ref(
                member.system, member.collection, RecordId("")
            )
            gate = self.gates.gate(self.tx, before.id, write, f"{before.id}: {target}")
            if write.evidence:
                proof = (*write.evidence, self.gates.standing(write))
                write = replace(write, evidence=proof)  # noqa: PLW2901 (the same write, with its last piece of evidence)
            self._intents.append(
                Intent(
                    link=before.id,
                    sync=self.rules.name,
                    revision=decided.link.revision,
                    write=write,
                    target=target,
                    stream=direction(write),
                    gate=gate,
                    priority=FIRST if not self.gates.settled else OLD if cause in OURS else LIVE,
                    run_id=self.engine.run_id,
                )
            )

    def _question(self, link_id: LinkId, hold: Hold) -> Question:
        return Question(
            sync=self.rules.name,
            kind=hold.kind,
            reason=hold.reason,
            sides=hold.sides,
            link=link_id,
            member=hold.member,
            field=hold.field,
        )

    def _journal(self, before: Link, decided: Plan, cause: str) -> None:
        for each in decided.decisions:
            interval = decided.link.hub[each.field].interval
            detail: dict[str, Json] = {
                "field": each.field,
                "value": each.value,
                "before": each.before,
                "winner": each.winner,
                "rule": each.rule,
                "losers": dict(each.losers),
                "cause": cause,
                "between": None if interval is None else [interval.since, interval.until],
                "revision": decided.link.revision,
            }
            self._note(before.id, "field.decided", detail)
        if decided.link.state is not before.state:
            state: dict[str, Json] = {"state": decided.link.state.value, "notes": list(decided.notes), "cause": cause}
            gone = [look.evidence for name, m in before.members.items() if m.ref and isinstance(
                look := self._look(before, name, m.ref), Gone)]
            self._note(before.id, "link.ended", {**state, "evidence": [list(each) for each in gone]})

    def _note(self, link_id: LinkId, kind: str, detail: Mapping[str, Json]) -> None:
        self._entries.append(
            Entry(at=self.now, run_id=self.engine.run_id, sync=self.rules.name, link=link_id, kind=kind, detail=detail)
        )


def _outcome(before: Link, decided: Plan, cause: str, *, owed: bool) -> tuple[str, str]:
    """The one name under which this link's turn is counted."""
    if owed:
        return ("applied", "writes owed")
    if decided.decisions and not decided.notes:
        return ("applied", "agreed without a write")
    if decided.holds:
        return ("held", decided.holds[0].kind.value)
    if decided.notes and not decided.writes:
        return ("skipped", decided.notes[0])
    if decided.writes:
        return ("no-op", "already owed")
    return ("echo", "our own write") if cause in ("write", "webhook") and before == decided.link else ("no-op", "")

