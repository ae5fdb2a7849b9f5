"""Secrets: where they must not be while a daemon runs, and how files are kept."""

from __future__ import annotations

import copy
import pickle
import stat
import threading
from pathlib import Path

import pytest

from syncd.connectors.kind import Secret
from tests.cli.world import World


def test_a_secret_is_not_shown() -> None:
    """However it is turned to text it is masked; it is not pickled; a copy is the same."""
    secret = Secret("hush-hush")

    assert "hush" not in f"{secret} {secret!r} {secret!s:>30} {[secret]} {{}}".format(secret)
    assert "hush-hush" == copy.deepcopy(secret).get_secret_value() == copy.copy(secret).get_secret_value()
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_running_daemon_shows_no_secret(world: World) -> None:
    """Neither its arguments nor its environment nor its log hold one, and it leaves no core."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    with world.daemon() as daemon:
        process = Path(f"/proc/{daemon.process.pid}")
        key = world.database.with_suffix(".key").read_text().strip()
        token = (world.folder / "ghl-token").read_text().strip()
        seen = (process / "environ").read_bytes() + (process / "cmdline").read_bytes() + daemon.log.read_bytes()
        (core,) = [line for line in (process / "limits").read_text().splitlines() if line.startswith("Max core file size")]

        assert [] == [name for name, text in (("key", key), ("token", token)) if text.encode() in seen]
        assert ["0", "0"] == core.split()[4:6]


def test_no_file_is_open_to_others_at_any_moment(world: World, tmp_path: Path) -> None:
    """From the first moment of each file in the state directory and of a backup, whatever the umask, while all of it is made and replaced."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    (tmp_path / "backups").mkdir()
    open_ones: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            for folder in (world.database.parent, tmp_path / "backups"):
                for each in folder.iterdir() if folder.is_dir() else ():
                    try:
                        mode = stat.S_IMODE(each.stat().st_mode)
                    except FileNotFoundError:
                        continue
                    if mode & 0o077:
                        open_ones.add(f"{each.name} {mode:o}")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        codes = [
            world.syncd("reconcile").code,
            world.syncd("backup", str(tmp_path / "backups")).code,
            world.syncd("key", "rotate", "--yes").code,
            world.syncd("forget", "link/1", "--yes").code,
            world.syncd("reconcile").code,
        ]
    finally:
        over.set()
        watcher.join()

    assert [0] * 5 == codes
    assert set() == open_ones
