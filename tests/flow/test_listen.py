"""Listen: real deliveries over real HTTP, signed as the vendors sign them."""

from __future__ import annotations

import asyncio
import hmac
from ipaddress import ip_network

import anyio
import pytest

from syncd.core.errors import StoreError
from syncd.core.record import SystemName
from syncd.flow import listen
from syncd.flow.server import Limits
from syncd.flow.sources import Buckets
from syncd.store import arrivals, inbox
from syncd.store.arrivals import Hearing
from syncd.store.codec import unseal
from syncd.store.inbox import Arrival
from tests.flow.doors import JSON, OCTOPUS, PATH_SECRET, SECRET, door, from_ghl, from_octopus, signed


@pytest.mark.parametrize(("path", "made", "count"), [("/hooks/ghl", from_ghl(), 1), ("/hooks/octopus", from_octopus(1, 2, 3), 3)])
async def test_a_signed_delivery_is_stored(tmp_path, path, made, count):
    """Answered with 200, and every event waits in the inbox; the same once more adds nothing."""
    async with door(tmp_path) as here:
        assert [200, 200] == [await here.post(path, *made) for _ in range(2)]
        assert count == await here.stored()


def altered(made):
    headers, body = made
    return headers, body.replace(b"ada", b"eve")


def without(made, name):
    headers, body = made
    return {key: value for key, value in headers.items() if key != name}, body


def having(made, **headers):
    return {**made[0], **{name.replace("_", "-"): value for name, value in headers.items()}}, made[1]


LONG_AGO = "2020-01-01T00:00:00.000Z"
REFUSED = {
    "unsigned ghl": ("/hooks/ghl", lambda: without(from_ghl(), "X-GHL-Signature"), 401),
    "unsigned octopus": ("/hooks/octopus", lambda: without(from_octopus(), "EmailOctopus-Signature"), 401),
    "forged ghl": ("/hooks/ghl", lambda: altered(from_ghl()), 401),
    "forged octopus": ("/hooks/octopus", lambda: altered(from_octopus()), 401),
    "no signature at all": ("/hooks/ghl", lambda: having(from_ghl(), X_GHL_Signature="N/A"), 401),
    "a signature of nonsense": ("/hooks/ghl", lambda: having(from_ghl(), X_GHL_Signature="%%%"), 401),
    "another vendor's": ("/hooks/octopus", from_ghl, 401),
    "too old": ("/hooks/ghl", lambda: from_ghl(timestamp=LONG_AGO), 401),
    "another account's": ("/hooks/ghl", lambda: from_ghl(locationId="ANOTHER"), 403),
    "signed but no JSON": ("/hooks/octopus", lambda: signed(b"{"), 400),
    "signed but no list": ("/hooks/octopus", lambda: signed(b"{}"), 400),
    "signed but no ids": ("/hooks/octopus", lambda: from_octopus(contact_id="../../etc"), 400),
    "signed but endlessly deep": ("/hooks/octopus", lambda: signed(b"[" * 100_000), 400),
    "nobody we know": ("/hooks/nobody", from_ghl, 404),
    "nowhere": ("/", from_ghl, 404),
    "a form": ("/hooks/ghl", lambda: having(from_ghl(), Content_Type="application/x-www-form-urlencoded"), 415),
    "no type": ("/hooks/ghl", lambda: having(from_ghl(), Content_Type="text/plain"), 415),
    "compressed": ("/hooks/ghl", lambda: having(from_ghl(), Content_Encoding="gzip"), 415),
    "too long": ("/hooks/octopus", lambda: signed(b"[" + b" " * (1 << 20) + b"]"), 413),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_refused_leaves_nothing(tmp_path, what):
    """The right status, nothing stored, and the listener still answers."""
    path, made, status = REFUSED[what]
    async with door(tmp_path) as here:
        assert (status, 0) == (await here.post(path, *made()), await here.stored())
        assert 200 == await here.post("/hooks/ghl", *from_ghl())


async def counted(here, system="ghl"):
    """What was heard of a system, by kind and word."""
    await here.world.engine.tally.keep(here.world.engine.database)
    heard = await here.world.read(lambda tx: arrivals.heard_from(tx, SystemName(system)))
    return {(each.what, each.word): each.count for each in heard.each}


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("unsigned ghl", "unsigned"), ("forged ghl", "forged"), ("too old", "expired"), ("signed but no list", "malformed"),
        ("another account's", "elsewhere"), ("too long", "too big"), ("a form", "not plain JSON"),
    ],
)  # fmt: skip
async def test_what_is_refused_is_counted_by_its_reason(tmp_path, what, reason):
    """Each time; kept beside the last moment; and none of it costs a commit of its own."""
    path, made, status = REFUSED[what]
    async with door(tmp_path) as here:
        before = here.world.engine.database.commits
        assert [status] * 5 == [await here.post(path, *made()) for _ in range(5)]
        assert before == here.world.engine.database.commits

        assert {(Hearing.REFUSED, reason): 5} == await counted(here, path.rpartition("/")[2])


