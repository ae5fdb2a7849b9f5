"""Tokens at rest: sealed, bound to their row, replaced by one at a time."""

from __future__ import annotations

import os
import signal
import sqlite3
from base64 import b64encode
from contextlib import closing, suppress
from itertools import count, takewhile

import orjson
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from syncd.core.errors import UserError
from syncd.core.record import MINUTE, SECOND, SystemName
from syncd.store import rotating, tokens
from syncd.store.codec import DamagedError, pack, unseal
from syncd.store.database import connect, migrations, open_database, prepare
from syncd.store.legacy import teach
from syncd.store.tokens import Beside, FormerKey, Keeping
from syncd.store.vault import number_of
from syncd.store.visiting import leave
from tests.store.former import KEY_TEXT, sealed_before

GHL, OTHER = SystemName("ghl"), SystemName("other")
CANARY = "canary-refresh-0123456789"
TOKENS = {"access": "canary-access", "refresh": CANARY}
KEY = FormerKey(KEY_TEXT)


def test_what_is_kept_is_read_again(tx):
    """The same value, with its version; nothing for a system that has none."""
    assert tokens.save(tx, GHL, TOKENS, 1)
    kept = tokens.load(tx, GHL)

    assert (1, 0, TOKENS, "") == (kept.version, kept.tries, kept.tokens, kept.trouble)
    assert None is tokens.load(tx, OTHER)


def test_nothing_of_a_token_is_in_the_file(tx, tmp_path):
    """Neither in the database nor in what stands beside it."""
    tokens.save(tx, GHL, TOKENS, 1)
    tx.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"ghl" in written
    assert b"canary" not in written


def test_a_row_cannot_stand_in_for_another(tx):
    """Copied to another system, or put back as a later version, it is damaged."""
    tokens.save(tx, GHL, TOKENS, 1)
    tokens.save(tx, OTHER, {"access": "x"}, 1)
    (old,) = tx.execute("SELECT sealed FROM tokens WHERE system = 'ghl'").fetchone()
    tx.execute("UPDATE tokens SET sealed = ? WHERE system = 'other'", (old,))
    tokens.save(tx, GHL, {"access": "new"}, 2)
    tx.execute("UPDATE tokens SET sealed = ? WHERE system = 'ghl'", (old,))

    assert ["the kept tokens are damaged"] * 2 == [tokens.load(tx, each).trouble for each in (GHL, OTHER)]
    assert [None, None] == [tokens.load(tx, each).tokens for each in (GHL, OTHER)]


def test_every_flipped_bit_is_noticed(tx):
    """Of the nonce, of the text, of the tag."""
    tokens.save(tx, GHL, TOKENS, 1)
    (sealed,) = tx.execute("SELECT sealed FROM tokens").fetchone()
    for place in range(len(sealed)):
        spoilt = bytearray(sealed)
        spoilt[place] ^= 1 << place % 8
        tx.execute("UPDATE tokens SET sealed = ?", (bytes(spoilt),))

        assert None is tokens.load(tx, GHL).tokens


def test_another_key_of_their_own_says_so_and_tells_neither(tx):
    """What an older syncd sealed is taken over with that very key only; the keys are told apart by ids that tell nothing of them."""
    text = b64encode(bytes(range(1, 33))).decode()
    tokens.save(tx, GHL, TOKENS, 1)
    sealed_before(tx, GHL)
    without, kept = tokens.load(tx, GHL), tokens.take_over(tx, FormerKey(text), GHL)

    assert (None, None) == (kept.tokens, without.tokens)
    assert f"sealed with a key of their own, {KEY.id}: name it as `token_key` once more" in without.trouble
    assert f"{KEY.id}, and `token_key` is key {FormerKey(text).id}" in kept.trouble
    assert text not in kept.trouble
    assert {GHL: KEY.id} == tokens.former_keys(tx)


def test_tokens_of_their_own_key_are_taken_over(tx):
    """Once: what is kept, its version and its claim stay, the vault alone opens it, and a rotation seals it anew with all the rest."""
    tokens.save(tx, GHL, TOKENS, 1)
    tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    sealed_before(tx, GHL)
    for _ in range(2):
        kept = tokens.take_over(tx, KEY, GHL)
        assert (1, 1, TOKENS, "", "") == (kept.version, kept.tries, kept.tokens, kept.trouble, kept.former)
    assert not tokens.claim(tx, GHL, 1, now=SECOND, until=MINUTE)
    assert {} == tokens.former_keys(tx)
    before = numbers(tx)
    rotating.rotate(lambda job: job(tx))

    assert (({1}, {2}), TOKENS) == ((before, numbers(tx)), tokens.load(tx, GHL).tokens)


