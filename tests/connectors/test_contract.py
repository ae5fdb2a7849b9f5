"""One contract for every connector: what `syncd.connectors.base` promises, asked of each against its far side.

The far side is the memory system or an emulated vendor over real HTTP; what is true there is the referee.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncd.connectors.base import Change, Created, DeletesVisible, Exists, News, Update, WebhookRefused
from syncd.connectors.clock import SystemClock
from syncd.core.errors import ConnectorError, Effect, Rejected, Stale, Unauthorized, Unavailable
from syncd.core.record import SECOND, Record


async def created(bench, **neutral) -> Record:
    """A record made through the connector."""
    answer = await bench.connector.create(bench.collection, bench.fields(**neutral))
    assert isinstance(answer, Created)
    return answer.record


async def test_a_whole_pass_shows_the_truth(bench):
    """Every page together shows exactly what the far side holds."""
    for number in range(7):
        bench.create_as_user(email=f"p{number}@example.com", name=f"P{number}", tags=["vip"] if number % 2 else [])

    assert bench.truth() == await bench.listed()


async def test_an_incremental_pass_shows_what_changed_since(bench):
    """Nothing that changed at or after `since` is missing."""
    first = bench.create_as_user(email="a@example.com", name="A")
    seen = await bench.connector.get(bench.ref(first))
    bench.create_as_user(email="b@example.com", name="B")
    timed = bench.connector.capabilities(bench.collection).modified_time
    since = seen.modified_at if timed else _now() - SECOND

    assert bench.truth() == await bench.listed(since=since)
    assert not timed or {} == await bench.listed(since=since + 3_600 * SECOND)


async def test_get_shows_the_record(bench):
    """A read by id shows what is there, and when it changed where the vendor says so."""
    record_id = bench.create_as_user(email="a@example.com", name="A", tags=["vip"], plan=bench.plan_values[0])
    record = await bench.connector.get(bench.ref(record_id))

    assert bench.truth()[record_id] == bench.neutral(record.fields)
    assert bench.connector.capabilities(bench.collection).modified_time is (record.modified_at is not None)


async def test_get_says_none_for_what_is_gone(bench):
    """Absence is an answer, not an error."""
    record_id = bench.create_as_user(email="a@example.com")
    bench.delete_as_user(record_id)

    assert None is await bench.connector.get(bench.ref(record_id))


async def test_create_answers_what_is_there(bench):
    """The read-back of a create shows all that was written, as it now is, and nothing that is not so."""
    record = await created(bench, email="A@Example.com", name="A", tags=["vip"], plan=bench.plan_values[0])
    whole = await bench.connector.get(record.ref)

    assert {record.ref.id: bench.neutral(record.fields)} == bench.truth()
    assert {path: whole.fields[path] for path in record.fields} == record.fields
    assert whole.modified_at == record.modified_at


async def test_create_answers_exists_where_it_claims_to_notice(bench):
    """A claimed path refuses a second record and names the first."""
    await bench.connector.discover(bench.collection)
    record_id = bench.create_as_user(email="a@example.com")
    claimed = bench.connector.capabilities(bench.collection).create_detects
    answer = await bench.connector.create(bench.collection, bench.fields(email="a@example.com", name="Other"))

    assert isinstance(answer, Exists)
    assert (record_id, bench.paths["email"]) == (answer.id, answer.key)
    assert 1 == len(bench.truth())
    assert not claimed or bench.paths["email"] in claimed


async def test_update_changes_what_it_names_and_nothing_else(bench):
    """The read-back of an update is the record as it now is."""
    record_id = bench.create_as_user(email="a@example.com", name="A", tags=["vip"], plan=bench.plan_values[0])
    before = bench.truth()[record_id]
    change = Update(ref=bench.ref(record_id), changes=bench.fields(name="B", plan=bench.plan_values[1]))
    (answer,) = await bench.connector.update([change])

    assert {**before, "name": "B", "plan": bench.plan_values[1]} == bench.truth()[record_id] == bench.neutral(answer.fields)
    assert bench.ref(record_id) == answer.ref


async def test_a_set_is_changed_by_element(bench):
    """Only additions and removals are sent, so what somebody added meanwhile stays, and what somebody removed stays away."""
    record_id = bench.create_as_user(email="a@example.com", tags=["vip", "customer"])
    bench.edit_as_user(record_id, tags=["customer", "newsletter"])
    change = Update(
        ref=bench.ref(record_id),
        changes=bench.fields(tags=["vip", "fresh"]),
        before=bench.fields(tags=["vip", "customer"]),
    )
    (answer,) = await bench.connector.update([change])

    assert ["fresh", "newsletter"] == bench.truth()[record_id]["tags"] == bench.neutral(answer.fields)["tags"]


async def test_a_set_whose_former_elements_are_not_told_is_read_first(bench):
    """Without `before` a connector may not guess what to remove; memory is told always."""
    record_id = bench.create_as_user(email="a@example.com", tags=["vip"])
    before = {} if not hasattr(bench, "world") else bench.fields(tags=["vip"])
    (answer,) = await bench.connector.update([Update(ref=bench.ref(record_id), changes=bench.fields(tags=None), before=before)])

    assert None is bench.neutral(answer.fields)["tags"]
    assert not bench.truth()[record_id]["tags"]


@pytest.mark.parametrize("name", ["name", "plan", "tags"])
async def test_a_field_is_cleared_by_none(bench, name):
    """None clears, and the cleared field is shown blank, by id and in a listing."""
    full = {"name": "A", "plan": bench.plan_values[0], "tags": ["vip"]}
    # Another record shows the listing's own habit of showing these fields.
    other = bench.create_as_user(email="b@example.com", **full)
    record_id = bench.create_as_user(email="a@example.com", **full)
    change = Update(ref=bench.ref(record_id), changes=bench.fields(**{name: None}), before=bench.fields(tags=["vip"]))
    (answer,) = await bench.connector.update([change])
    listed = await bench.listed()

    assert None is bench.neutral(answer.fields)[name]
    assert not bench.truth()[record_id][name]
    assert None is listed[record_id][name]
    assert bench.truth()[other] == listed[other]


async def test_update_of_what_is_gone_is_stale(bench):
    """The plan no longer fits: look again."""
    record_id = bench.create_as_user(email="a@example.com")
    bench.delete_as_user(record_id)
    (answer,) = await bench.connector.update([Update(ref=bench.ref(record_id), changes=bench.fields(name="B"))])

    assert isinstance(answer, Stale)
    assert bench.ref(record_id) == answer.ref


async def test_an_unknown_field_is_refused_and_nothing_is_written(bench):
    """A field that does not exist is this write's own error."""
    record_id = bench.create_as_user(email="a@example.com", name="A")
    before = bench.truth()
    prefix = bench.paths["plan"].partition(".")[0]
    (answer,) = await bench.connector.update(
        [Update(ref=bench.ref(record_id), changes={f"{prefix}.Nowhere": "x", **bench.fields(name="B")})]
    )

    assert isinstance(answer, Rejected)
    assert before == bench.truth()


