"""Tokens that had a key of their own (`token_key`): they are taken over by the key of the database, and nobody has to agree again."""

from __future__ import annotations

import stat
from base64 import b64encode
from contextlib import closing

import pytest

from syncd.store.database import connect
from syncd.store.tokens import load
from tests.cli.letting_in import let_in, use_oauth
from tests.cli.world import World
from tests.store.former import KEY_TEXT, sealed_before

NAMED = '\ntoken_key = { file = "token-key" }'


@pytest.fixture
def of_before(world: World) -> World:
    """A world as an older syncd left it: let in by OAuth, the tokens sealed with a key of their own, which the configuration names."""
    use_oauth(world)
    assert 0 == let_in(world).code
    with closing(connect(world.database)) as tx:
        sealed_before(tx, "ghl")
    (world.folder / "token-key").write_text(KEY_TEXT + "\n")
    (world.folder / "token-key").chmod(0o600)
    world.edit_config('client_id = "sandbox-app"', 'client_id = "sandbox-app"' + NAMED)
    return world


def notes(world: World) -> list[str]:
    result = world.here("check", "--json")
    assert 0 == result.code, result.out + result.err
    return [f"{each['line']}: {each['what']}" for each in result.json["notes"] if "key" in each["what"]]


def test_nobody_has_to_agree_again(of_before: World) -> None:
    """`check` says that the key is needed; the first sync takes the tokens over; `check` says that it is not; and without it all goes on."""
    line = of_before.line("token_key")
    needed = notes(of_before)
    handed_out = of_before.do(lambda sandbox: list(sandbox.ghl.oauth.tokens))
    first = of_before.syncd("reconcile")
    done = notes(of_before)
    of_before.edit_config(NAMED, "")
    (of_before.folder / "token-key").unlink()
    rotated, second = of_before.here("key", "rotate", "--yes"), of_before.syncd("reconcile")

    assert [f"{line}: is needed until the tokens are used next: the key of the database then seals them"] == needed
    assert (0, 0, 0) == (first.code, rotated.code, second.code), first.err + rotated.err + second.err
    assert [f"{line}: is not needed any more: the key of the database seals the tokens"] == done
    assert [] == notes(of_before)
    assert handed_out == of_before.do(lambda sandbox: list(sandbox.ghl.oauth.tokens))


def test_a_running_daemon_takes_them_over(of_before: World) -> None:
    """By itself, when it starts; beside it a command then needs no such key either."""
    with of_before.daemon() as daemon:
        of_before.edit_config(NAMED, "")
        seen = of_before.syncd("doctor", "ghl")
        paused = daemon.said("system.paused")

    assert (0, []) == (seen.code, paused), seen.out + seen.err


def test_without_the_key_it_says_which_is_missing(of_before: World) -> None:
    """Nothing is thrown away: named once more, it goes on."""
    of_before.edit_config(NAMED, "")
    (told,) = notes(of_before)
    refused = of_before.syncd("doctor", "ghl")
    of_before.edit_config('client_id = "sandbox-app"', 'client_id = "sandbox-app"' + NAMED)

    assert "its tokens are sealed with a key of their own, " in told
    assert refused.code == 4
    assert "name it as `token_key` once more" in refused.out + refused.err
    assert 0 == of_before.syncd("doctor", "ghl").code


def test_a_key_that_is_none_is_refused_unquoted(of_before: World) -> None:
    """And the tokens stay what they are."""
    (of_before.folder / "token-key").write_text("hush-hush\n")
    refused = of_before.syncd("doctor", "ghl")
    with closing(connect(of_before.database)) as tx:
        kept = load(tx, "ghl")

    assert refused.code != 0
    assert "`token_key` is no key" in refused.out + refused.err
    assert "hush-hush" not in refused.out + refused.err
    assert kept.former


def test_nobody_is_asked_for_what_could_not_be_kept(of_before: World) -> None:
    """Another key than the database's, a text that is none, none at all: it ends before the address is shown, and names the place and the mend."""
    of_before.edit_config("[daemon]", '[daemon]\nkey = { file = "other.key" }')
    other = of_before.folder / "other.key"
    for text, said in ((b64encode(bytes(32)).decode(), "is sealed with key"), ("hush-hush", "is no key"), (None, "there is no secret file")):
        other.unlink(missing_ok=True)
        if text is not None:
            other.write_text(text)
            other.chmod(0o600)
        refused = of_before.here("auth", "ghl")

        assert refused.code in (1, 3), refused
        assert said in refused.out + refused.err
        assert "agree" not in refused.err
        assert "hush-hush" not in refused.out + refused.err


def test_before_anybody_agreed_it_is_not_needed(world: World) -> None:
    """No tokens, no such key: `check` says so, and what seals the tokens then is the key of the database, its owner's alone."""
    use_oauth(world)
    (world.folder / "token-key").write_text(KEY_TEXT + "\n")
    (world.folder / "token-key").chmod(0o600)
    world.edit_config('client_id = "sandbox-app"', 'client_id = "sandbox-app"' + NAMED)
    (told,) = notes(world)
    result, key = let_in(world), world.database.with_suffix(".key")

    assert "is not needed any more" in told
    assert 0 == result.code
    assert f"/state/{key.name}, the key of the database" in result.err
    assert 0o600 == stat.S_IMODE(key.stat().st_mode)