def test_a_rotation_leaves_alone_what_is_not_taken_over(tx):
    """It is not the vault's: it can be taken over afterwards."""
    tokens.save(tx, GHL, TOKENS, 1)
    sealed_before(tx, GHL)
    rotating.rotate(lambda job: job(tx))

    assert None is tokens.load(tx, GHL).tokens
    assert TOKENS == tokens.take_over(tx, KEY, GHL).tokens


def test_damaged_tokens_are_not_taken_over(tx):
    """They stay as they are, and that is said."""
    tokens.save(tx, GHL, TOKENS, 1)
    sealed_before(tx, GHL)
    tx.execute("UPDATE tokens SET version = 2")

    assert "the kept tokens are damaged" == tokens.take_over(tx, KEY, GHL).trouble
    assert {GHL: KEY.id} == tokens.former_keys(tx)


def numbers(tx):
    return {number_of(sealed) for (sealed,) in tx.execute("SELECT sealed FROM tokens")}


def opened_by(path):
    """The keys that open the tokens: their own, the vault's."""
    with closing(connect(path)) as tx:
        version, former, sealed = tx.execute("SELECT version, former_key, sealed FROM tokens").fetchone()
        found = {"own"} if former is not None and KEY.unseal(sealed, "tokens", GHL, version, former) == TOKENS else set()
        with suppress(DamagedError):
            found |= {"vault"} if unseal(tx, sealed, "tokens", GHL, version) == TOKENS else set()
        return found


def killed_before(path, statement):
    """Takes over in a process that is killed before its so manyeth statement, the commit being one; whether there was such a one."""
    child = os.fork()
    if child == 0:
        left = count(statement, -1)

        def take_over(tx):
            tx.set_trace_callback(lambda _sql: next(left) or os.kill(os.getpid(), signal.SIGKILL))
            return tokens.take_over(tx, KEY, GHL)

        leave(path, take_over)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_killed_at_any_statement_of_the_taking_over_one_key_opens_them(tmp_path):
    """Their own until the commit, the vault's from then on; never both, never none; and the next life ends it."""
    path = tmp_path / "syncd.db"
    with closing(connect(path)) as tx:
        prepare(tx)
        tokens.save(tx, GHL, TOKENS, 1)
        sealed_before(tx, GHL)
    kills = 0
    while killed_before(path, kills):
        assert {"own"} == opened_by(path)
        kills += 1

    assert kills >= 4
    assert {"vault"} == opened_by(path)


async def test_whoever_asks_first_takes_them_over(tmp_path):
    """Through the daemon's door or beside it; who has no such key is told its name, and who comes later needs none."""
    path = tmp_path / "syncd.db"
    async with open_database(path) as database:
        for door in (database, Beside(path)):
            await database.write(lambda tx: (tokens.save(tx, GHL, TOKENS, 1), sealed_before(tx, GHL)))
            assert KEY.id == (await Keeping(door, GHL, lambda: SECOND).load()).former
            assert TOKENS == (await Keeping(door, GHL, lambda: SECOND, KEY).load()).tokens
            assert TOKENS == (await Keeping(door, GHL, lambda: SECOND).load()).tokens


def test_an_older_database_tells_which_key_sealed_its_tokens(tmp_path):
    """The schema of before named the key of every row; it is named still, and opens it."""
    path = tmp_path / "old.db"
    with closing(connect(path)) as old:
        old.vault.make(old)
        teach(old)
        steps = list(takewhile(lambda step: "former_key" not in step, migrations()))
        old.executescript("BEGIN;" + "\n".join(steps) + f"PRAGMA user_version={len(steps)};COMMIT;")
        nonce, bound = bytes(12), orjson.dumps(["tokens", GHL, 3, KEY.id])
        sealed = nonce + AESGCM(bytes(range(32))).encrypt(nonce, pack(TOKENS), bound)
        old.execute("INSERT INTO tokens (system, version, key_id, sealed, updated_at) VALUES (?, 3, ?, ?, 1)", (GHL, KEY.id, sealed))
    with closing(connect(path)) as tx:
        prepare(tx)

        assert {GHL: KEY.id} == tokens.former_keys(tx)
        assert (3, TOKENS) == ((kept := tokens.take_over(tx, KEY, GHL)).version, kept.tokens)


