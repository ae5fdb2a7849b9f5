"""What the tests share: one scenario that takes long and hardly works, started first and judged when its test comes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.e2e.doubtful import Outcome, create_doubtfully


@pytest.fixture(scope="session")
def doubtful_creates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Outcome]]:
    """`create_doubtfully`, in a thread with a loop of its own."""
    directory = tmp_path_factory.mktemp("doubtful")
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(lambda: asyncio.run(create_doubtfully(directory)))


@pytest.fixture(scope="session", autouse=True)
def _started_first(request: pytest.FixtureRequest) -> None:
    """Starts it before the first test, when its test is among those to run."""
    if any("doubtful_creates" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("doubtful_creates")