async def test_a_batch_succeeds_and_fails_by_item(bench):
    """One poisoned item does not hold up the others, and answers come in the order asked."""
    ids = [bench.create_as_user(email=f"p{number}@example.com", name="old") for number in range(3)]
    bench.delete_as_user(ids[1])
    updates = [Update(ref=bench.ref(each), changes=bench.fields(name="new")) for each in ids]
    size = bench.connector.capabilities(bench.collection).batch_update_max
    answers = [answer for at in range(0, 3, size) for answer in await bench.connector.update(updates[at : at + size])]

    assert [Record, Stale, Record] == [type(answer) for answer in answers]
    assert ids == [answer.ref.id for answer in answers]
    assert {"new"} == {row["name"] for row in bench.truth().values()}


async def test_delete_removes_and_twice_is_no_error(bench):
    """Gone is gone."""
    record = await created(bench, email="a@example.com")
    await bench.connector.delete(record.ref)
    await bench.connector.delete(record.ref)

    assert {} == bench.truth()
    assert None is await bench.connector.get(record.ref)


async def test_find_finds_by_a_claimed_key(bench):
    """By e-mail in any spelling the vendor takes for the same, and nothing for a stranger."""
    record_id = bench.create_as_user(email="a@example.com", name="A")
    bench.create_as_user(email="b@example.com", name="B")
    path = bench.paths["email"]
    found = await bench.connector.find(bench.collection, path, "a@example.com")

    assert path in bench.connector.capabilities(bench.collection).find_keys
    assert [record_id] == [record.ref.id for record in found]
    assert [] == await bench.connector.find(bench.collection, path, "stranger@example.com")


