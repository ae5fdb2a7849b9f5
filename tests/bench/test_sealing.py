"""What sealing costs: the reconcile stage with the vault, against the same with a checksum in its place, in turns in one process.

`pytest -m bench tests/bench/test_sealing.py`. Prints the ratio; never fails on time.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from pathlib import Path

import pytest

from tests.bench.plain import checksum_only
from tests.bench.test_planning import ours

pytestmark = [pytest.mark.bench, pytest.mark.slow]
SIZE, ROUNDS = int(os.environ.get("BENCH_SIZE", "2000")), int(os.environ.get("BENCH_ROUNDS", "5"))


def once(size: int) -> float:
    """Links planned a second, in a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(ours(Path(folder), size))


def test_sealing_costs_little() -> None:
    """Both plan the same; the ratio is printed."""
    sealed, plain = [], []
    for _ in range(ROUNDS):
        sealed.append(once(SIZE))
        with checksum_only():
            plain.append(once(SIZE))
    ratios = sorted(a / b for a, b in zip(sealed, plain, strict=True))
    print(f"\nsealed {statistics.median(sealed):,.0f} links/s, checksum {statistics.median(plain):,.0f} links/s,"
          f" sealed/checksum {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")

    assert len(ratios) == ROUNDS
