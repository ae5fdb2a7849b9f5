"""What the tests share: the compiled shim with its orders, and what hardly works and waits long.

The kills and the outages run from the start of the session, each in a thread with a loop of its own, when any of their tests is among
those to run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.durability.interposer import Orders, build
from tests.durability.killing import Series, kill_all
from tests.durability.suffering import Outage, suffer_all

T = TypeVar("T")


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shim."""
    built = build(tmp_path_factory.mktemp("shim"))
    if built is None:
        pytest.skip("there is no C compiler (cc) to build the shim with")
    return built


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    """Orders to the shim, none given yet."""
    return Orders(tmp_path / "orders")


@pytest.fixture(scope="session")
def some_kills(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[dict[str, Series]]]:
    """Each piece of work, killed at every tenth moment."""
    with beside(kill_all(tmp_path_factory.mktemp("kills"), library, every=10)) as found:
        yield found


@pytest.fixture(scope="session")
def all_kills(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[dict[str, Series]]]:
    """Each piece of work, killed at every moment."""
    with beside(kill_all(tmp_path_factory.mktemp("kills"), library, every=1)) as found:
        yield found


@pytest.fixture(scope="session")
def outages(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[dict[str, Outage]]]:
    """Each trouble that a disk may be in."""
    with beside(suffer_all(tmp_path_factory.mktemp("outages"), library)) as found:
        yield found


@contextmanager
def beside(work: Coroutine[Any, Any, T]) -> Iterator[Future[T]]:
    """Runs it in a thread of its own."""
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(asyncio.run, work)


@pytest.fixture(scope="session", autouse=True)
def _started_first(request: pytest.FixtureRequest) -> None:
    """Starts them before the first test."""
    for name in ("some_kills", "all_kills", "outages"):
        if any(name in getattr(item, "fixturenames", ()) for item in request.session.items):
            request.getfixturevalue(name)