async def test_discovery_names_every_field_that_is_shown(bench):
    """The schema and the records speak of the same paths, and the custom choice is there."""
    bench.create_as_user(email="a@example.com", name="A", plan=bench.plan_values[0])
    schema = await bench.connector.discover(bench.collection)
    (page, *_) = [page for page in await bench.pages() if page.records]

    assert set(page.records[0].fields) <= {path for path, spec in schema.fields.items() if spec.readable}
    assert set(bench.paths.values()) <= set(schema.fields)
    assert all(path == spec.path for path, spec in schema.fields.items())


async def test_an_empty_listing_is_shown_as_it_came(bench):
    """Whether to believe it is not the connector's to decide."""
    skip_what_is_not_asked(bench, "page")
    bench.create_as_user(email="a@example.com")
    for _ in range(3):
        bench.fault("empty_listing", "page")

    assert {} == await bench.listed()


WRITES = ["create", "update", "delete"]


def skip_what_is_not_asked(bench, operation):
    """Where reading is no call, no call of it can fail."""
    if not bench.asks and operation not in WRITES:
        pytest.skip("it answers what it was told before")



async def attempt(bench, operation, record_id):
    """One call of the operation; the error it ends in."""
    ref = bench.ref(record_id)
    try:
        if operation == "create":
            await bench.connector.create(bench.collection, bench.fields(email="new@example.com"))
        elif operation == "update":
            (answer,) = await bench.connector.update([Update(ref=ref, changes=bench.fields(name="B"))])
            if isinstance(answer, ConnectorError):
                return answer
        elif operation == "delete":
            await bench.connector.delete(ref)
        elif operation == "get":
            await bench.connector.get(ref)
        else:
            await bench.connector.page(bench.collection)
    except ConnectorError as error:
        return error
    return None


@pytest.mark.parametrize("operation", [*WRITES, "get", "page"])
@pytest.mark.parametrize("kind", ["error_before", "error_after", "hang_before", "hang_after", "html", "bad_json"])
async def test_a_lost_answer_is_unavailable_and_a_write_leaves_a_doubt(bench, kind, operation):
    """Retry later; and for a write, look before you do."""
    skip_what_is_not_asked(bench, operation)
    record_id = bench.create_as_user(email="a@example.com", name="A")
    await bench.connector.discover(bench.collection)
    bench.fault(kind, operation)
    error = await attempt(bench, operation, record_id)

    assert isinstance(error, Unavailable)
    assert (Effect.MAYBE if operation in WRITES else Effect.NONE) is error.effect


@pytest.mark.parametrize("kind", ["error_after", "hang_after", "reset_after"])
async def test_the_doubt_of_a_create_is_justified(bench, kind):
    """What may have happened did happen here."""
    await bench.connector.discover(bench.collection)
    bench.fault(kind, "create")
    error = await attempt(bench, "create", "none")

    assert isinstance(error, Unavailable)
    assert ["new@example.com"] == [row["email"] for row in bench.truth().values()]


@pytest.mark.parametrize("operation", [*WRITES, "get", "page"])
async def test_a_refused_call_had_no_effect(bench, operation):
    """Too many calls: the vendor's wish is told, nothing was done, and the next call goes through."""
    skip_what_is_not_asked(bench, operation)
    record_id = bench.create_as_user(email="a@example.com", name="A")
    await bench.connector.discover(bench.collection)
    before = bench.truth()
    bench.fault("rate_limited", operation)
    error = await attempt(bench, operation, record_id)

    assert isinstance(error, Unavailable)
    assert (Effect.NONE, 0.0) == (error.effect, error.retry_after_s)
    assert before == bench.truth()
    assert None is await attempt(bench, operation, record_id)


