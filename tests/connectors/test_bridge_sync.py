"""A whole sync with 17hats, engine and all, through flows that acknowledge late, twice or never, or do not run for a day."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from syncd.connectors.bridge.connector import capabilities_of
from syncd.connectors.bridge.hats17 import SHAPES
from syncd.connectors.memory import MemorySystem
from syncd.core.fields import FieldType, as_set
from syncd.core.outcome import Operation
from syncd.core.record import SECOND, FieldName, MemberName
from syncd.core.rules import ConflictRule, DeleteRule, FieldRule, Guards, MemberField
from syncd.flow.poll import run_pass
from syncd.flow.requests import answer_one
from syncd.flow.reread import reread_once
from syncd.flow.write import write_once
from syncd.store import bridge, control, inbox, persons
from syncd.store.cursors import PassMode
from syncd.store.inbox import Arrival
from syncd.store.outbox import State
from tests.connectors.bridge_bench import BENCH, open_bridge
from tests.connectors.conftest import PATIENT_S
from tests.flow.world import CONTACTS, CRM, EMAIL, MAIL, NAME, OPEN_GUARDS, PHONE, PLAN, TAGS, Watch, opened, rules

PATHS = {EMAIL: ("email", "email"), NAME: ("name", "first_name"), PHONE: ("phone", "phone"), TAGS: ("tags", "tags")}
KINDS_OF = {EMAIL: FieldType.EMAIL, PHONE: FieldType.PHONE, TAGS: FieldType.SET}
NEW = {"type": "Hot Lead", "is_company": False}


def agreement(*, one_way: bool | None = None, third: bool = False, archive=None, **other: Any):
    """Contacts both ways; what 17hats asks of a new one beyond that is given. `one_way` adds 17hats' notes, out of here alone or both ways;
    with a `third` the mail program takes part, which holds them like the crm.
    """
    among = (CRM, MAIL, BENCH) if third else (CRM, BENCH)
    sides = tuple(MemberName(each) for each in among)
    out = {"sources": frozenset(sides[:1]), "targets": frozenset(sides[1:])} if one_way else {}
    more = {} if one_way is None else {PLAN: ("custom.plan", "notes")}
    rows = [
        FieldRule(
            name=FieldName(name),
            type=KINDS_OF.get(name, FieldType.TEXT),
            members={side: MemberField(paths=(paths[side == BENCH],)) for side in sides},
            **({"sources": frozenset(sides), "targets": frozenset(sides)} | (out if name in more else {})),
        )
        for name, paths in {**PATHS, **more}.items()
    ]
    facts = {"create": NEW, "told_only": capabilities_of(SHAPES["contacts"]).told_only, "archive": archive}
    return rules(*rows, among=among, members={BENCH: facts}, guards=OPEN_GUARDS, **other)


class Story:
    """The engine between a system in memory and 17hats behind its flows, moved a turn at a time."""

    def __init__(self, world, flows, connector, door) -> None:
        self.world, self.flows, self.connector, self.door, self.crm = world, flows, connector, door, world.crm
        self.sides = (*world.far, BENCH)

    async def sync(self, rounds: int = 3, *, every_s: float = 30 * 60) -> None:
        """Everything is listed and heard, doubts are looked into, and everything that follows is done; then time passes."""
        for _ in range(rounds):
            for system in self.sides:
                await run_pass(self.world.engine, (system, CONTACTS), PassMode.COMPLETE)
            await self.hear()
            await self.work()
            self.world.later(every_s)

    async def hear(self) -> None:
        """What the flows told is taken in and looked at."""
        await self.flows.idle()
        await self.flows.webhooks.flush()
        events, self.door.events[:] = list(self.door.events), []
        now = self.world.clock.now()
        arrivals = [
            Arrival(
                ref=each.ref, dedupe_key=each.dedupe_key, deleted=each.change.value == "deleted", fields=None, full=False,
                occurred_at=None, received_at=now,
            )
            for each in events
        ]  # fmt: skip
        await self.world.engine.database.write(lambda tx: inbox.accept(tx, arrivals))
        self.world.later(20)
        for system in self.sides:
            await reread_once(self.world.engine, system)

    async def work(self) -> None:
        for _ in range(30):
            await self.world.plan()
            if not any([await write_once(self.world.engine, each) for each in self.sides]):
                return
            await self.hear()
        raise AssertionError("writing does not come to an end")

    def crm_rows(self) -> dict[str, tuple]:
        rows = self.crm.records().values()
        return {str(row["email"]): (row.get("name"), as_set(row.get("tags") or []), digits(row.get("phone"))) for row in rows}

    def hats_rows(self) -> dict[str, tuple]:
        rows = self.flows.contacts()
        return {str(row["email"]): (row["first_name"], as_set(row["tags"] or []), digits(row["phone"])) for row in rows}

    def crm_id(self, email):
        return next(number for number, row in self.crm.records().items() if row["email"] == email)

    def hats_id(self, email):
        return next(row["id"] for row in self.flows.contacts() if row["email"] == email)

    def hats_create(self, **fields) -> None:
        self.flows.create_as_user({**NEW, **fields})

    def created_by_flows(self) -> int:
        return sum(1 for each in self.flows.truth.since() if (each.actor, each.operation) == ("api", "create"))

    async def handoffs(self) -> list[tuple]:
        """Every hand-off: its operation, its state, how often it was accepted."""
        return await self.world.engine.database.read(
            lambda tx: tx.execute("SELECT operation, state, attempts FROM bridge_handoffs ORDER BY queued_at").fetchall()
        )


def digits(text):
    return None if text is None else "".join(each for each in text if each.isdigit())[-10:]


@asynccontextmanager
async def telling(folder, *, ack_wait_s: float = PATIENT_S, settings=None, sync=None, third=False, **options):
    """The two sides and the engine between them."""
    clock = Watch(1_800_000_000 * SECOND)
    far = {CRM: MemorySystem(clock, id_prefix="crm-")} | ({MAIL: MemorySystem(clock, id_prefix="mail-")} if third else {})
    async with AsyncExitStack() as stack:
        links: dict[Any, Any] = {}
        world = await stack.enter_async_context(
            opened(folder, sync or agreement(third=third), far=far, clock=clock, connectors=links)
        )
        section = {"ack_wait_s": ack_wait_s, "ack_timeout_s": 3_600, **(settings or {})}
        flows, opening, door = await open_bridge(stack, world.engine.database, clock=clock, settings=section, **options)
        world.engine.connectors[BENCH] = opening.connector
        await world.engine.database.write(lambda tx: control.meet_system(tx, BENCH, "17hats", clock.now()))
        yield Story(world, flows, opening.connector, door)


async def meet_people(story) -> None:
    """Some are known here, some there, one to both."""
    for number in range(4):
        story.crm.create_as_user({"email": f"c{number}@b.co", "name": f"C{number}", "tags": ["vip"], "phone": f"+1202555010{number}"})
    story.crm.create_as_user({"email": "both@b.co", "name": "Both"})
    for number in range(3):
        story.hats_create(email=f"h{number}@b.co", first_name=f"H{number}", tags=["lead"])
    story.hats_create(email="Both@B.co", first_name="Both", phone="888-888-8888")
    await story.sync()


async def edit(story) -> None:
    """Both sides are edited."""
    story.crm.edit_as_user(story.crm_id("c0@b.co"), {"name": "Ours", "tags": ["vip", "fresh"]})
    story.crm.edit_as_user(story.crm_id("h0@b.co"), {"name": "Ours too"})
    story.crm.edit_as_user(story.crm_id("c2@b.co"), {"email": "moved@b.co"})
    story.flows.edit_as_user(story.hats_id("h1@b.co"), {"first_name": "Theirs"})
    story.crm.create_as_user({"email": "late@b.co", "name": "Late"})


END = {
    "c0@b.co": ("Ours", ["fresh", "vip"], "2025550100"),
    "c1@b.co": ("C1", ["vip"], "2025550101"),
    "moved@b.co": ("C2", ["vip"], "2025550102"),
    "c3@b.co": ("C3", ["vip"], "2025550103"),
    "both@b.co": ("Both", None, "8888888888"),
    "h0@b.co": ("Ours too", ["lead"], None),
    "h1@b.co": ("Theirs", ["lead"], None),
    "h2@b.co": ("H2", ["lead"], None),
    "late@b.co": ("Late", None, None),
}


def folded(rows):
    return {email.lower(): row for email, row in rows.items()}


async def check_the_end(story) -> None:
    """Both sides alike, nobody twice, nothing owed, held or given up; and then rest."""
    assert END == folded(story.crm_rows()) == folded(story.hats_rows())
    assert len(END) == len(story.crm.records()) == len(story.flows.contacts())
    assert 5 == story.created_by_flows()
    assert ([], []) == (await story.world.asked(), await story.world.outbox(State.DEAD, State.UNKNOWN, State.SENT, State.PENDING))
    written = (story.flows.stats.writes_by_api, len(story.crm.log))
    await story.sync()
    assert written == (story.flows.stats.writes_by_api, len(story.crm.log))


async def test_both_sides_end_alike_and_then_rest(tmp_path):
    """Acknowledged at once: each write is handed off once."""
    async with telling(tmp_path) as story:
        await meet_people(story)
        await edit(story)
        await story.sync()
        await check_the_end(story)

        assert {(state, 1) for state in ("acked",)} == {row[1:] for row in await story.handoffs()}


async def test_acknowledged_twice(tmp_path):
    """The second acknowledgement changes nothing."""
    async with telling(tmp_path) as story:
        story.flows.mood.acks = 2
        await meet_people(story)
        await edit(story)
        await story.sync()

        await check_the_end(story)


async def test_acknowledged_late(tmp_path):
    """Hours later: until then nothing is handed off twice for one record, and then everything is settled."""
    async with telling(tmp_path, ack_wait_s=0, triggers=()) as story:
        story.flows.mood.holds_acks = True
        await meet_late(story)
        made = story.flows.contacts()
        waiting = await story.connector.standing(CONTACTS)
        story.world.later(2 * 3_600)
        story.flows.release()
        await story.sync(6)
        await tell_all(story)
        await edit(story)
        await tell_all(story)
        await story.sync(6)
        await tell_all(story)
        await check_the_end(story)

        assert 8 == len(made)
        assert (4, True) == (waiting.silent, waiting.silent_since is not None)
        assert 0 == (await story.connector.standing(CONTACTS)).silent


async def meet_late(story) -> None:
    """As `meet_people`, with nothing told but what was put in by hand."""
    for number in range(3):
        story.hats_create(email=f"h{number}@b.co", first_name=f"H{number}", tags=["lead"])
    story.hats_create(email="Both@B.co", first_name="Both", phone="888-888-8888")
    await tell_all(story)
    for number in range(4):
        story.crm.create_as_user({"email": f"c{number}@b.co", "name": f"C{number}", "tags": ["vip"], "phone": f"+1202555010{number}"})
    story.crm.create_as_user({"email": "both@b.co", "name": "Both"})
    await story.sync(1)


async def tell_all(story) -> None:
    """Every contact is told of as it is, as an exported file would."""
    for row in story.flows.contacts():
        assert await story.door.hear(*story.flows.post(story.flows.word("updated", row)))


@pytest.mark.parametrize("tells", [True, False])
async def test_never_acknowledged_but_told_of(tmp_path, tells):
    """The triggers tell of what was written, with ids or without, and that settles it: made once, and nothing in doubt at the end."""
    async with telling(tmp_path, ack_wait_s=0, tells_ids=tells) as story:
        story.flows.mood.acks = 0
        await meet_people(story)
        await story.sync(4)
        await edit_without_moving(story)
        await story.sync(6)

        rows = {email: row[:2] for email, row in folded(story.crm_rows()).items()}
        assert rows == {email: row[:2] for email, row in folded(story.hats_rows()).items()}
        assert ("Ours", ["fresh", "vip"]) == rows["c0@b.co"]
        assert (9, 5) == (len(story.flows.contacts()), story.created_by_flows())
        assert ([], []) == (await story.world.asked(), await story.world.outbox(State.DEAD, State.UNKNOWN, State.SENT, State.PENDING))


async def edit_without_moving(story) -> None:
    """As `edit`, and everybody keeps the address by which alone they are told apart where no id is told."""
    story.crm.edit_as_user(story.crm_id("c0@b.co"), {"name": "Ours", "tags": ["vip", "fresh"]})
    story.flows.edit_as_user(story.hats_id("h1@b.co"), {"first_name": "Theirs"})
    story.crm.create_as_user({"email": "late@b.co", "name": "Late"})


@pytest.mark.parametrize("how", ["off", "asleep"])
async def test_the_flows_are_down_for_a_day(tmp_path, how):
    """Whether hooks refuse or accept and nothing runs: a day later the same end, nobody made twice, and meanwhile it is told."""
    async with telling(tmp_path, ack_wait_s=0) as story:
        for number in range(3):
            story.hats_create(email=f"h{number}@b.co", first_name=f"H{number}", tags=["lead"])
        story.hats_create(email="Both@B.co", first_name="Both", phone="888-888-8888")
        setattr(story.flows.mood, how, True)
        for number in range(4):
            story.crm.create_as_user({"email": f"c{number}@b.co", "name": f"C{number}", "tags": ["vip"], "phone": f"+1202555010{number}"})
        story.crm.create_as_user({"email": "both@b.co", "name": "Both"})
        await story.sync(48)
        standing = await story.connector.standing(CONTACTS)
        attempts = [row[2] for row in await story.handoffs()]
        assert 0 == story.created_by_flows()
        assert 4 == len(await story.world.outbox(State.UNKNOWN, State.PENDING))
        setattr(story.flows.mood, how, False)
        assert (how == "asleep") is (story.flows.wake() > 4)
        await story.sync(16)
        await edit(story)
        await story.sync(4)
        await check_the_end(story)

        # Repeats come ever more rarely: after one hour, two, four, eight.
        assert how == "off" or max(attempts) <= 5
        assert (4 if how == "asleep" else 0) == standing.silent


async def test_what_was_accepted_and_lost_is_handed_off_again(tmp_path):
    """Under the same name, and not before it was silent for long; the flow finds what it made the first time."""
    async with telling(tmp_path, ack_wait_s=0, triggers=()) as story:
        story.flows.mood.acks = 0
        story.crm.create_as_user({"email": "a@b.co", "name": "A"})
        await story.sync(1)
        story.world.later(1_800)
        await story.sync(1, every_s=60)
        soon = await story.handoffs()
        story.world.later(7_200)
        await story.sync(4)
        later = await story.handoffs()
        story.flows.mood.acks = 1
        await story.sync(40)

        assert [("create", "handed_off", 1)] == soon
        assert [("create", "handed_off")] == [row[:2] for row in later]
        assert later[0][2] > 1
        assert ["acked"] == [state for _, state, _ in await story.handoffs()]
        assert (1, 1) == (story.created_by_flows(), len(story.flows.contacts()))
        assert [] == await story.world.outbox(State.DEAD, State.UNKNOWN, State.SENT, State.PENDING)


async def test_a_forged_acknowledgement_settles_nothing(tmp_path):
    """Neither unsigned, nor signed by another, nor signed long ago, nor of a hand-off that there is not."""
    async with telling(tmp_path, ack_wait_s=0, triggers=()) as story:
        story.flows.mood.holds_acks = True
        story.crm.create_as_user({"email": "a@b.co", "name": "A"})
        await story.sync(1)
        (op_id,) = await story.world.read(lambda tx: tx.execute("SELECT op_id FROM bridge_handoffs").fetchone())
        told = {"op_id": op_id, "result": "created", "id": "9", "fields": {"email": "a@b.co"}}
        headers, body = story.flows.post(told)
        story.world.later(600)
        old = await story.door.hear(headers, body)
        headers, body = story.flows.post(told)
        other = await story.door.hear({**headers, "webhook-id": "msg_other"}, body)
        bare = await story.door.hear({"content-type": "application/json"}, body)
        stranger = await story.door.hear(*story.flows.post({**told, "op_id": "contacts.nobody", "result": "deleted"}))

        assert (False, False, False, True) == (old, other, bare, stranger)
        assert ["expired", "forged", "unsigned"] == [each.value for each in story.door.refused]
        assert [("create", "handed_off", 1)] == await story.handoffs()
        assert [] == await story.world.read(lambda tx: (bridge.standing(tx, BENCH, CONTACTS).records and ["something"]) or [])


async def test_a_second_record_for_one_hand_off_is_asked_about(tmp_path):
    """A flow that made two tells of both; the double is shown to a person and neither is written to in the dark."""
    async with telling(tmp_path) as story:
        story.crm.create_as_user({"email": "a@b.co", "name": "A"})
        await story.sync(1)
        (op_id,) = await story.world.read(lambda tx: tx.execute("SELECT op_id FROM bridge_handoffs").fetchone())
        double = story.flows.seed({**NEW, "email": "a@b.co", "first_name": "A"})
        told = {"op_id": op_id, "result": "created", "id": double["id"], "fields": {"email": "a@b.co", "first_name": "A"}}
        assert await story.door.hear(*story.flows.post(told))
        await story.sync(2)

        assert ["ambiguous"] == await story.world.asked()
        assert 1 == len(story.crm.records())


@pytest.mark.parametrize("deeds", [("create", "update"), ("create", "update", "delete")])
async def test_a_deletion_is_sent_only_where_a_hook_was_declared(tmp_path, deeds):
    """Else it is a failed write, which a person does by hand."""
    sync = agreement(delete=DeleteRule.PROPAGATE)
    async with telling(tmp_path, sync=sync, deeds=deeds) as story:
        for each in "abc":
            story.crm.create_as_user({"email": f"{each}@b.co", "name": each})
        await story.sync(2)
        story.crm.delete_as_user(story.crm_id("a@b.co"))
        await story.sync(3, every_s=Guards().delete_grace / SECOND + 1)
        dead = await story.world.outbox(State.DEAD)

        assert ("delete" in deeds) is ("a@b.co" not in story.hats_rows())
        assert ([] if "delete" in deeds else [Operation.DELETE]) == [each.operation for each in dead]
        assert "delete" in deeds or "by hand" in str(dead[0].error)
        assert {"b@b.co", "c@b.co"} <= story.hats_rows().keys()


@pytest.mark.parametrize("deeds", [("create", "update"), ("create", "update", "delete")])
async def test_whom_syncd_is_to_forget_there_too_is_deleted_by_the_flow(tmp_path, deeds):
    """Handed off once, and waited for; without a hook for it, it is listed as somebody's own task. Nothing of them stays, nobody else goes."""
    async with telling(tmp_path, deeds=deeds) as story:
        for each in "ab":
            story.crm.create_as_user({"email": f"{each}@b.co", "name": each})
        await story.sync(2)
        link = next(number for number, each in enumerate(await story.world.links(), start=1) if each[CRM] == story.crm_id("a@b.co"))
        person = await story.world.read(lambda tx: persons.gather(tx, [], [link]))
        refs = [[each.system, each.collection, each.id] for each in sorted(person.refs)]
        arguments = {"at_vendors": True, "refs": refs, "links": [link], "left": []}
        number = await story.world.engine.database.write(lambda tx: control.ask(tx, "forget", arguments, story.world.clock.now()))
        await answer_one(story.world.engine, number)
        request = await story.world.read(lambda tx: control.get_request(tx, number))
        await story.sync(2)

        assert ("done", 2 if "delete" in deeds else 1) == (request.state, request.result["deleted"])
        assert ("delete" in deeds) is ([] == request.result["left"])
        assert ("delete" in deeds) is ("a@b.co" not in story.hats_rows())
        assert {"b@b.co"} == story.crm_rows().keys()
        assert "b@b.co" in story.hats_rows()
        kept = await story.world.read(lambda tx: [tx.execute(f"SELECT count(*) FROM {each}").fetchone()[0] for each in ("bridge_records", "links")])
        assert [1, 1] == kept


