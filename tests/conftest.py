"""Sizes a run may be given on the command line.

The rule that keeps it true: the defaults are small, so that a plain ``pytest`` stays quick; larger sizes only look longer.
It must not know: any room. Fixtures live beside the tests that use them.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Read them with ``request.config.getoption("worlds")``; the `bench` and `slow` markers are declared in pyproject.toml."""
    sizes = parser.getgroup("sizes", "how long the simulations and soaks look")
    sizes.addoption("--worlds", type=int, default=20, metavar="N", help="simulated worlds, each from its own seed (default 20)")
    sizes.addoption("--contacts", type=int, default=1_000, metavar="N", help="contacts of a large first sync (default 1000)")
    sizes.addoption("--bodies", type=int, default=20_000, metavar="N", help="deliveries thrown at the listener (default 20000)")
    sizes.addoption("--minutes", type=float, default=1.0, metavar="M", help="length of a soak or a crash series (default 1)")