async def test_what_was_accepted_is_counted_once(tmp_path):
    """By collection; a repeated delivery apart, and what no sync reads apart."""
    async with door(tmp_path) as here:
        for made in (from_ghl(1), from_ghl(2), from_ghl(2), from_ghl(3, type="OpportunityUpdate")):
            assert 200 == await here.post("/hooks/ghl", *made)

        expected = {(Hearing.ACCEPTED, "contacts"): 2, (Hearing.REPEATED, "contacts"): 1, (Hearing.UNWANTED, "opportunities"): 1}
        assert expected == await counted(here)
        assert 2 == await here.stored()


async def test_an_event_of_no_known_kind_is_kept_as_it_was_seen(tmp_path):
    """200, nobody looks after it, its payload is there to be read, and it is counted under its word, once however often it comes."""
    async with door(tmp_path) as here:
        made = from_ghl(type="SurveySubmit", colour="red")
        assert [200, 200] == [await here.post("/hooks/ghl", *made) for _ in range(2)]
        assert 200 == await here.post("/hooks/ghl", *from_ghl(2, type="TaskCreate", title="Call"))
        kept = await here.world.read(lambda tx: tx.execute("SELECT record_id, outcome, payload, dedupe_key FROM events ORDER BY id").fetchall())
        survey, task = kept
        told = await here.world.read(lambda tx: unseal(tx, survey[2], "events", survey[3]))

        assert ("SurveySubmit", "unknown") == survey[:2]
        assert "red" == told["colour"]
        assert ("TaskCreate", "unplaced") == task[:2]
        assert {(Hearing.UNKNOWN, "SurveySubmit"): 1, (Hearing.UNPLACED, "TaskCreate"): 1} == await counted(here)
        assert 0 == await here.stored()


async def test_counts_that_cannot_be_kept_are_not_forgotten(tmp_path):
    """While nothing can be committed they wait, and nothing is counted twice."""
    async with door(tmp_path) as here:
        database, tally = here.world.engine.database, here.world.engine.tally
        await here.post("/hooks/ghl", JSON, b"{}")
        await database._writer.call(lambda connection: connection.execute("ALTER TABLE heard RENAME TO away"))
        with pytest.raises(StoreError):
            await tally.keep(database)
        await here.post("/hooks/ghl", JSON, b"{}")
        await database._writer.call(lambda connection: connection.execute("ALTER TABLE away RENAME TO heard"))

        assert [{(Hearing.REFUSED, "unsigned"): 2}] * 2 == [await counted(here) for _ in range(2)]


async def test_only_posts_are_taken(tmp_path):
    """Another method is 405; the two addresses that ask after our health answer."""
    async with door(tmp_path) as here:
        assert [405, 200, 200] == [await here.get(each) for each in ("/hooks/ghl", "/livez", "/readyz")]
        here.world.engine.stop_within(1.0)
        assert [200, 503] == [await here.get(each) for each in ("/livez", "/readyz")]


async def test_a_body_without_a_stated_length_is_bounded(tmp_path):
    """A sender that just goes on is cut off at the bound."""

    async def endless():
        for _ in range(64):
            yield b" " * 65_536

    async with door(tmp_path) as here:
        assert 413 == await here.post("/hooks/octopus", {**JSON, "EmailOctopus-Signature": "sha256=0"}, endless())