async def test_a_flow_that_cannot_do_it_says_so(tmp_path):
    """The write is given up with the flow's own words, and a retry goes by the same name."""
    async with telling(tmp_path, required=("first_name", "type", "website")) as story:
        story.crm.create_as_user({"email": "a@b.co", "name": "A"})
        await story.sync(1)
        (dead,) = await story.world.outbox(State.DEAD)

        assert "website is required" in str(dead.error)
        assert [("create", "failed", 1)] == await story.handoffs()
        assert 1 == (await story.connector.standing(CONTACTS)).failed


async def test_nothing_is_shown_as_later_than_it_was(tmp_path):
    """A trigger may come a quarter of an hour after its edit: what was listed meanwhile does not prove that the edit came later."""
    async with telling(tmp_path, triggers=(), sync=agreement(conflict=ConflictRule.LAST_MODIFIED)) as story:
        story.crm.create_as_user({"email": "a@b.co", "name": "A"})
        await story.sync(2)
        row = story.flows.edit_as_user(story.hats_id("a@b.co"), {"first_name": "Theirs"})
        story.world.later(100)
        story.crm.edit_as_user(story.crm_id("a@b.co"), {"name": "Ours"})
        story.world.later(100)
        await run_pass(story.world.engine, (BENCH, CONTACTS), PassMode.COMPLETE)
        story.world.later(100)
        assert await story.door.hear(*story.flows.post(story.flows.word("updated", row)))
        await story.sync(2)

        # Nobody can know which was later, so the source of truth wins.
        assert ("Ours", "Ours") == (story.crm_rows()["a@b.co"][0], story.hats_rows()["a@b.co"][0])


async def test_a_reading_of_what_was_told_does_not_prove_what_is(tmp_path):
    """A look at a record between its edit and the trigger shows the past: it does not make the edit a later one."""
    async with telling(tmp_path, triggers=(), sync=agreement(conflict=ConflictRule.LAST_MODIFIED)) as story:
        story.crm.create_as_user({"email": "a@b.co", "name": "A"})
        await story.sync(2)
        before = story.flows.contacts()[0]
        row = story.flows.edit_as_user(before["id"], {"first_name": "Theirs"})
        story.world.later(100)
        story.crm.edit_as_user(story.crm_id("a@b.co"), {"name": "Ours"})
        story.world.later(100)
        assert await story.door.hear(*story.flows.post(story.flows.word("updated", {**before, "city": "York"})))
        await story.hear()
        story.world.later(100)
        assert await story.door.hear(*story.flows.post(story.flows.word("updated", row)))
        await story.sync(2)

        assert ("Ours", "Ours") == (story.crm_rows()["a@b.co"][0], story.hats_rows()["a@b.co"][0])
