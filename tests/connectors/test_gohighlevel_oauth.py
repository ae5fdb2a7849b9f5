"""GoHighLevel's tokens as they are lived with: they expire in flight, rotate, get lost and revoked; over real HTTP and a real file."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from syncd.connectors.clock import SystemClock
from syncd.core.errors import Effect, Unauthorized, Unavailable
from syncd.core.record import DAY, HOUR, MINUTE
from syncd.store import tokens
from syncd.store.visiting import reading
from tests.connectors.town import GHL, Town, build_town, look, write

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
async def build(tmp_path):
    """Builds the town; a person has agreed."""
    async with AsyncExitStack() as stack:
        yield partial(build_town, stack, tmp_path)


@pytest.fixture
async def town(build) -> Town:
    return await build()


async def test_a_token_that_expires_in_flight_is_renewed_and_the_call_made_again(town):
    """A read and a write alike: who is turned away at the door has done nothing. One refresh each, one contact."""
    session = await town.session()
    await look(session)
    town.oauth.expire()
    assert 200 == (await look(session)).status
    town.oauth.expire()
    assert 201 == (await write(session)).status

    assert 2 == town.oauth.refreshes
    assert 1 == len(town.sandbox.ghl.contacts())
    assert 3 == (await town.kept()).version


@pytest.mark.parametrize("known", [True, False], ids=["known to have expired", "expired in flight"])
async def test_fifty_calls_at_once_make_one_refresh(town, known):
    """Whoever waits uses the result."""
    session = await town.session()
    await look(session)
    town.oauth.expire()
    if known:
        town.clock.at += DAY
    answers = await asyncio.gather(*(look(session) for _ in range(50)))

    assert [200] * 50 == [answer.status for answer in answers]
    assert (1, 1) == (town.oauth.refreshes, town.requests["get-access-token"] - 1)


async def test_two_processes_make_one_refresh(town):
    """Two sessions over one database: one spends the refresh token, the other finds what it brought."""
    one, two = await town.session(), await town.session()
    await asyncio.gather(look(one), look(two))
    town.clock.at += DAY
    answers = await asyncio.gather(look(one), look(two))

    assert [200, 200] == [answer.status for answer in answers]
    assert 1 == town.oauth.refreshes


async def test_a_rotated_token_is_committed_before_it_is_used(town):
    """When the vendor first sees the new access token, the database already has it."""
    session = await town.session()
    await look(session)
    seen = []
    refusal = town.oauth.refusal

    def watch(call):
        with reading(town.database.path) as read:
            kept = read(lambda tx: tokens.load(tx, GHL))
        seen.append((call.headers.get("Authorization", ""), kept.tokens["access"]))
        return refusal(call)

    town.oauth.refusal = watch
    town.oauth.expire()
    await look(session)
    used = [(header, kept) for header, kept in seen if header]

    assert 2 == len({header for header, _ in used})
    assert all(header == f"Bearer {kept}" for header, kept in used)


async def test_tokens_are_renewed_before_they_expire(town):
    """An hour before, so that nobody is turned away."""
    session = await town.session()
    await look(session)
    town.clock.at += DAY - HOUR
    await look(session)

    assert 1 == town.oauth.refreshes
    assert 0 == town.sandbox.ghl.stats.statuses[401]


@pytest.mark.parametrize("kind", ["error_before", "reset_before", "html", "rate_limited"])
async def test_an_outage_of_the_token_endpoint_is_outlived(town, kind):
    """While the old token is good it serves, and the refresh is tried again later, not at every call."""
    session = await town.session()
    await look(session)
    town.clock.at += DAY - HOUR
    town.sandbox.ghl.faults.add("get-access-token", kind, status=503)
    for _ in range(5):
        assert 200 == (await look(session)).status
    assert (0, 2) == (town.oauth.refreshes, town.requests["get-access-token"])
    town.clock.at += MINUTE
    await look(session)

    assert (1, 3) == (town.oauth.refreshes, town.requests["get-access-token"])


async def test_while_nothing_can_be_renewed_calls_are_put_off(town):
    """An expired token and an outage: Unavailable with a time to come back, nothing happened, and no storm of refreshes."""
    session = await town.session()
    await look(session)
    town.clock.at += DAY
    town.sandbox.ghl.faults.add("get-access-token", "error_before", status=503, count=3)
    errors = await asyncio.gather(*(write(session, f"{number}@example.com") for number in range(20)), return_exceptions=True)

    assert {Unavailable} == {type(error) for error in errors}
    assert all(error.retry_after_s > 0 and error.effect is Effect.NONE for error in errors)
    assert 20 == len({id(error) for error in errors})
    assert (2, 0) == (town.requests["get-access-token"], len(town.sandbox.ghl.contacts()))


@pytest.mark.parametrize("kind", ["error_after", "reset_after", "bad_json"])
async def test_a_lost_answer_ends_in_a_sentence(town, kind):
    """The token has rotated and the answer is lost: at most three calls later the error says so, and what to type."""
    session = await town.session()
    await look(session)
    town.clock.at += DAY
    town.sandbox.ghl.faults.add("get-access-token", kind, status=503)
    before = town.requests["get-access-token"]
    with pytest.raises(Unavailable):
        await look(session)
    town.clock.at += HOUR
    with pytest.raises(Unauthorized) as caught:
        await look(session)
    for _ in range(10):
        with pytest.raises(Unauthorized):
            await look(session)

    assert "the answer to a token refresh was lost" in caught.value.message
    assert "type `syncd auth ghl`" == caught.value.hint
    assert 2 == town.requests["get-access-token"] - before


async def test_a_revoked_app_ends_in_a_sentence(town):
    """Nothing was lost here, and the sentence does not say so."""
    session = await town.session()
    await look(session)
    town.oauth.revoke()
    with pytest.raises(Unauthorized, match="the vendor refused the refresh token: it was revoked") as caught:
        await look(session)

    assert "syncd auth ghl" in caught.value.hint


async def test_after_a_person_agreed_again_it_goes_on(town):
    """The running session finds the new tokens by itself, at once."""
    session = await town.session()
    await look(session)
    town.oauth.revoke()
    with pytest.raises(Unauthorized):
        await look(session)
    await town.consent()

    assert 200 == (await look(session)).status


async def test_a_wrong_app_secret_is_not_called_a_lost_token(build):
    """What is to be mended is in the configuration."""
    town = await build()
    await look(await town.session())
    town.oauth.client_secret = "another"
    town.oauth.expire()
    with pytest.raises(Unauthorized, match="check `client_id` and `client_secret`"):
        await look(await town.session())


async def test_without_tokens_it_says_what_to_type(build):
    """Before the first consent."""
    town = await build(consent=False)
    with pytest.raises(Unauthorized, match="there are no tokens yet") as caught:
        await look(await town.session())

    assert "type `syncd auth ghl`" == caught.value.hint
    assert 0 == sum(town.requests.values())


@pytest.mark.parametrize("ends", [False, True], ids=["old access lives on", "old access ends"])
async def test_a_year_of_refreshes(town, ends):
    """Every six hours a call, for a year: no person is asked, nobody is turned away twice, and every refresh token was spent once."""
    session = await town.session()
    town.oauth.ends_access_on_refresh = ends
    for _ in range(365 * 4):
        assert 200 == (await look(session)).status
        town.clock.at += 6 * HOUR

    assert 360 <= town.oauth.refreshes <= 490
    assert town.oauth.refreshes + 1 == town.requests["get-access-token"]
    assert (town.oauth.refreshes + 1, 0) == ((await town.kept()).version, (await town.kept()).tries)


async def test_who_is_cancelled_does_not_cancel_the_refresh(town):
    """The answer comes home and is kept, though nobody waits for it any more."""
    session = await town.session()
    await look(session)
    town.clock.at += DAY
    town.sandbox.ghl.faults.add("get-access-token", "slow", seconds=0.3)
    waiting = asyncio.create_task(look(session))
    while town.requests["get-access-token"] < 2:
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await look(session)

    assert (1, 2) == (town.oauth.refreshes, (await town.kept()).version)


async def test_a_session_that_closes_lets_its_refresh_come_home(build):
    """What the vendor has rotated is kept before the session is gone."""
    town = await build()
    async with AsyncExitStack() as stack:
        town.stack = stack
        session = await town.session()
        await look(session)
        town.clock.at += DAY
        town.sandbox.ghl.faults.add("get-access-token", "slow", seconds=0.3)
        waiting = asyncio.create_task(look(session))
        while town.requests["get-access-token"] < 2:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait({waiting})

    assert (1, 2) == (town.oauth.refreshes, (await town.kept()).version)


async def test_what_cannot_be_kept_is_not_used_and_not_lost(town, monkeypatch):
    """The disk is full when the answer comes: the new token waits in memory, unused, and is kept as soon as that is possible."""
    session = await town.session()
    await look(session)
    town.clock.at += DAY
    await town.database.write(lambda tx: tx.execute("CREATE TRIGGER full BEFORE UPDATE OF version ON tokens BEGIN SELECT RAISE(ABORT, 'full'); END"))
    with pytest.raises(Unavailable, match="the tokens cannot be kept"):
        await look(session)
    assert 1 == town.oauth.refreshes
    await town.database.write(lambda tx: tx.execute("DROP TRIGGER full"))
    town.clock.at += MINUTE

    assert 200 == (await look(session)).status
    assert (1, 2) == (town.oauth.refreshes, (await town.kept()).version)


async def test_another_key_is_a_sentence(town):
    """Tokens that cannot be unsealed are no tokens; the sentence tells which key they wait for."""
    await town.database.write(lambda tx: tx.execute("UPDATE tokens SET former_key = 'other'"))
    with pytest.raises(Unauthorized, match="sealed with a key of their own, other"):
        await look(await town.session())


CHILD = """
import asyncio, sys
from pathlib import Path
from syncd.connectors.clock import SystemClock
from syncd.connectors.gohighlevel import KIND, operations
from syncd.store.database import open_database
from syncd.store.tokens import Keeping
async def main(path, **options):
    settings, clock = KIND.settings(**options), SystemClock()
    async with open_database(Path(path)) as database:
        async with KIND.session("ghl", settings, clock, KIND.quota("ghl", settings, clock)) as session:
            async with KIND.credential(settings, session, Keeping(database, "ghl", clock.now)):
                print((await session.call(operations.LOCATION, ids={"locationId": settings.location_id})).status, flush=True)