@pytest.mark.parametrize("operation", [*WRITES, "get", "page"])
async def test_a_key_that_does_not_fit_wakes_a_person(bench, operation):
    """And is never taken for absence or emptiness."""
    skip_what_is_not_asked(bench, operation)
    record_id = bench.create_as_user(email="a@example.com", name="A")
    await bench.connector.discover(bench.collection)
    bench.fault("unauthorized", operation)

    assert isinstance(await attempt(bench, operation, record_id), Unauthorized)


async def test_news_arrives_as_events(bench):
    """A create, an edit and (where it is told) a delete announce the record they are about; a full one carries what a read would show."""
    await bench.connector.discover(bench.collection)
    record_id = bench.create_as_user(email="a@example.com", name="A", plan=bench.plan_values[0], tags=["vip"])
    deliveries = await bench.deliveries()
    bench.edit_as_user(record_id, name="B")
    deliveries += await bench.deliveries()
    expected = bench.truth()[record_id]
    bench.delete_as_user(record_id)
    deliveries += await bench.deliveries()
    events = [event for headers, body in deliveries for event in bench.connector.receive(headers, body, _now())]
    facts = bench.connector.capabilities(bench.collection)
    full, deletion = facts.webhooks is News.FULL, facts.deletes_visible is DeletesVisible.WEBHOOK

    assert [Change.CHANGED, Change.CHANGED, *([Change.DELETED] if deletion else [])] == [event.change for event in events]
    assert {bench.ref(record_id)} == {event.ref for event in events}
    assert [full, full, *([False] if deletion else [])] == [event.full for event in events]
    assert len(events) == len({event.dedupe_key for event in events})
    assert events[1].fields is None or expected == bench.neutral(events[1].fields)


async def test_a_full_event_lists_the_paths_a_read_would(bench):
    """Otherwise a field that is blank could not be told from one that was not sent."""
    await bench.connector.discover(bench.collection)
    record_id = bench.create_as_user(email="a@example.com")
    ((headers, body),) = await bench.deliveries()
    (event,) = bench.connector.receive(headers, body, _now())
    record = await bench.connector.get(bench.ref(record_id))

    assert not event.full or set(record.fields) == set(event.fields)
    assert all(record.fields[path] == value for path, value in (event.fields or {}).items() if path != "dateOfBirth")


async def test_no_altered_delivery_is_accepted(bench):
    """Every single bit of body and signature counts, and so does every byte's being there; of a body that is not signed, nothing does."""
    bench.create_as_user(email="a@example.com", name="A")
    ((headers, body),) = await bench.deliveries()
    signature = headers[bench.signature]
    now = _now()

    def verdict(changed_body, changed_signature):
        return bench.connector.receive({**headers, bench.signature: changed_signature}, changed_body, now)

    bodies = [flipped(body, bit) for bit in range(len(body) * 8)] + [body[:cut] for cut in range(len(body))] + [body + b" "]
    signatures = [flipped(signature.encode(), bit).decode("latin-1") for bit in range(len(signature) * 8)]
    signatures += [signature[:cut] for cut in range(1, len(signature))] + [signature + "0", signature * 2, "é", "N/A?"]

    assert not isinstance(verdict(body, signature), WebhookRefused)
    assert not bench.signed or {WebhookRefused.FORGED} == {verdict(each, signature) for each in bodies}
    assert {WebhookRefused.FORGED} == {verdict(body, each) for each in signatures}
    assert WebhookRefused.UNSIGNED is bench.connector.receive({}, body, now)


async def test_the_same_news_twice_has_the_same_key(bench):
    """A delivery that is repeated can be told by its events' keys; a vendor that says nothing of a delivery lets none be passed over."""
    bench.create_as_user(email="a@example.com")
    ((headers, body),) = await bench.deliveries()
    (once,) = bench.connector.receive(headers, body, _now())
    (twice,) = bench.connector.receive(dict(headers), bytes(body), _now() + SECOND)

    assert bench.signed is (once.dedupe_key == twice.dedupe_key)
    assert replace(once, dedupe_key="") == replace(twice, dedupe_key="")


def flipped(data: bytes, bit: int) -> bytes:
    """The data with one bit turned over."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _now() -> int:
    return SystemClock().now()
