"""Answering: carries out what a person decided about a hold or a failed write.

The rule that keeps it true: an answer that does not fit its question changes nothing and says what would fit; whatever an answer sets
free is planned or sent by the stages, never here.
It must not know: how the answer was given.
"""

from __future__ import annotations

from syncd.core.errors import UserError
from syncd.core.link import LinkMember
from syncd.core.outcome import HoldKind, Operation
from syncd.core.record import Micros, RecordId, Ref
from syncd.core.rules import DeleteRule, SyncRules
from syncd.flow import holding
from syncd.flow.answers import APPROVE
from syncd.flow.engine import Engine
from syncd.flow.linking import MAKE_NEW
from syncd.flow.reverting import REVERT, revert
from syncd.store import control, cursors, holds, links, outbox, planning, writes
from syncd.store.database import Connection
from syncd.store.holds import Held, HoldState, Question
from syncd.store.outbox import State

IGNORE = "ignore"
_GATES = {HoldKind.GUARD, HoldKind.OSCILLATION}
_APPROVED = _GATES | {HoldKind.FIRST_RUN, HoldKind.LISTING, HoldKind.DELETE, HoldKind.MERGE, HoldKind.UNKNOWN_CREATE}
_PICKED = {HoldKind.CONFLICT, HoldKind.AMBIGUOUS, HoldKind.DELETE, HoldKind.UNKNOWN_CREATE}


def answer_hold(engine: Engine, tx: Connection, number: int, choice: str) -> str:
    """Answers one hold; what follows, in words.

    `choice` is ``approve``, ``ignore``, ``revert``, a member, a ref, ``new``, or a delete rule.

    Raises UserError when the answer does not fit.
    """
    held = holds.get(tx, number)
    if held is None or held.state is HoldState.CLOSED:
        raise UserError(f"there is no open hold {number}", hint="`syncd holds` lists them")
    if held.kind in holding.KINDS and choice in (APPROVE, IGNORE):
        return holding.answer(tx, held, choice, engine.clock.now())
    if choice == IGNORE:
        return _ignore(engine, tx, held)
    if choice == REVERT:
        if held.kind not in _GATES:
            raise UserError(f"nothing waits behind hold {number} that could be put back", hint=_what_fits(engine, held))
        return revert(engine, tx, held)
    if choice == APPROVE and held.kind not in _APPROVED:
        raise UserError(f"hold {number} cannot be approved: {held.reason}", hint=_what_fits(engine, held))
    if choice != APPROVE and held.kind not in _PICKED:
        raise UserError(f"nothing can be picked for hold {number}", hint=_what_fits(engine, held))
    return _carry_out(engine, tx, held, choice)


def _what_fits(engine: Engine, held: Held) -> str:
    match held.kind:
        case HoldKind.CONFLICT:
            return f"pick the member whose value wins: {', '.join(sorted(held.sides))}"
        case HoldKind.AMBIGUOUS:
            return f"pick the record it is, or `{MAKE_NEW}`: {', '.join(_counterparts(engine, held))}"
        case HoldKind.DELETE:
            return "approve (archive), pick propagate, archive or unlink, or ignore"
        case HoldKind.UNREADABLE | HoldKind.UNMAPPABLE | HoldKind.REQUIRED | HoldKind.NOT_STORED:
            return "mend the value at the vendor or the mapping, and it closes by itself; or ignore it"
        case HoldKind.GUARD | HoldKind.OSCILLATION:
            return "approve it, revert what caused it, or ignore it"
        case _:
            return "approve or ignore it"


def _carry_out(engine: Engine, tx: Connection, held: Held, choice: str) -> str:
    now = engine.clock.now()
    match held.kind:
        case HoldKind.FIRST_RUN:
            control.approve(tx, held.sync, now)
            freed = outbox.open_gate(tx, held.key, now)
            holds.answer(tx, held.id, HoldState.CLOSED, choice, now)
            return f"the first run of {held.sync} goes ahead: {freed} writes"
        case HoldKind.GUARD | HoldKind.OSCILLATION:
            freed = outbox.open_gate(tx, held.key, now)
            holds.answer(tx, held.id, HoldState.CLOSED, choice, now)
            return f"{freed} writes go ahead"
        case HoldKind.LISTING:
            holds.answer(tx, held.id, HoldState.ANSWERED, choice, now)
            _list_again(engine, tx, held, now)
            return "a complete listing begins now and is believed, whatever it lacks; each record is still asked for by id"
        case HoldKind.CONFLICT:
            if choice not in held.sides:
                raise UserError(f"{choice!r} has no part in hold {held.id}", hint=_what_fits(engine, held))
        case HoldKind.DELETE:
            if choice != APPROVE and choice not in {rule.value for rule in DeleteRule if rule is not DeleteRule.REVIEW}:
                raise UserError(f"{choice!r} is no way to delete", hint=_what_fits(engine, held))
        case HoldKind.AMBIGUOUS:
            if held.link is not None:
                raise UserError("nothing can be picked for two records of one link", hint="delete or merge one at the vendor")
            _check_candidate(engine, held, choice)
            _check_other_side(engine, held, choice)
        case HoldKind.UNKNOWN_CREATE:
            return _answer_create(engine, tx, held, choice, now)
        case _:
            pass
    holds.answer(tx, held.id, HoldState.ANSWERED, choice, now)
    _plan_again(tx, held, now)
    return "planned again with your answer"


