"""The bridge by itself: what is handed off and how, what is believed of what comes back, and what it makes of forms."""

from __future__ import annotations

import base64
import hmac
import time
from contextlib import AsyncExitStack, asynccontextmanager

import orjson
import pytest
from aiohttp import web

from syncd.connectors.base import Created, Exists, News, Update, WebhookRefused
from syncd.connectors.bridge.hats17 import SHAPES
from syncd.connectors.bridge.settings import BridgeSettings
from syncd.connectors.clock import SystemClock
from syncd.connectors.registry import KINDS, open_connector
from syncd.core.errors import Effect, Rejected, Unavailable, UserError
from syncd.core.record import CollectionName, RecordId, Ref, SystemName
from syncd.store import bridge
from syncd.store.bridge import BridgeLedger
from syncd.store.codec import DamagedError
from syncd.store.database import open_database
from tests.connectors.bridge_bench import BENCH, open_bridge

CONTACTS = CollectionName("contacts")
NEW = {"first_name": "Ada", "type": "Hot Lead", "is_company": False, "email": "ada@b.co"}
KEY = "a-secret-that-is-long-enough-for-anybody"


class Bridged:
    def __init__(self, flows, connector, door, database) -> None:
        self.flows, self.connector, self.door, self.database = flows, connector, door, database

    async def shown(self, record_id):
        return (await self.connector.get(Ref(BENCH, CONTACTS, RecordId(record_id)))).fields

    async def told(self, **word) -> bool:
        """A signed post of one word."""
        return await self.door.hear(*self.flows.post({"collection": "contacts", "event": "updated", **word}))

    def update(self, record_id, **changes):
        return self.connector.update([Update(ref=Ref(BENCH, CONTACTS, RecordId(record_id)), changes=changes)])

    def calls(self) -> int:
        return self.flows.stats.requests.total()


@asynccontextmanager
async def bridged(folder, *, settings=None, **options):
    async with open_database(folder / "x.db") as database, AsyncExitStack() as stack:
        flows, opened, door = await open_bridge(stack, database, settings={"ack_wait_s": 5.0, **(settings or {})}, **options)
        yield Bridged(flows, opened.connector, door, database)


async def test_what_a_hook_gets(tmp_path):
    """The operation under its own name, the record's own id, what to find it by, and the fields in the flow's words; signed as it is sent."""
    got = []

    async def hook(request):
        got.append((dict(request.headers), await request.read()))
        return web.Response(text="Accepted")

    async with bridged(tmp_path, settings={"ack_wait_s": 0.0}) as it, elsewhere(hook) as url:
        settings = BridgeSettings(hooks=f"contacts.update {url}/a/b/", secret=KEY, ack_wait_s=0)
        async with connected(settings, it.database) as connector:
            assert await it.told(id=77, fields={"email": "Ada@B.co", "first_name": "Ada"})
            ref = Ref(BENCH, CONTACTS, RecordId("77"))
            (answer,) = await attempt_update(connector, ref, {"email": "new@b.co", "tags": ["vip"]})
    ((headers, body),) = got
    content = orjson.loads(body)
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])

    assert isinstance(answer, Unavailable)
    assert {
        "op_id": headers["webhook-id"],
        "operation": "update",
        "collection": "contacts",
        "id": "77",
        "find": {"email": "Ada@B.co", "phone": None},
        "fields": {"email": "new@b.co", "tags": ["vip"]},
    } == content
    assert headers["webhook-signature"] == "v1," + base64.b64encode(hmac.digest(KEY.encode(), signed, "sha256")).decode()


async def attempt_update(connector, ref, changes):
    try:
        return await connector.update([Update(ref=ref, changes=changes)])
    except Unavailable as error:
        return [error]