async def test_a_slow_sender_is_sent_away(tmp_path):
    """Whoever does not finish its body in time hears 408, while others are answered at once."""
    async with door(tmp_path, limits=Limits(body_s=0.3)) as here:
        reader, writer = await asyncio.open_connection(here.host, here.port)
        writer.write(b"POST /hooks/ghl HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert 200 == await here.post("/hooks/ghl", *from_ghl())
        with anyio.fail_after(3):
            line = await reader.readline()
        writer.close()

        assert b"HTTP/1.1 408" == line[:12]


async def test_what_no_sync_reads_is_answered_and_dropped(tmp_path):
    """An event of another list is no failure: 200, nothing stored."""
    async with door(tmp_path) as here:
        other = from_octopus(list_id="aaaaaaaa-5ac4-11ed-9f7a-67da1c836cf8")

        assert (200, 0) == (await here.post("/hooks/octopus", *other), await here.stored())


async def test_an_answer_tells_a_stranger_nothing(tmp_path):
    """Neither the software beneath us nor a reason."""
    async with door(tmp_path) as here, here.session.post(f"http://{here.host}:{here.port}/hooks/ghl", headers=JSON, data=b"{}") as answer:
        assert (401, b"") == (answer.status, await answer.read())
        assert "Server" not in answer.headers


async def test_it_is_committed_before_it_is_answered(tmp_path):
    """While the commit takes its time nobody is told anything; when the answer is there, the event is in the file."""
    async with door(tmp_path) as here:
        database, gate = here.world.engine.database, anyio.Event()
        call = database._writer.call

        async def held_up(job):
            await gate.wait()
            return await call(job)

        database._writer.call = held_up
        answering = asyncio.create_task(here.post("/hooks/ghl", *from_ghl()))
        await asyncio.sleep(0.2)
        assert not answering.done()
        gate.set()

        assert (200, 1) == (await answering, await here.stored())


async def test_deliveries_share_commits(tmp_path):
    """A storm of webhooks costs far fewer commits than deliveries."""
    async with door(tmp_path) as here:
        before = here.world.engine.database.commits
        statuses = await asyncio.gather(*(here.post("/hooks/ghl", *from_ghl(n)) for n in range(200)))

        assert ([200] * 200, 200) == (statuses, await here.stored())
        assert here.world.engine.database.commits - before < 100


@pytest.mark.parametrize(("path", "made", "status"), [("/hooks/ghl", from_ghl, 429), ("/hooks/octopus", from_octopus, 503)])
async def test_what_cannot_be_committed_is_sent_again(tmp_path, path, made, status):
    """A full disk: the status on which that vendor delivers again, and afterwards the same delivery is taken."""
    async with door(tmp_path) as here:
        database = here.world.engine.database
        pages = await database.write(lambda tx: tx.execute("PRAGMA page_count").fetchone()[0])
        await database._writer.call(lambda connection: connection.execute(f"PRAGMA max_page_count={pages}").fetchone())
        at = here.world.clock.now()
        filler = [
            Arrival(ref=here.world.ref("x", OCTOPUS), dedupe_key=f"{n}", deleted=False, fields={"x": "y" * 5000}, full=False, occurred_at=None, received_at=at)
            for n in range(50)
        ]  # fmt: skip
        await asyncio.gather(*(database.write(lambda tx, each=each: inbox.accept(tx, [each])) for each in filler), return_exceptions=True)
        statuses = [await here.post(path, *made(number)) for number in range(200)]
        refused = [each for each in statuses if each != 200]
        stored = await here.stored()
        await database._writer.call(lambda connection: connection.execute("PRAGMA max_page_count=1000000").fetchone())

        assert {status} == set(refused)
        assert statuses.count(200) == stored
        assert 200 == await here.post(path, *made(999))


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        (f"/hooks/trail/{PATH_SECRET}", {}, (200, 1)),
        ("/hooks/trail", {"X-Syncd-Secret": PATH_SECRET}, (200, 1)),
        (f"/hooks/trail/{PATH_SECRET[:-1]}0", {}, (401, 0)),
        (f"/hooks/trail/{PATH_SECRET[:-1]}0", {"X-Syncd-Secret": PATH_SECRET}, (401, 0)),
        ("/hooks/trail", {}, (401, 0)),
        (f"/hooks/trail/{PATH_SECRET}/more", {}, (404, 0)),
    ],
    ids=["in the address", "in a header", "wrong", "wrong beside a right one", "none", "elsewhere"],
)
async def test_a_secret_stands_for_a_signature(tmp_path, path, headers, expected):
    """Where a vendor signs nothing, the address or a header carries what only it was told; the address goes before."""
    async with door(tmp_path) as here:
        status = await here.post(path, {**JSON, **headers, "X-Syncd-Contact": "7"}, b"{}")

        assert expected == (status, await here.stored())