path, rest = sys.stdin.read().split("\\n", 1)
asyncio.run(main(path, **dict(line.split("=", 1) for line in rest.splitlines())))
"""


async def test_killed_between_the_refresh_and_its_commit(build, tmp_path):
    """kill -9 when the vendor has rotated the token and nothing is committed: the next life asks once, and says what was lost."""
    town = await build(timeout_s=1)
    town.clock.at = SystemClock().now()
    town.oauth.life_s = 2
    await town.consent()
    kept = await town.kept()
    expired = {**kept.tokens, "expires_at": 0}
    await town.database.write(lambda tx: tokens.save(tx, GHL, expired, 0))
    town.sandbox.ghl.faults.add("get-access-token", "hang_after", seconds=30)
    told = {
        "base_url": town.options.base_url, "location_id": town.options.location_id, "client_id": town.options.client_id,
        "client_secret": town.oauth.client_secret, "redirect_uri": town.options.redirect_uri, "timeout_s": "60",
    }
    given = "\n".join([str(town.database.path), *(f"{name}={value}" for name, value in told.items())])
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True)
    child.stdin.write(given)
    child.stdin.close()
    while town.oauth.refreshes < 1:
        assert None is child.poll()
        await asyncio.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert -signal.SIGKILL == child.wait()
    assert "" == child.stdout.read()
    child.stdout.close()

    assert 1 == (await town.kept()).tries
    town.clock.at += 2 * MINUTE
    before = town.requests["get-access-token"]
    with pytest.raises(Unauthorized, match="the answer to a token refresh was lost"):
        await look(await town.session())
    assert 1 == town.requests["get-access-token"] - before


async def test_no_token_is_told(town, caplog, tmp_path):
    """Not by errors (a vendor may repeat what it was sent), representations, logs, addresses or the database's bytes."""
    caplog.set_level(logging.DEBUG)
    session = await town.session()
    await look(session)
    grant = await session.credential.grant()
    errors = []
    for deed in (lambda: town.oauth.narrow("contacts.write"), town.oauth.revoke):
        deed()
        with pytest.raises(Unauthorized) as caught:
            await write(session)
        errors += [caught.value, caught.value.__cause__]
    told = " ".join([*map(str, errors), *map(repr, errors), repr(grant), repr(town.options), repr(session.credential), caplog.text])
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    secrets = [*town.oauth.tokens, town.oauth.client_secret]

    assert len(secrets) > 3
    assert [] == [each for each in secrets if each in told or each.encode() in files]