def _list_again(engine: Engine, tx: Connection, held: Held, now: Micros) -> None:
    """Has the collection that was doubted listed without waiting for its next time."""
    for place in engine.places:
        asked = Question(sync=held.sync, kind=held.kind, reason="", sides={}, scope=f"{place[0]}/{place[1]}")
        if asked.key == held.key:
            cursors.ask_complete(tx, place, now)


def _check_candidate(engine: Engine, held: Held, choice: str) -> None:
    candidates = [str(each) for each in held.sides.get("candidates", [])]
    if choice != MAKE_NEW and choice not in candidates and choice not in {each.rsplit("/", 1)[-1] for each in candidates}:
        raise UserError(f"{choice!r} is not among the candidates", hint=_what_fits(engine, held))


def _counterparts(engine: Engine, held: Held) -> list[str]:
    """The candidates on the other sides; a double on the record's own side is none."""
    own = engine.rule(held.sync, held.member) if held.member is not None and held.link is None else None
    candidates = [str(each) for each in held.sides.get("candidates", [])]
    return [each for each in candidates if own is None or not each.startswith(f"{own.system}/{own.collection}/")]


def _check_other_side(engine: Engine, held: Held, choice: str) -> None:
    """Only a person at the vendor can make one of two doubles."""
    fitting = _counterparts(engine, held)
    if choice not in (MAKE_NEW, *fitting, *(each.rsplit("/", 1)[-1] for each in fitting)):
        raise UserError(f"{choice} is a double on the same side", hint="merge or delete one at the vendor; the question closes by itself")


def _answer_create(engine: Engine, tx: Connection, held: Held, choice: str, now: Micros) -> str:
    assert held.link is not None
    assert held.member is not None
    if choice == APPROVE:
        for owed in writes.select(tx, [State.DEAD]):
            if owed.link == held.link and owed.member == held.member and owed.operation is Operation.CREATE:
                outbox.revive(tx, owed, now)
        holds.answer(tx, held.id, HoldState.CLOSED, choice, now)
        return "the record is made once more"
    _check_candidate(engine, held, choice)
    rule = engine.rule(held.sync, held.member)
    ref = Ref(rule.system, rule.collection, RecordId(choice.rsplit("/", 1)[-1]))
    item = planning.PlanItem(held.sync, held.member, ref.id)
    if links.links_of(tx, [item]).get(item, held.link) != held.link:
        raise UserError(f"{ref} belongs to another link by now", hint="`syncd explain` shows which; approve to make a new record instead")
    link = links.load(tx, [held.link])[held.link]
    links.save(tx, [link.with_member(held.member, LinkMember(ref=ref))], now)
    holds.answer(tx, held.id, HoldState.CLOSED, choice, now)
    planning.enqueue(tx, links.items_of(link), now, "operator")
    return f"{ref} joins the link"


def _ignore(engine: Engine, tx: Connection, held: Held) -> str:
    now = engine.clock.now()
    if held.kind is HoldKind.FIRST_RUN:
        raise UserError("a first run cannot be ignored", hint="approve it, or take the sync out of the configuration")
    if held.kind in _GATES:
        parked = [owed.id for owed in writes.select(tx, [State.PARKED], gate=held.key, limit=1_000_000)]
        outbox.skip(tx, parked, now)
        holds.answer(tx, held.id, HoldState.CLOSED, IGNORE, now)
        return f"{len(parked)} writes are dropped; those records stay different until one of them is edited"
    holds.answer(tx, held.id, HoldState.IGNORED, IGNORE, now)
    return "ignored until it changes"


def _plan_again(tx: Connection, held: Held, now: Micros) -> None:
    if held.link is not None:
        planning.enqueue(tx, links.items_of(links.load(tx, [held.link])[held.link])[:1], now, "operator")
    elif held.member is not None and held.record_id is not None:
        planning.enqueue(tx, [planning.PlanItem(held.sync, held.member, held.record_id)], now, "operator")


def answer_failures(engine: Engine, tx: Connection, ids: list[int], choice: str) -> str:
    """Retries or skips dead letters (all of them where `ids` is empty); what follows, in words."""
    now = engine.clock.now()
    dead = [owed for owed in writes.select(tx, [State.DEAD], limit=1_000_000) if not ids or owed.id in ids]
    if ids and len(dead) < len(ids):
        missing = sorted(set(ids) - {owed.id for owed in dead})
        raise UserError(f"no failed write {missing[0]}", hint="`syncd failures` lists them")
    if choice == "retry":
        for owed in dead:
            outbox.revive(tx, owed, now)
        return f"{len(dead)} writes are tried again"
    outbox.skip(tx, [owed.id for owed in dead], now)
    return f"{len(dead)} writes are given up"


def plan_everything(engine: Engine, tx: Connection, rules: SyncRules) -> None:
    """Puts every link of a sync on the list, so that changed rules are applied to all of them."""
    planning.enqueue(tx, links.every_item(tx, rules.name), engine.clock.now(), "rules changed")
