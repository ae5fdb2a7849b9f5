"""The worlds the command line's tests run in: fresh, reconciled once, or synced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.world import World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh world of twelve people, nothing synced yet."""
    with ExitStack() as stack:
        yield make_world(tmp_path, stack, 12)


@pytest.fixture(scope="session")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that was reconciled once and whose first run waits. Only for tests that look."""
    with ExitStack() as stack:
        world = make_world(tmp_path_factory.mktemp("looked"), stack, 12)
        assert world.syncd("reconcile").code == 7
        yield world


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which the first run was approved and carried out. Only for tests that look."""
    with ExitStack() as stack:
        world = make_world(tmp_path_factory.mktemp("synced"), stack, 12)
        world.edit_config('first_run = "review"', 'first_run = "auto"')
        assert world.syncd("reconcile").code == 0
        yield world