@asynccontextmanager
async def elsewhere(handler):
    """A web server with one handler for everything."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(settings, database, kind="17hats"):
    async with open_connector(KINDS[kind], BENCH, settings, clock=SystemClock()) as opened:
        opened.connector.keep_in(BridgeLedger(database))
        yield opened.connector


@pytest.mark.parametrize("status", [404, 410, 503])
async def test_a_hook_that_is_switched_off_is_waited_for(tmp_path, status):
    """Nothing happened, nothing is given up, and the address is told to nobody."""
    async def hook(_request):
        return web.Response(status=status, text="no")

    async with open_database(tmp_path / "x.db") as database, elsewhere(hook) as url:
        settings = BridgeSettings(hooks=f"contacts.create {url}/hooks/secret-part", secret=KEY)
        async with connected(settings, database) as connector:
            with pytest.raises(Unavailable) as raised:
                await connector.create(CONTACTS, NEW)

    assert (Effect.MAYBE if status == 503 else Effect.NONE) is raised.value.effect
    assert "secret-part" not in str(raised.value)


async def test_nothing_is_handed_off_twice_while_it_may_be_at_work(tmp_path):
    """The same write waits for its acknowledgement, another one for the same record waits its turn."""
    async with bridged(tmp_path, settings={"ack_wait_s": 0.0}) as it:
        assert await it.told(id="7", fields={"email": "ada@b.co", "first_name": "Ada"})
        it.flows.mood.asleep = True
        errors = [(await attempt_update(it.connector, Ref(BENCH, CONTACTS, RecordId("7")), {"first_name": name}))[0] for name in ("B", "B", "C")]

        assert [Effect.MAYBE, Effect.MAYBE, Effect.NONE] == [error.effect for error in errors]
        assert 1 == it.calls()


async def test_creates_of_one_person_wait_for_each_other(tmp_path):
    """Two flows that both look before either writes would make two."""
    async with bridged(tmp_path, settings={"ack_wait_s": 0.0}) as it:
        it.flows.mood.asleep = True
        for fields in (NEW, {**NEW, "first_name": "A."}):
            with pytest.raises(Unavailable):
                await it.connector.create(CONTACTS, fields)

        assert 1 == it.calls()
        with pytest.raises(Unavailable):
            await it.connector.find(CONTACTS, "email", "ADA@b.co")
        it.flows.wake()
        await it.flows.webhooks.flush()
        assert ["Ada"] == [each.fields["first_name"] for each in await it.connector.find(CONTACTS, "email", "ADA@b.co")]


async def test_a_create_finds_who_is_there(tmp_path):
    """Who was shown is named without a call; who was not, is found by the flow and left as they are."""
    async with bridged(tmp_path, triggers=()) as it:
        it.flows.seed({**NEW, "first_name": "Theirs"})
        found = await it.connector.create(CONTACTS, NEW)
        again = await it.connector.create(CONTACTS, {**NEW, "email": "ADA@b.co"})
        made = await it.connector.create(CONTACTS, {**NEW, "email": "new@b.co"})

        assert (Exists, Exists, Created) == (type(found), type(again), type(made))
        assert (found.id, "email") == (again.id, again.key)
        assert "Theirs" == (await it.shown(found.id))["first_name"]
        assert 2 == it.calls()


async def test_a_family_that_shares_a_telephone_is_several_people(tmp_path):
    """A later key does not outweigh an earlier one that differs."""
    async with bridged(tmp_path) as it:
        assert await it.told(fields={"email": "mother@b.co", "phone": "202-555-0100"})
        assert await it.told(fields={"email": "child@b.co", "phone": "(202) 555 0100"})
        assert await it.told(fields={"email": "child@b.co", "first_name": "Child", "phone": "+1 202 555 0100"})
        page = await it.connector.page(CONTACTS)

        assert ["child@b.co", "mother@b.co"] == sorted(each.fields["email"] for each in page.records)


async def test_whoever_was_known_by_address_takes_the_id_on(tmp_path):
    """A record from an exported file stays the record it is when a flow tells its id."""
    async with bridged(tmp_path) as it:
        assert await it.told(fields={"email": "ada@b.co", "first_name": "Ada"})
        (before,) = (await it.connector.page(CONTACTS)).records
        assert await it.told(id="77", fields={"email": "Ada@b.co", "first_name": "A."})
        assert await it.told(id="77", fields={"email": "moved@b.co"})
        (after,) = (await it.connector.page(CONTACTS)).records

        assert before.ref == after.ref
        assert {"email": "moved@b.co", "first_name": "A."} == after.fields
        assert [] == await it.connector.find(CONTACTS, "email", "ada@b.co")


async def test_the_later_word_holds(tmp_path):
    """Posts overtake each other on the way; what was said earlier only fills in what nobody has said since."""
    async with bridged(tmp_path) as it:
        clock = it.flows._clock
        it.flows._clock = lambda: clock() - 60
        old = it.flows.post({"collection": "contacts", "event": "updated", "id": "7", "fields": {"email": "old@b.co", "city": "York"}})
        it.flows._clock = clock
        assert await it.told(id="7", fields={"email": "new@b.co", "first_name": "Ada"})
        assert await it.door.hear(*old)

        assert {"email": "new@b.co", "first_name": "Ada", "city": "York"} == await it.shown("7")
        assert [] == await it.connector.find(CONTACTS, "email", "old@b.co")


async def test_a_replay_changes_nothing(tmp_path):
    """The same delivery is answered as it was, with the same events, and does not bring back what it told."""
    async with bridged(tmp_path) as it:
        first = it.flows.post({"collection": "contacts", "event": "updated", "id": "7", "fields": {"first_name": "First", "email": "a@b.co"}})
        assert await it.door.hear(*first)
        assert await it.told(id="7", fields={"first_name": "Second"})
        assert await it.door.hear(*first)

        assert "Second" == (await it.shown("7"))["first_name"]
        assert it.door.events[0] == it.door.events[2]


async def test_a_flow_that_cannot_sign_brings_a_secret(tmp_path):
    """The weaker way: only where it was declared, and every post is news."""
    async with bridged(tmp_path, settings={"header_secret": KEY}) as it:
        body = orjson.dumps({"collection": "contacts", "event": "created", "id": 7, "fields__email": "a@b.co", "fields__tags": "b, a"})
        right = await it.door.hear({"x-syncd-secret": KEY}, body)
        again = await it.door.hear({"x-syncd-secret": KEY}, body)
        wrong = await it.door.hear({"x-syncd-secret": KEY[:-1] + "z"}, body)

        assert (True, True, False) == (right, again, wrong)
        assert [WebhookRefused.FORGED] == it.door.refused
        assert {"email": "a@b.co", "tags": ["a", "b"]} == await it.shown("7")
        assert 2 == len({event.dedupe_key for event in it.door.events})
    async with bridged(tmp_path) as it:
        assert not await it.door.hear({"x-syncd-secret": KEY}, body)
        assert [WebhookRefused.UNSIGNED] == it.door.refused


@pytest.mark.parametrize(
    "content",
    [
        None, [], {}, "text", {"event": "updated", "id": "7"}, {"collection": "nowhere", "event": "updated", "id": "7"},
        {"collection": "contacts", "event": ["updated"], "id": "7"}, {"collection": "contacts", "event": "updated"},
        {"collection": "contacts", "event": "updated", "id": {"a": 1}}, {"collection": "contacts", "event": "updated", "id": "x" * 300},
        {"op_id": "contacts.x"}, {"op_id": "contacts.x", "result": "perhaps"}, {"op_id": 7, "result": "created"},
        {"collection": "contacts", "event": "updated", "id": "7", "fields": "all"},
        [{"collection": "contacts", "event": "updated", "id": "7"}, 1],
    ],
)  # fmt: skip
async def test_what_is_not_understood_is_refused_whole(tmp_path, content):
    """So that the flow shows whoever builds it what is wrong."""
    async with bridged(tmp_path) as it:
        assert not await it.door.hear(*it.flows.post(content))
        assert [WebhookRefused.MALFORMED] == it.door.refused
        assert [] == (await it.connector.page(CONTACTS)).records


@pytest.mark.parametrize("moved_s", [-400, 400])
async def test_a_post_from_another_time_is_refused(tmp_path, moved_s):
    """From long ago, or from a clock that is far ahead."""
    async with bridged(tmp_path) as it:
        it.flows._clock = lambda: time.time() + moved_s
        assert not await it.told(id="7", fields={"email": "a@b.co"})
        assert [WebhookRefused.EXPIRED] == it.door.refused


async def test_a_secret_may_be_replaced(tmp_path):
    """While both are known, posts by either are taken."""
    async with bridged(tmp_path, settings={"secret": "whsec_" + base64.b64encode(b"n" * 32).decode(), "secret_previous": KEY}, secret=KEY) as it:
        assert await it.told(id="7", fields={"email": "a@b.co"})


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"hooks": "contacts.create"}, "line 1"),
        ({"hooks": "# a\ncontacts.make https://a.b/c"}, "line 2"),
        ({"hooks": "contacts.create http://example.com/c"}, "line 1"),
        ({"secret": "tiny-one"}, "shorter than"),
        ({"header_secret": "tiny-one"}, "shorter than"),
    ],
)
async def test_what_cannot_work_is_said_at_once(tmp_path, section, said):
    """Without showing the secret it is about."""
    with pytest.raises(UserError, match=said) as raised:
        async with open_connector(KINDS["17hats"], BENCH, BridgeSettings(**section), clock=SystemClock()):
            pass

    assert not any(str(value) in str(raised.value) for value in section.values())


async def test_it_claims_what_flows_were_built_for(tmp_path):
    """No hook, no deed; and without a ledger nothing is said of any record."""
    hooks = "contacts.create /a\ncontacts.archive /b\nprojects.update /c"
    declared = {"projects": {"fields": {"name": "text", "due": {"type": "date", "label": "Due"}}, "keys": ["name"]}}
    settings = BridgeSettings(hooks=hooks, secret=KEY, collections=declared)
    projects = CollectionName("projects")
    async with open_connector(KINDS["17hats"], SystemName("hats"), settings, clock=SystemClock()) as opened:
        facts, schema = opened.connector.capabilities(CONTACTS), await opened.connector.discover(CONTACTS)
        of_projects = await opened.connector.discover(projects)
        with pytest.raises(Unavailable):
            await opened.connector.page(CONTACTS)
        with pytest.raises(Rejected):
            await opened.connector.discover(CollectionName("nowhere"))

    assert (True, False, True, News.HINT) == (facts.can_create, facts.can_update, facts.can_delete, facts.webhooks)
    assert (True, False) == (schema.fields["email"].creatable, schema.fields["email"].writable)
    assert {"fields.name": (False, True), "fields.due": (False, True)} == {
        path: (spec.creatable, spec.writable) for path, spec in of_projects.fields.items()
    }
    assert "fields.due" == KINDS["17hats"].resolve(of_projects, "fields.Due")
    assert frozenset({"fields.name"}) == opened.connector.capabilities(projects).find_keys


def test_a_contact_has_the_fields_of_the_zapier_app():
    """All 26, and the three that are asked of a new one."""
    shape = SHAPES["contacts"]

    assert 26 == len(shape.fields)
    assert {"is_company", "first_name", "type"} == shape.required
    assert ("email=ada@b.co", "phone=025550100") == shape.natural_keys({"email": " Ada@B.co", "phone": "+1 (202) 555-0100"})
    assert () == shape.natural_keys({"email": None, "phone": "12"})



async def test_what_is_told_apart_by_nothing_is_handed_off_once(tmp_path):
    """A create without any key goes by its contents while it is not acknowledged."""
    declared = {"collections": {"notes": {"fields": {"text": "text"}}}, "ack_wait_s": 0.0}
    async with bridged(tmp_path, settings=declared, collections=("notes",), required=()) as it:
        it.flows.mood.asleep = True
        for _ in range(3):
            with pytest.raises(Unavailable):
                await it.connector.create(CollectionName("notes"), {"fields.text": "called"})

        assert 1 == it.calls()


@pytest.mark.parametrize(("told", "kind"), [({"found": "true"}, Exists), ({"found": "false"}, Created), ({}, Created), ({"result": "exists"}, Exists)])
async def test_a_step_that_finds_or_makes_says_which(tmp_path, told, kind):
    """`found` beside the result, as such a step tells it."""
    async with bridged(tmp_path, triggers=()) as it:
        acknowledge = it.flows._acknowledge
        it.flows._acknowledge = lambda content: acknowledge({**content, **told})

        assert isinstance(await it.connector.create(CONTACTS, NEW), kind)


@pytest.mark.parametrize("table", ["bridge_records", "bridge_handoffs"])
async def test_a_damaged_row_is_put_out_of_use(tmp_path, table):
    """It says nothing more, and nobody is taken for gone."""
    async with bridged(tmp_path, settings={"ack_wait_s": 0.0}) as it:
        assert await it.told(id="7", fields={"email": "ada@b.co", "first_name": "Ada"})
        it.flows.mood.asleep = True
        ref = Ref(BENCH, CONTACTS, RecordId("7"))
        await attempt_update(it.connector, ref, {"first_name": "B"})
        column = {"bridge_records": "fields", "bridge_handoffs": "content"}[table]
        await it.database.write(lambda tx: tx.execute(f"UPDATE {table} SET {column} = zeroblob(40)"))
        with pytest.raises(DamagedError) as raised:
            await it.connector.get(ref)
            await attempt_update(it.connector, ref, {"first_name": "B"})
        await it.database.write(lambda tx: bridge.mend(tx, raised.value.table, raised.value.row))

        assert table == raised.value.table
        assert ({} if table == "bridge_records" else {"email": "ada@b.co", "first_name": "Ada"}) == await it.shown("7")
        assert isinstance((await attempt_update(it.connector, ref, {"first_name": "B"}))[0], Unavailable)


async def test_a_run_that_was_held_back_is_told_to_stop(tmp_path):
    """It may begin as often as it likes until its write is acknowledged or overtaken; while it is begun, nothing overtakes it."""
    settings = {"ack_wait_s": 0.0, "ack_timeout_s": 60}
    async with bridged(tmp_path, settings=settings, triggers=()) as it:
        assert await it.told(id="7", fields={"email": "ada@b.co", "first_name": "Ada"})
        ref = Ref(BENCH, CONTACTS, RecordId("7"))
        it.flows.mood.asleep = True
        await attempt_update(it.connector, ref, {"first_name": "B"})
        (op_id,) = await it.database.read(lambda tx: tx.execute("SELECT op_id FROM bridge_handoffs").fetchone())
        begin = {"op_id": op_id, "result": "begun"}
        wanted = [await it.door.hear(*it.flows.post(begin)) for _ in range(2)]
        (waits,) = await attempt_update(it.connector, ref, {"first_name": "C"})
        done = await it.door.hear(*it.flows.post({"op_id": op_id, "result": "updated", "id": "7"}))
        late = await it.door.hear(*it.flows.post(begin))
        unknown = await it.door.hear(*it.flows.post({**begin, "op_id": "contacts.nobody"}))
        shown = await it.shown("7")

        assert ([True, True], True, False, False) == (wanted, done, late, unknown)
        assert Effect.NONE is waits.effect
        assert "B" == shown["first_name"]


async def test_a_late_acknowledgement_does_not_hide_a_later_edit(tmp_path):
    """What was told after the hand-off is newer than what the acknowledgement shows; what was handed off is what is read back."""
    async with bridged(tmp_path, settings={"ack_wait_s": 0.0}, triggers=()) as it:
        assert await it.told(id="7", fields={"email": "ada@b.co", "first_name": "Ada"})
        ref = Ref(BENCH, CONTACTS, RecordId("7"))
        it.flows.mood.asleep = True
        await attempt_update(it.connector, ref, {"first_name": "Ours"})
        (op_id,) = await it.database.read(lambda tx: tx.execute("SELECT op_id FROM bridge_handoffs").fetchone())
        await it.database.write(lambda tx: tx.execute("UPDATE bridge_handoffs SET handed_at = handed_at - 5000000"))
        assert await it.told(id="7", fields={"first_name": "Theirs"})
        assert await it.door.hear(*it.flows.post({"op_id": op_id, "result": "updated", "id": "7", "fields": {"first_name": "Ours", "city": "York"}}))

        assert {"email": "ada@b.co", "first_name": "Theirs", "city": "York"} == await it.shown("7")
