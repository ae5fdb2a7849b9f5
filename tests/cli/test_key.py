"""`syncd key`, and where the key is."""

from __future__ import annotations

import stat

import pytest

from syncd.store.master import make_text
from tests.cli.test_backup import secret
from tests.cli.world import World


@pytest.fixture
def settled(world: World) -> World:
    """A world in which everything was carried out."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert world.syncd("reconcile").code == 0
    return world


def test_the_key_beside_the_database_is_replaced(settled: World) -> None:
    """Under a running daemon; both go on, the old key opens nothing any more, the new file is its owner's alone."""
    key = settled.database.with_suffix(".key")
    old = key.read_text()
    with settled.daemon():
        done = settled.here("key", "rotate", "--yes", "--json")
        seen = settled.here("explain", "link/1")
        asked = settled.syncd("reconcile")
    new = key.read_text()

    assert (0, 0, 0) == (done.code, seen.code, asked.code), done.err + seen.err + asked.err
    assert old != new
    assert (1, 1) == (len(done.json["not_needed"]), done.json["data_keys_dropped"])
    assert 0o600 == stat.S_IMODE(key.stat().st_mode)
    assert old.strip() not in done.out + done.err
    key.write_text(old)
    assert settled.here("explain", "link/1").code != 0


def test_a_key_that_the_configuration_names(settled: World) -> None:
    """It is moved there, and replaced in two steps; each of the two opens the database in between."""
    first = settled.database.with_suffix(".key").rename(settled.folder / "first.key")
    second = settled.folder / "second.key"
    settled.edit_config("[daemon]", f'[daemon]\nkey = {{ file = "{first}" }}')
    welcomed = settled.here("key", "rotate", "--to", str(second), "--json")
    by_first = settled.here("explain", "link/1").code
    settled.edit_config(str(first), str(second))
    by_second = settled.here("explain", "link/1").code
    done = settled.here("key", "rotate", "--yes", "--json")

    assert (0, 0, 0, 0) == (welcomed.code, by_first, by_second, done.code), welcomed.err + done.err
    assert [welcomed.json["keys"][0]] == done.json["not_needed"]
    assert not settled.database.with_suffix(".key").exists()
    assert 0 == settled.syncd("reconcile").code
    settled.edit_config(str(second), str(first))
    assert "is sealed with key" in settled.here("explain", "link/1").err


def test_a_key_that_is_none_is_refused(world: World) -> None:
    """A credential that is not there is found by `check`; a text that is no key when it is used. Neither is quoted."""
    world.edit_config("[daemon]", '[daemon]\nkey = { credential = "syncd-key" }')
    missing = world.here("check")
    bad = secret(world.folder / "bad.key", "hush-hush")
    world.edit_config('{ credential = "syncd-key" }', f'{{ file = "{bad}" }}')
    refused = world.syncd("reconcile")
    world.edit_config(f'{{ file = "{bad}" }}', f'"{make_text()}"')
    written = world.here("check")

    assert 3 == missing.code == written.code
    assert "syncd-key" in missing.out + missing.err
    assert refused.code != 0
    assert "is no key" in refused.err
    assert "hush-hush" not in refused.err
    assert "never written into the configuration" in written.out + written.err