async def test_the_secret_is_in_no_log(tmp_path):
    """Not when it fits, and not when it does not."""
    async with door(tmp_path) as here:
        for path in (f"/hooks/trail/{PATH_SECRET}", f"/hooks/trail/{PATH_SECRET}x", f"/hooks/ghl/{PATH_SECRET}"):
            await here.post(path, JSON, b"{}")

        assert here.world.logged.calls
        assert PATH_SECRET not in repr(here.world.logged.calls)


UNPROVEN = ({**JSON, "X-GHL-Signature": "N/A"}, b"{}")


async def test_who_never_proves_himself_is_heard_ever_more_seldom(tmp_path, monkeypatch):
    """A source has so many tries at one address; then it waits for a 429 that looks at nothing. Other addresses, other sources and who
    proves himself go on.
    """
    monkeypatch.setattr(listen, "WRONG_WAIT_S", 0.1)
    proxies = (ip_network("127.0.0.1/32"),)
    async with door(tmp_path, wrong=Buckets(burst=3, per_s=0), proxies=proxies) as here:
        forger, vendor = {"X-Forwarded-For": "198.51.100.1"}, {"X-Forwarded-For": "203.0.113.7"}
        assert [401] * 3 + [429] * 4 == [await here.post("/hooks/ghl", {**UNPROVEN[0], **forger}, b"{}") for _ in range(7)]
        assert [429, 401] == [await here.post(path, {**JSON, **forger}, b"{}") for path in ("/hooks/ghl", "/hooks/octopus")]

        for number in range(50):
            headers, body = from_ghl(number)
            assert 200 == await here.post("/hooks/ghl", {**headers, **vendor}, body)
        assert [403] * 5 == [await here.post("/hooks/ghl", *having(from_ghl(locationId="ANOTHER"), **vendor)) for _ in range(5)]
        assert {"198.51.100.1"} == {each["source"] for each in here.world.log("webhook.slowed")}
        assert 1 == len(here.world.log("webhook.slowed"))
        assert {(Hearing.REFUSED, "unsigned"): 3, (Hearing.REFUSED, "too often"): 5} == {
            key: count for key, count in (await counted(here)).items() if key[1] in ("unsigned", "too often")
        }


async def test_who_forwards_is_believed_only_where_it_was_said(tmp_path):
    """Without trusted proxies a header changes nothing: everything comes from the peer."""
    async with door(tmp_path) as here:
        for number in range(3):
            await here.post("/hooks/ghl", {**UNPROVEN[0], "X-Forwarded-For": f"198.51.100.{number}"}, b"{}")

        assert ["127.0.0.1"] * 3 == [each["source"] for each in here.world.log("webhook.refused")]


@pytest.mark.parametrize(("path", "made", "status"), [("/hooks/ghl", from_ghl, 429), ("/hooks/octopus", from_octopus, 503)])
async def test_more_at_once_than_can_be_borne_is_sent_again(tmp_path, monkeypatch, path, made, status):
    """The status on which that vendor delivers again, and a time; what was taken is not lost, and nothing is acknowledged unkept."""
    monkeypatch.setattr(listen, "DELIVERIES_MAX", 5)
    async with door(tmp_path) as here:
        gate, call = anyio.Event(), here.world.engine.database._writer.call

        async def held_up(job):
            await gate.wait()
            return await call(job)

        here.world.engine.database._writer.call = held_up
        posting = [asyncio.create_task(here.post(path, *made(number))) for number in range(30)]
        done, waiting = set(), set()
        async with asyncio.timeout(20):
            while len(done) < 25:
                done, waiting = await asyncio.wait(posting, timeout=0.05)
        gate.set()
        accepted = [await each for each in waiting]

        assert ([status] * 25, [200] * 5) == ([each.result() for each in done], accepted)
        assert 5 == await here.stored()
        assert 200 == await here.post(path, *made(999))


