"""Planted bugs: each is one small change to the product that a simulator worth its name must notice.

`PLANTED` maps a name to a function that makes the change; `planted` makes it for the length of a block.
The rule that keeps it true: a bug is planted by replacing a name where it is used, and everything is put back afterwards.
It must not know: by which invariant it will be caught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from syncd.connectors.base import Page
from syncd.core import decide, deletion
from syncd.core.errors import Effect
from syncd.core.guard import believe_listing
from syncd.flow import failing, poll, prepare, probe, reconcile, reread, settle, write
from syncd.store import codec, continuity, links, observations, outbox, planning
from tests.sim.connector import SimConnector
from tests.sim.vendor import LONG_AGO

Put = Callable[[Any, str, Any], None]


def no_idempotency_check(put: Put) -> None:
    """The same plan is owed as often as it is made."""
    genuine = outbox.key_of
    made = [0]

    def key_of(*arguments: Any) -> str:
        made[0] += 1
        return f"{genuine(*arguments)}{made[0]}"

    put(outbox, "key_of", key_of)


def sent_not_committed(put: Put) -> None:
    """The intent is not on disk when the call is made."""
    put(outbox, "mark_sent", lambda _tx, owed, _at: list(owed))


def cursor_before_commit(put: Put) -> None:
    """The cursor moves to the moment a pass ended instead of to what it showed."""
    genuine = poll._finish

    def finish(engine: Any, tx: Any, place: Any, cursor: Any, total: Any) -> Any:
        now = engine.clock.now() + engine.connectors[place[0]].skew().offset + 60_000_000
        return genuine(engine, tx, place, replace(cursor, newest=now, started_at=now), total)

    put(poll, "_finish", finish)


def empty_list_believed(put: Put) -> None:
    """Any listing is believed, and absence from it is a deletion at once."""
    put(poll, "believe_listing", lambda *_a, **_k: None)
    _bury_at_once(put)


def suspect_believed_at_once(put: Put) -> None:
    """A record that is denied once is gone."""

    def denied(engine: Any, tx: Any, doubt: Any, reading: Any) -> None:
        observations.bury(tx, doubt.ref, ["denied once"], seen_at=reading.seen_at, read_at=reading.read_at, routes=engine.routes)

    put(reread, "_denied", denied)


def _bury_at_once(put: Put) -> None:
    genuine = observations.suspect

    def suspect(tx: Any, refs: Any, evidence: str, due_at: int) -> None:
        refs = list(refs)
        genuine(tx, refs, evidence, due_at)
        for ref in refs:
            if "complete pass" in evidence:
                for item in tx.execute("SELECT DISTINCT sync, member FROM link_members WHERE record_id = ?", (ref.id,)).fetchall():
                    observations.bury(tx, ref, [evidence], seen_at=due_at, read_at=due_at, routes={(ref.system, ref.collection): [item]})

    put(observations, "suspect", suspect)


def second_page_ignored(put: Put) -> None:
    """Only the first page of a listing is read."""
    genuine = SimConnector.page

    async def page(self: Any, collection: Any, **arguments: Any) -> Page:
        answer = await genuine(self, collection, **arguments)
        return replace(answer, next=None, total=None)

    put(SimConnector, "page", page)


def create_retried_blind(put: Put) -> None:
    """A create whose outcome is unknown is simply tried again."""
    genuine = failing.record_failure

    async def record_failure(engine: Any, owed: Any, error: Any, **arguments: Any) -> None:
        error.effect = Effect.NONE
        await genuine(engine, owed, error, **arguments)

    put(failing, "record_failure", record_failure)
    put(write, "record_failure", record_failure)

    async def nothing_there(_engine: Any, _owed: Any) -> None:
        return None

    put(write, "is_there_already", nothing_there)


def newcomer_not_asked_for(put: Put) -> None:
    """What no listing showed is made without asking whether it is there."""

    async def nothing_there(_engine: Any, _owed: Any) -> None:
        return None

    put(write, "is_there_already", nothing_there)


def no_probe(put: Put) -> None:
    """A doubtful create is taken for one that did not happen."""

    async def find(*_arguments: Any) -> tuple[list[Any], list[Any]]:
        return [], []

    put(probe, "_find", find)


def base_not_updated(put: Put) -> None:
    """What a write read back does not become the base."""
    put(settle, "_rebased", lambda _engine, _tx, _owed, link, *_rest: link)


def wrong_tie_break(put: Put) -> None:
    """Whoever comes last in the list wins a conflict."""
    put(decide, "_resolve", lambda _rules, _rule, claims, _pick: (claims[-1], "the last one"))


def losers_forgotten(put: Put) -> None:
    """The journal does not keep what lost."""
    genuine = decide._won

    def won(*arguments: Any) -> Any:
        return replace(genuine(*arguments), losers={})

    put(decide, "_won", won)


def echo_by_timer(put: Put) -> None:
    """What a record shows soon after we wrote to it is taken for our own echo."""
    genuine = observations.observe

    def observe(tx: Any, looks: Any, routes: Any, cause: str) -> Any:
        kept = []
        for look in looks:
            (wrote,) = tx.execute("SELECT max(done_at) FROM outbox WHERE record_id = ?", (look.record.ref.id,)).fetchone()
            if cause == "write" or wrote is None or look.seen_at - wrote > 60_000_000:
                kept.append(look)
        return genuine(tx, kept, routes, cause)

    put(observations, "observe", observe)


def hint_trusted(put: Put) -> None:
    """What a hint carries is taken for the record."""

    def is_observation(_engine: Any, hint: Any, _known: Any) -> bool:
        return hint.arrivals[-1].fields is not None and hint.arrivals[-1].occurred_at is not None

    put(reread, "_is_observation", is_observation)


def stale_look_accepted(put: Put) -> None:
    """An older look replaces a newer one."""
    put(observations, "_order", lambda _look, _before: observations.Order.NEWER)


def set_replaced(put: Put) -> None:
    """A set is written as a whole, over what others added meanwhile."""
    genuine = SimConnector.update

    async def update(self: Any, updates: Any) -> Any:
        return await genuine(self, [replace(each, before={**each.before, "tags": ALL_TAGS}) for each in updates])

    put(SimConnector, "update", update)


ALL_TAGS = [f"t{number}" for number in range(1, 400)]


def in_flight_planned(put: Put) -> None:
    """A link is planned while a write to it is in the air."""
    put(outbox, "in_flight", lambda _tx, _links: outbox.InFlight())
    put(planning, "due", _due_all)


def _due_all(tx: Any, sync: Any, limit: int) -> Any:
    return planning._due(tx.execute("SELECT sync, member, record_id, since, cause FROM to_plan WHERE sync = ? LIMIT ?", (sync, limit)))


def no_look_before_write(put: Put) -> None:
    """Nobody looks at a record before writing to it."""
    genuine = prepare._last_look
    put(prepare, "_last_look", lambda *arguments: (genuine(*arguments)[0], True))
    put(prepare, "differs_from_expected", lambda *_a: False)


def delete_beats_edit(put: Put) -> None:
    """A deletion wins over an edit made elsewhere."""
    put(deletion, "_edited_since", lambda *_a: False)


def events_dropped(put: Put) -> None:
    """A webhook is acknowledged before it is stored."""
    from tests.sim import webhooks

    async def store(*_arguments: Any) -> Any:
        class Answer:
            status = 200

        return Answer()

    put(webhooks, "_store", store)


def twin_taken(put: Put) -> None:
    """Of several records with one key the first is taken."""
    from syncd.core.match import Ambiguous, Join
    from syncd.flow import linking

    genuine = linking.match

    def match(order: Any, member: Any, keys: Any, candidates: Any) -> Any:
        verdict = genuine(order, member, keys, candidates)
        if isinstance(verdict, Ambiguous):
            linked = [each for each in verdict.candidates if each.link is not None]
            return Join(link=linked[0].link, by=order[0]) if linked else verdict
        return verdict

    put(linking, "match", match)


def not_shown_is_blank(put: Put) -> None:
    """A path that was not shown is taken for one that was cleared."""
    from tests.sim.vendor import FIELDS

    put(observations, "_laid_over", lambda shown, _before: {path: shown.get(path) for path in FIELDS})


def unknown_is_done(put: Put) -> None:
    """A call that got no answer is taken for one that succeeded."""
    genuine = outbox.settle

    def settled(tx: Any, owed: Any, state: Any, at: int, **arguments: Any) -> bool:
        return genuine(tx, owed, outbox.State.DONE if state is outbox.State.UNKNOWN else state, at, **arguments)

    put(outbox, "settle", settled)


def crash_forgotten(put: Put) -> None:
    """What was in the air when the process died is simply sent again."""

    def recover(tx: Any, _system: Any, now: int) -> int:
        tx.execute("UPDATE outbox SET lease_until = NULL, fence = fence + 1 WHERE lease_until IS NOT NULL")
        return int(tx.execute("UPDATE outbox SET state = 'pending', due_at = ? WHERE state = 'sent'", (now,)).rowcount)

    put(outbox, "recover", recover)

    async def nothing_there(_engine: Any, _owed: Any) -> None:
        return None

    put(write, "is_there_already", nothing_there)


def review_decided(put: Put) -> None:
    """A conflict that a person is to decide is decided by the source of truth."""
    genuine = decide._resolve

    def resolve(rules: Any, *rest: Any) -> Any:
        return genuine(replace(rules, conflict=decide.ConflictRule.SOURCE_OF_TRUTH), *rest)

    put(decide, "_resolve", resolve)


def hold_nobody_sees(put: Put) -> None:
    """A conflict that nobody may decide is not asked."""
    from syncd.store import holds

    genuine = holds.ask
    put(holds, "ask", lambda tx, questions, at: genuine(tx, [each for each in questions if each.kind.value != "conflict"], at))


def damage_trusted(put: Put) -> None:
    """A stored row is used whatever its seal says."""

    def unseal(tx: Any, sealed: Any, *_row: Any) -> Any:
        if sealed is None:
            return None
        master, number = tx.vault.source.get(), int.from_bytes(sealed[:2])
        row = tx.execute("SELECT locked FROM vault_keys WHERE number = ?", (number,)).fetchone()
        key = bytes(32) if row is None else master.unlock(row[0], b"vault_keys %d %s" % (number, master.id.encode()))
        # What the mode does once its tag is left out.
        return codec.unpack(Cipher(AES(key), CTR(sealed[2:14] + bytes([0, 0, 0, 2]))).decryptor().update(sealed[14:-16]))

    for room in (links, observations, outbox):
        put(room, "unseal", unseal)


def restore_unnoticed(put: Put) -> None:
    """A database that is older than what was done with it is believed."""
    put(continuity, "standing", lambda _tx, _marked: continuity.Standing.SAME)


def old_dates_refused(put: Put) -> None:
    """A date before this software was written is taken for nonsense."""
    genuine = observations._order

    def order(look: Any, before: Any) -> Any:
        return observations.Order.OLDER if look.seen_at < LONG_AGO else genuine(look, before)

    put(observations, "_order", order)


def list_cleared(put: Put) -> None:
    """Of a long list only the beginning is planned, and all of it is taken for done."""
    genuine = planning.due
    put(planning, "due", lambda tx, sync, limit, *more: genuine(tx, sync, min(limit, 6), *more))
    put(planning, "done", lambda tx, _items: tx.execute("DELETE FROM to_plan"))


def links_forgotten(put: Put) -> None:
    """After a restore every link is dropped, and what belongs together is not looked for again."""
    from syncd.flow import linking

    genuine = continuity.begin_rebasing

    def begin(tx: Any, found: Any) -> None:
        genuine(tx, found)
        tx.execute("DELETE FROM link_members")
        tx.execute("UPDATE links SET state = 'unlinked'")
        tx.execute("UPDATE to_plan SET indexed = 1")
        tx.execute("INSERT INTO meta VALUES ('forgotten', '')")

    candidates = linking._candidates

    def found(tx: Any, *rest: Any) -> Any:
        return [] if tx.execute("SELECT 1 FROM meta WHERE key = 'forgotten'").fetchone() else candidates(tx, *rest)

    put(continuity, "begin_rebasing", begin)
    put(linking, "_candidates", found)


def look_not_marked(put: Put) -> None:
    """What a look shows is kept, and nothing is to come of it."""
    genuine = observations.observe
    put(observations, "observe", lambda tx, looks, routes, cause: genuine(tx, looks, {} if cause.startswith("look") else routes, cause))


PLANTED: dict[str, Callable[[Put], None]] = {
    each.__name__: each
    for each in (
        no_idempotency_check, sent_not_committed, cursor_before_commit, empty_list_believed, suspect_believed_at_once, second_page_ignored,
        create_retried_blind, no_probe, base_not_updated, wrong_tie_break, losers_forgotten, echo_by_timer, hint_trusted,
        stale_look_accepted, set_replaced, in_flight_planned, no_look_before_write, delete_beats_edit, events_dropped, twin_taken,
        not_shown_is_blank, unknown_is_done, crash_forgotten, review_decided, hold_nobody_sees, damage_trusted, restore_unnoticed,
        look_not_marked, old_dates_refused, list_cleared, links_forgotten, newcomer_not_asked_for,
    )
}  # fmt: skip


@contextmanager
def planted(name: str, bugs: Mapping[str, Callable[[Put], None]] = PLANTED) -> Iterator[None]:
    """Plants one bug for the length of the block."""
    kept: list[tuple[Any, str, Any]] = []

    def put(owner: Any, attribute: str, value: Any) -> None:
        kept.append((owner, attribute, owner.__dict__[attribute]))
        setattr(owner, attribute, value)

    bugs[name](put)
    try:
        yield
    finally:
        for owner, attribute, genuine in reversed(kept):
            setattr(owner, attribute, genuine)


__all__ = ["PLANTED", "believe_listing", "planted", "reconcile"]