@pytest.mark.parametrize("text", ["", "short", "ä", b64encode(bytes(31)).decode(), b64encode(bytes(33)).decode(), "secret-but-no-key!"])
def test_what_is_no_key_is_refused_without_being_quoted(text):
    """The message says what a key is and how to get one."""
    with pytest.raises(UserError) as caught:
        FormerKey(text)

    assert "32 bytes in base64" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_only_who_replaces_the_present_version_is_heard(tx):
    """A refresh that comes home after a person had new tokens made out is too late."""
    tokens.save(tx, GHL, TOKENS, 1)
    tokens.save(tx, GHL, {"access": "by a person"}, 2)

    assert not tokens.save(tx, GHL, {"access": "late"}, 3, replaces=1)
    assert tokens.save(tx, GHL, {"access": "in time"}, 4, replaces=2)
    assert {"access": "in time"} == tokens.load(tx, GHL).tokens


def test_a_claim_keeps_others_away_until_it_ends(tx):
    """One at a time; one that was never ended runs out, and counts as a try whose outcome is not known."""
    tokens.save(tx, GHL, TOKENS, 1)

    assert tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    assert not tokens.claim(tx, GHL, 1, now=SECOND, until=MINUTE)
    assert 1 == tokens.load(tx, GHL).tries
    assert tokens.claim(tx, GHL, 1, now=MINUTE, until=2 * MINUTE)
    assert 2 == tokens.load(tx, GHL).tries


def test_a_claim_made_under_another_clock_binds_nobody(tx):
    """The wall clock was set back by a day since."""
    tokens.save(tx, GHL, TOKENS, 1)
    tokens.claim(tx, GHL, 1, now=1_440 * MINUTE, until=1_441 * MINUTE)

    assert tokens.claim(tx, GHL, 1, now=0, until=MINUTE)


@pytest.mark.parametrize(("undone", "tries"), [(True, 0), (False, 1)])
def test_what_was_not_spent_is_no_try(tx, undone, tries):
    """A claim that ends is free at once; only what may have been spent is remembered."""
    tokens.save(tx, GHL, TOKENS, 1)
    tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    tokens.let_go(tx, GHL, 1, undone=undone)

    assert tries == tokens.load(tx, GHL).tries
    assert tokens.claim(tx, GHL, 1, now=0, until=MINUTE)


def test_a_claim_on_what_was_replaced_is_refused(tx):
    """It has been spent by whoever replaced it."""
    tokens.save(tx, GHL, TOKENS, 1)
    tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    tokens.save(tx, GHL, TOKENS, 2)

    assert not tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    assert (2, 0) == (tokens.load(tx, GHL).version, tokens.load(tx, GHL).tries)
    assert tokens.claim(tx, GHL, 2, now=0, until=MINUTE)


async def test_two_doors_lead_to_the_same_tokens(tmp_path):
    """The daemon's own and a command's beside it: what one keeps the other reads, and a claim binds both."""
    path = tmp_path / "syncd.db"
    async with open_database(path) as database:
        mine, beside = (Keeping(door, GHL, lambda: SECOND) for door in (database, Beside(path)))
        assert await mine.keep(TOKENS, replaces=0)
        assert TOKENS == (await beside.load()).tokens
        assert await beside.claim(1, for_s=60)
        assert not await mine.claim(1, for_s=60)
        await beside.let_go(1, undone=False)
        assert 1 == (await mine.load()).tries
        assert await mine.keep({"access": "next"}, replaces=1)
        assert not await beside.keep({"access": "late"}, replaces=1)


async def test_without_a_database_there_are_no_tokens(tmp_path):
    """The message says what makes one, and nothing is made by looking."""
    with pytest.raises(UserError, match="`syncd auth` makes one"):
        await Keeping(Beside(tmp_path / "syncd.db"), GHL, lambda: 0).load()

    assert [] == list(tmp_path.iterdir())


def test_a_row_needs_all_its_columns(tx):
    """What is kept is whole or not there."""
    with pytest.raises(sqlite3.IntegrityError):
        tx.execute("INSERT INTO tokens (system, version, updated_at) VALUES ('ghl', 1, 1)")
