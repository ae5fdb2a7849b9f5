"""Tokens at rest: sealed, bound to their row, replaced by one at a time."""

from __future__ import annotations

import sqlite3
from base64 import b64encode

import pytest

from syncd.core.errors import UserError
from syncd.core.record import MINUTE, SECOND, SystemName
from syncd.store import tokens
from syncd.store.database import open_database
from syncd.store.tokens import Beside, Keeping, SealingKey, make_key

GHL, OTHER = SystemName("ghl"), SystemName("other")
CANARY = "canary-refresh-0123456789"
TOKENS = {"access": "canary-access", "refresh": CANARY}
KEY = SealingKey(b64encode(bytes(range(32))).decode())


def test_what_is_kept_is_read_again(tx):
    """The same value, with its version; nothing for a system that has none."""
    assert tokens.save(tx, KEY, GHL, TOKENS, 1)
    kept = tokens.load(tx, KEY, GHL)

    assert (1, 0, TOKENS, "") == (kept.version, kept.tries, kept.tokens, kept.trouble)
    assert None is tokens.load(tx, KEY, OTHER)


def test_nothing_of_a_token_is_in_the_file(tx, tmp_path):
    """Neither in the database nor in what stands beside it."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    tx.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"ghl" in written
    assert b"canary" not in written


def test_a_row_cannot_stand_in_for_another(tx):
    """Copied to another system, or put back as a later version, it is damaged."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    tokens.save(tx, KEY, OTHER, {"access": "x"}, 1)
    (old,) = tx.execute("SELECT sealed FROM tokens WHERE system = 'ghl'").fetchone()
    tx.execute("UPDATE tokens SET sealed = ? WHERE system = 'other'", (old,))
    tokens.save(tx, KEY, GHL, {"access": "new"}, 2)
    tx.execute("UPDATE tokens SET sealed = ? WHERE system = 'ghl'", (old,))

    assert ["the kept tokens are damaged"] * 2 == [tokens.load(tx, KEY, each).trouble for each in (GHL, OTHER)]
    assert [None, None] == [tokens.load(tx, KEY, each).tokens for each in (GHL, OTHER)]


def test_every_flipped_bit_is_noticed(tx):
    """Of the nonce, of the text, of the tag."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    (sealed,) = tx.execute("SELECT sealed FROM tokens").fetchone()
    for place in range(len(sealed)):
        spoilt = bytearray(sealed)
        spoilt[place] ^= 1 << place % 8
        tx.execute("UPDATE tokens SET sealed = ?", (bytes(spoilt),))

        assert None is tokens.load(tx, KEY, GHL).tokens


def test_another_key_says_so_and_tells_neither(tx):
    """The keys are told apart by ids that tell nothing of them."""
    text = make_key()
    other = SealingKey(text)
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    kept = tokens.load(tx, other, GHL)

    assert None is kept.tokens
    assert f"sealed with key {KEY.id}, and the configuration names key {other.id}" in kept.trouble
    assert text not in kept.trouble


def test_equal_tokens_are_sealed_differently_each_time(tx):
    """No nonce comes twice in ten thousand sealings."""
    nonces = {KEY.seal(TOKENS, "tokens", GHL, 1, KEY.id)[:12] for _ in range(10_000)}

    assert 10_000 == len(nonces)


@pytest.mark.parametrize("text", ["", "short", "ä", b64encode(bytes(31)).decode(), b64encode(bytes(33)).decode(), "secret-but-no-key!"])
def test_what_is_no_key_is_refused_without_being_quoted(text):
    """The message says what a key is and how to get one."""
    with pytest.raises(UserError) as caught:
        SealingKey(text)

    assert "32 bytes in base64" in str(caught.value)
    assert not text or text not in str(caught.value)


def test_only_who_replaces_the_present_version_is_heard(tx):
    """A refresh that comes home after a person had new tokens made out is too late."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    tokens.save(tx, KEY, GHL, {"access": "by a person"}, 2)

    assert not tokens.save(tx, KEY, GHL, {"access": "late"}, 3, replaces=1)
    assert tokens.save(tx, KEY, GHL, {"access": "in time"}, 4, replaces=2)
    assert {"access": "in time"} == tokens.load(tx, KEY, GHL).tokens


def test_a_claim_keeps_others_away_until_it_ends(tx):
    """One at a time; one that was never ended runs out, and counts as a try whose outcome is not known."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)

    assert tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    assert not tokens.claim(tx, GHL, 1, now=SECOND, until=MINUTE)
    assert 1 == tokens.load(tx, KEY, GHL).tries
    assert tokens.claim(tx, GHL, 1, now=MINUTE, until=2 * MINUTE)
    assert 2 == tokens.load(tx, KEY, GHL).tries


def test_a_claim_made_under_another_clock_binds_nobody(tx):
    """The wall clock was set back by a day since."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    tokens.claim(tx, GHL, 1, now=1_440 * MINUTE, until=1_441 * MINUTE)

    assert tokens.claim(tx, GHL, 1, now=0, until=MINUTE)


@pytest.mark.parametrize(("undone", "tries"), [(True, 0), (False, 1)])
def test_what_was_not_spent_is_no_try(tx, undone, tries):
    """A claim that ends is free at once; only what may have been spent is remembered."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    tokens.let_go(tx, GHL, 1, undone=undone)

    assert tries == tokens.load(tx, KEY, GHL).tries
    assert tokens.claim(tx, GHL, 1, now=0, until=MINUTE)


def test_a_claim_on_what_was_replaced_is_refused(tx):
    """It has been spent by whoever replaced it."""
    tokens.save(tx, KEY, GHL, TOKENS, 1)
    tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    tokens.save(tx, KEY, GHL, TOKENS, 2)

    assert not tokens.claim(tx, GHL, 1, now=0, until=MINUTE)
    assert (2, 0) == (tokens.load(tx, KEY, GHL).version, tokens.load(tx, KEY, GHL).tries)
    assert tokens.claim(tx, GHL, 2, now=0, until=MINUTE)


async def test_two_doors_lead_to_the_same_tokens(tmp_path):
    """The daemon's own and a command's beside it: what one keeps the other reads, and a claim binds both."""
    path = tmp_path / "syncd.db"
    async with open_database(path) as database:
        mine, beside = (Keeping(door, KEY, GHL, lambda: SECOND) for door in (database, Beside(path)))
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
        await Keeping(Beside(tmp_path / "syncd.db"), KEY, GHL, lambda: 0).load()

    assert [] == list(tmp_path.iterdir())


def test_a_row_needs_all_its_columns(tx):
    """What is kept is whole or not there."""
    with pytest.raises(sqlite3.IntegrityError):
        tx.execute("INSERT INTO tokens (system, version, key_id) VALUES ('ghl', 1, 'x')")
