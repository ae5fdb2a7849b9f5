"""`syncd backup` and `syncd restore`."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from syncd.core.record import Ref
from syncd.store import observations
from syncd.store.visiting import reading
from tests.cli.world import World


@pytest.fixture
def settled(world: World) -> World:
    """A world in which everything was carried out."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    assert world.syncd("reconcile").code == 0
    return world


def secret(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_backup_comes_back(settled: World, tmp_path: Path) -> None:
    """What was backed up is there again after the database is lost; nobody but the owner may read the file."""
    file = tmp_path / "one.backup"
    done = settled.here("backup", str(file), "--json")
    links = settled.here("status", "--json").json["syncs"]
    settled.database.unlink()
    back = settled.here("restore", str(file), "--json")

    assert (0, 0) == (done.code, back.code), done.err + back.err
    assert 0o600 == stat.S_IMODE(file.stat().st_mode) == stat.S_IMODE(settled.database.stat().st_mode)
    assert links == settled.here("status", "--json").json["syncs"]
    assert 0 == settled.syncd("reconcile").code


def test_a_packed_backup_is_all_that_is_needed(settled: World, tmp_path: Path) -> None:
    """With a passphrase the file holds the key too; the wrong one, or a turned bit, puts nothing back."""
    file, phrase, wrong = tmp_path / "one.backup", secret(tmp_path / "phrase", "correct horse"), secret(tmp_path / "wrong", "battery")
    assert 0 == settled.here("backup", str(file), "--passphrase-file", str(phrase)).code
    links = settled.here("status", "--json").json["syncs"]
    settled.database.unlink()
    settled.database.with_suffix(".key").unlink()
    turned = bytearray(file.read_bytes())
    turned[len(turned) // 2] ^= 1
    (tmp_path / "turned.backup").write_bytes(turned)
    refused = [
        settled.here("restore", str(file)),
        settled.here("restore", str(file), "--passphrase-file", str(wrong)),
        settled.here("restore", str(tmp_path / "turned.backup"), "--passphrase-file", str(phrase)),
    ]

    assert [True] * 3 == [each.code != 0 and not settled.database.exists() for each in refused]
    assert b"SQLite" not in file.read_bytes()
    assert 0 == settled.here("restore", str(file), "--passphrase-file", str(phrase)).code
    assert 0o600 == stat.S_IMODE(settled.database.with_suffix(".key").stat().st_mode)
    assert links == settled.here("status", "--json").json["syncs"]
    assert settled.here("explain", "link/1").code == 0


def test_only_so_many_are_kept(settled: World, tmp_path: Path) -> None:
    """In a directory the older ones go, and nothing else that lies there."""
    directory = tmp_path / "backups"
    directory.mkdir()
    (directory / "mine.txt").write_text("mine")
    files = [settled.here("backup", str(directory), "--keep", "2", "--json").json["file"] for _ in range(3)]

    assert {"mine.txt", *(Path(each).name for each in files[1:])} == {each.name for each in directory.iterdir()}


def test_nothing_is_written_over_unasked(settled: World, tmp_path: Path) -> None:
    """A file that is there stays; so does a database, until it is said; what is no backup is refused, and changes nothing."""
    file = secret(tmp_path / "one.backup", "mine")
    before = settled.database.read_bytes()
    refused = [settled.here("backup", str(file)), settled.here("restore", str(file)), settled.here("restore", str(file), "--replace")]

    assert [True] * 3 == [each.code != 0 for each in refused]
    assert ("mine", before) == (file.read_text(), settled.database.read_bytes())


def test_the_wrong_key_opens_nothing(settled: World) -> None:
    """Without the key, or with another, commands say so; none makes a new key over a database that has one."""
    key = settled.database.with_suffix(".key")
    text = key.read_text()
    key.unlink()
    missing = [settled.here("explain", "link/1"), settled.syncd("reconcile")]
    made = key.exists()
    secret(key, "A" * 43 + "=\n")
    other = [settled.here("explain", "link/1"), settled.syncd("reconcile")]
    secret(key, text).chmod(0o640)
    open_to_others = settled.here("explain", "link/1")
    key.chmod(0o600)

    assert not made
    assert [True] * 2 == [each.code != 0 and "key of the database cannot be had" in each.err for each in missing]
    assert [True] * 2 == [each.code != 0 and "is sealed with key" in each.err for each in other]
    assert open_to_others.code != 0 and "open to others" in open_to_others.err
    assert 0 == settled.here("explain", "link/1").code


def test_a_copy_without_its_key_names_nobody(settled: World, tmp_path: Path) -> None:
    """Neither the files of the database nor a backup hold an address, a name or a number of anybody."""
    file = tmp_path / "one.backup"
    settled.here("backup", str(file))
    held = b"".join(each.read_bytes() for each in [file, *settled.database.parent.glob("syncd.db*")]).lower()
    told = texts_of(settled)

    assert len(told) > 30
    assert [] == [text for text in sorted(told) if text.lower().encode() in held]


def texts_of(world: World) -> set[str]:
    """Every text of every field that the systems showed, long enough to be no chance."""
    with reading(world.database) as read:
        rows = read(lambda tx: [Ref(*row) for row in tx.execute("SELECT system, collection, record_id FROM observations").fetchall()])
        seen = read(lambda tx: observations.load(tx, rows))
    values = [value for each in seen.values() for value in (each.fields or {}).values()]
    return {text for value in values if isinstance(text := value, str) and len(text) >= 5 and any(c in text for c in "@+- ")}
