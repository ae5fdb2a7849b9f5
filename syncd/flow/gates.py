"""Gates: the first run that waits for a person, and the guards against too much at once.

A write behind a gate is parked under the gate's hold; approving the hold lets everything behind it go.
The rule that keeps it true: a gate stops one stream of one sync towards one member, and nothing else.
It must not know: what the writes say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from syncd.core.guard import FLIPS_MAX, WRITES_AN_HOUR_MAX, Direction, Turn, direction, fights, trip
from syncd.core.outcome import Decision, HoldKind, Write
from syncd.core.record import HOUR, MINUTE, FieldName, LinkId, MemberName, Micros, SyncName
from syncd.core.rules import FirstRun, SyncRules
from syncd.store import continuity, control, holds, journal, links, writes
from syncd.store.database import Connection
from syncd.store.holds import HoldState, Question

SAMPLE = 5


def first_run_question(sync: SyncName, *, lost: bool = False) -> Question:
    """The hold that everything waits behind until the first run is approved. `lost`: there was a database before, and it is gone."""
    why = "the database that was here is gone, and with it what had been agreed: " if lost else ""
    return Question(
        sync=sync,
        kind=HoldKind.FIRST_RUN,
        reason=f"{why}the first writes of this sync wait for your approval: look at `syncd plan`, then approve",
        sides={},
    )


def guard_question(sync: SyncName, member: MemberName, stream: Direction, reason: str, sample: list[str]) -> Question:
    """The hold that one frozen stream waits behind."""
    return Question(
        sync=sync, kind=HoldKind.GUARD, member=member, reason=reason, sides={"sample": sample}, scope=stream.value
    )


def loop_question(sync: SyncName, link: LinkId, member: MemberName, count: int) -> Question:
    """The hold that a record waits behind which is written again and again."""
    return Question(
        sync=sync,
        kind=HoldKind.OSCILLATION,
        link=link,
        member=member,
        reason=f"written {count} times within an hour: something at the vendors may be writing back what is synced",
        sides={},
    )


def fight_question(sync: SyncName, link: LinkId, member: MemberName, name: FieldName, turn: Turn) -> Question:
    """The hold that a record waits behind of which one field goes to and fro."""
    return Question(
        sync=sync,
        kind=HoldKind.OSCILLATION,
        link=link,
        member=member,
        field=name,
        reason=f"{name} goes to and fro between the same two values: something at the vendors, or two people, set it back",
        sides={"one": turn.before, "other": turn.value},
    )


@dataclass(slots=True)
class Gates:
    """The gates of one sync during one batch of plans."""

    rules: SyncRules
    now: Micros
    links: int
    approved: bool
    lost: bool
    settled: bool
    owed: dict[tuple[MemberName, Direction], int]
    written: dict[tuple[LinkId, MemberName], int]
    turns: dict[tuple[LinkId, FieldName], list[tuple[Micros, Turn]]]
    frozen: dict[tuple[MemberName, Direction], str] = field(default_factory=dict)
    samples: dict[tuple[MemberName, Direction], list[str]] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)

    @property
    def fights(self) -> tuple[tuple[LinkId, list[FieldName]], ...]:
        """The links and fields that were found to be fought over."""
        return tuple((each.link, [each.field]) for each in self.questions if each.link is not None and each.field is not None)

    @classmethod
    def open(cls, tx: Connection, rules: SyncRules, now: Micros, ids: list[LinkId]) -> Gates:
        """The gates as they stand for these links."""
        approved = control.approved_at(tx, rules.name) is not None
        lost = continuity.was_lost(tx)
        written = writes.count_done(tx, ids, now - HOUR)
        # Who is set back three times was written at least twice: nobody else's history is read.
        often = {link for (link, _), count in written.items() if count >= FLIPS_MAX}
        if not approved and rules.first_run is FirstRun.AUTO and not lost:
            control.approve(tx, rules.name, now)
            approved = True
        gates = cls(
            rules=rules,
            now=now,
            links=links.count_live(tx, rules.name),
            approved=approved,
            lost=lost,
            settled=control.settled(tx, rules.name),
            owed=writes.count_recent(tx, rules.name, now - rules.guards.window),
            written=written,
            turns=journal.turns_of(tx, often, now - HOUR) if often else {},
        )
        gates._read_guards(tx)
        gates._read_loops(tx)
        return gates

    def decided(self, link: LinkId, decisions: Iterable[Decision]) -> None:
        """Takes note of what was just decided about a link, before its writes are let through."""
        for each in decisions:
            self.turns.setdefault((link, each.field), []).append((self.now, Turn(each.before, each.value, each.winner)))

    def gate(self, tx: Connection, link: LinkId, write: Write, about: str) -> str | None:
        """The key of the gate this write must wait behind, or None. `about` names it for the sample shown."""
        if not self.approved:
            question = first_run_question(self.rules.name, lost=self.lost)
            self.questions.append(question)
            return question.key
        written = self.written.get((link, write.member), 0)
        if written >= WRITES_AN_HOUR_MAX:
            question = loop_question(self.rules.name, link, write.member, written)
            self.questions.append(question)
            return question.key
        if (fought := self._fought_over(tx, link, write)) is not None:
            self.questions.append(fought)
            return fought.key
        stream = direction(write)
        lane = (write.member, stream)
        self.owed[lane] = self.owed.get(lane, 0) + 1
        if lane not in self.frozen:
            reason = trip(self.rules.guards, stream, owed=self.owed[lane], links=self.links)
            if reason is None or (not self.settled and stream is not Direction.DELETES):
                return None
            self.frozen[lane] = reason
        sample = self.samples.setdefault(lane, [])
        if len(sample) < SAMPLE:
            sample.append(about)
        question = guard_question(self.rules.name, write.member, stream, self.frozen[lane], sample)
        self.questions.append(question)
        return question.key

    def standing(self, write: Write) -> str:
        """How far the guard is from stopping this stream, in words, for the evidence of a deletion."""
        lane = (write.member, direction(write))
        limit = getattr(self.rules.guards, lane[1].value).limit(self.links)
        return f"{self.owed.get(lane, 0)} of at most {limit} {lane[1].value} within {self.rules.guards.window // MINUTE} min"

    def _fought_over(self, tx: Connection, link: LinkId, write: Write) -> Question | None:
        """The question about the first field of this write that goes to and fro; a person's word starts the count anew."""
        for name in sorted(write.values):
            turns = self.turns.get((link, name), [])
            if not fights([turn for _, turn in turns]):
                continue
            question = fight_question(self.rules.name, link, write.member, name, turns[-1][1])
            held = holds.find(tx, question.key)
            since = held.updated_at if held is not None and held.state is HoldState.CLOSED else 0
            if fights([turn for at, turn in turns if at > since]):
                return question
        return None

    def _read_loops(self, tx: Connection) -> None:
        """An approval starts the count of a record anew."""
        for (link, member), count in list(self.written.items()):
            held = holds.find(tx, loop_question(self.rules.name, link, member, count).key) if count >= WRITES_AN_HOUR_MAX else None
            if held is not None and held.state is HoldState.CLOSED:
                since = max(held.updated_at, self.now - HOUR)
                self.written[link, member] = writes.count_done(tx, [link], since).get((link, member), 0)

    def _read_guards(self, tx: Connection) -> None:
        """Streams that a person has not let go yet stay frozen; an approval starts the count anew."""
        lanes = {
            guard_question(self.rules.name, member, stream, "", []).key: (member, stream)
            for member in self.rules.members
            for stream in Direction
        }
        for key, held in holds.find_all(tx, lanes).items():
            lane = lanes[key]
            if held.state is HoldState.OPEN:
                self.frozen[lane] = held.reason
                self.samples[lane] = list(held.sides.get("sample", []))
            elif held.updated_at > self.now - self.rules.guards.window:
                self.owed[lane] = writes.count_recent(tx, self.rules.name, held.updated_at).get(lane, 0)


def ask_all(tx: Connection, questions: list[Question], now: Micros) -> None:
    """Opens the gates' holds, each once, as last worded."""
    holds.ask(tx, {each.key: each for each in questions}.values(), now)