async def test_bodies_in_memory_are_bounded(tmp_path, monkeypatch):
    """Large ones come again later; small ones always find room."""
    monkeypatch.setattr(listen, "BODIES_BYTES_MAX", 400_000)
    async with door(tmp_path) as here:
        slow = []
        for _ in range(3):
            _, writer = await asyncio.open_connection(here.host, here.port)
            writer.write(b"POST /hooks/octopus HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 150000\r\n\r\n" + b" " * 140_000)
            slow.append(writer)
        large = signed(b"[" + b" " * 150_000 + b"]")
        async with asyncio.timeout(20):
            while 503 != await here.post("/hooks/octopus", *large):
                await asyncio.sleep(0.05)
        assert 200 == await here.post("/hooks/octopus", *from_octopus())
        for writer in slow:
            writer.transport.abort()
        async with asyncio.timeout(20):
            while 200 != await here.post("/hooks/octopus", *large):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(("path", "made"), [("/hooks/ghl", from_ghl), (f"/hooks/trail/{PATH_SECRET}", lambda: (JSON, b"{}"))])
async def test_each_vendor_has_its_own_bound(tmp_path, path, made):
    """What one vendor never sends is too big from it, though another's would be taken."""
    most = {"/hooks/ghl": 1024 * 1024}.get(path, 256 * 1024)
    headers, _ = made()
    async with door(tmp_path) as here:
        assert 413 != await here.post(path, headers, b" " * most)
        assert 413 == await here.post(path, headers, b" " * (most + 1))


async def test_a_signature_that_comes_twice_is_none(tmp_path):
    """Which of two would count is a question that is not asked, even where both are the same."""
    headers, body = from_ghl()
    async with door(tmp_path) as here:
        doubled = [*headers.items(), ("X-GHL-Signature", headers["X-GHL-Signature"])]
        assert (401, 0) == (await here.post("/hooks/ghl", doubled, body), await here.stored())
        assert 400 == await here.post("/hooks/ghl", [*headers.items(), ("Content-Type", "text/plain")], body)
        assert 415 == await here.post("/hooks/ghl", [*headers.items(), ("Content-Encoding", "identity"), ("Content-Encoding", "gzip")], body)


async def test_keys_are_told_by_name_and_never_by_value(tmp_path):
    """Each once, at the first delivery it proves: so one sees when the old one is no longer used."""
    old = "the-old-secret"
    async with door(tmp_path, {OCTOPUS: {"webhook_secret_previous": old}}) as here:
        for number in range(6):
            headers, body = from_octopus(number)
            if number % 2:
                headers = {**JSON, "EmailOctopus-Signature": "sha256=" + hmac.digest(old.encode(), body, "sha256").hex()}
            assert 200 == await here.post("/hooks/octopus", headers, body)

        assert ["webhook_secret", "webhook_secret_previous"] == [each["key"] for each in here.world.log("webhook.key_used")]
        assert not [secret for secret in (old, f"'{SECRET}'") if secret in repr(here.world.logged.calls)]


async def test_a_key_is_replaced_without_a_delivery_refused(tmp_path):
    """While both are active deliveries under either are taken; when the old one is gone, nothing under it is."""
    old, new = "the-old-secret", "the-new-secret"

    def under(secret, number):
        _, body = from_octopus(number)
        return {**JSON, "EmailOctopus-Signature": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()}, body

    stages = [({"webhook_secret": old}, old), ({"webhook_secret": new, "webhook_secret_previous": old}, old),
              ({"webhook_secret": new, "webhook_secret_previous": old}, new), ({"webhook_secret": new}, new)]
    for place, (options, used) in enumerate(stages):
        async with door(tmp_path / f"{place}", {OCTOPUS: options}) as here:
            assert {200} == set(await asyncio.gather(*(here.post("/hooks/octopus", *under(used, number)) for number in range(100))))
            if place == 3:
                assert 401 == await here.post("/hooks/octopus", *under(old, 1))


@pytest.mark.parametrize("system", ["octopus", "trail"])
@pytest.mark.parametrize("secret", [None, ""])
async def test_without_a_secret_nothing_is_taken(tmp_path, system, secret):
    """Whatever comes, also what is signed with the empty one, or with none."""
    async with door(tmp_path, {SystemName(system): {"webhook_secret": secret}}) as here:
        _, body = from_octopus()
        empty = "sha256=" + hmac.digest(b"", body, "sha256").hex()
        made = [from_octopus(), ({**JSON, "EmailOctopus-Signature": empty}, body), ({**JSON, "X-Syncd-Secret": ""}, b"{}"), ({**JSON, "X-Syncd-Secret": "None"}, b"{}")]

        assert {401} == {await here.post(f"/hooks/{system}", *each) for each in made}
        assert 0 == await here.stored()
