"""Quotas: windows and buckets by themselves, then each vendor's headers and 429.

Rule: time in the tests of windows is a number the test moves.

It must not know how a quota remembers.
"""

from __future__ import annotations

from syncd.sandbox.quota import FixedWindow, SlidingWindow, TokenBucket


class Hand:
    """A clock moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_sliding_window():
    """A sliding window forgets a request exactly one window later, and refusals cost nothing."""
    clock = Hand()
    window = SlidingWindow(2, 10, clock)
    first, second, third = window.take(), window.take(), window.take()
    clock.now += third.wait_s

    assert (first.remaining, second.remaining) == (1, 0)
    assert (third.allowed, third.wait_s) == (False, 10)
    assert window.take().allowed


def test_fixed_window():
    """A fixed window refills at its boundary, which lets twice the limit through around it."""
    clock = Hand()
    clock.now = 1009.0
    window = FixedWindow(2, 10, clock)
    before = [window.take().allowed for _ in range(3)]
    clock.now = 1010.0

    assert before == [True, True, False]
    assert [window.take().allowed for _ in range(2)] == [True, True]


def test_token_bucket():
    """A bucket holds its burst, refills by the second, and never overflows."""
    clock = Hand()
    bucket = TokenBucket(3, 2, clock)
    burst = [bucket.take().allowed for _ in range(4)]
    clock.now += 1
    later = [bucket.take().allowed for _ in range(3)]
    clock.now += 100

    assert burst == [True, True, True, False]
    assert later == [True, True, False]
    assert bucket.take().remaining == 2


async def test_gohighlevel_headers_and_429(opened):
    """Every answer carries the five headers; beyond the burst it is a 429 without Retry-After, and is counted."""
    world = await opened(quotas=True, ghl={"burst": 3})
    replies = [await world.ghl("GET", "/contacts/nobody") for _ in range(4)]

    headers = replies[0].headers
    assert headers["X-RateLimit-Limit-Daily"] == "200000"
    assert headers["X-RateLimit-Daily-Remaining"] == "199999"
    assert headers["X-RateLimit-Interval-Milliseconds"] == "10000"
    assert headers["X-RateLimit-Max"] == "3"
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert [reply.status for reply in replies] == [400, 400, 400, 429]
    assert replies[3].body["message"] == "Too Many Requests"
    assert "Retry-After" not in replies[3].headers
    stats = world.sandbox.ghl.stats.as_json()
    assert (stats["rate_limited"], stats["max_in_10_s"]) == (1, 4)


async def test_gohighlevel_daily_budget(opened):
    """The day's budget ends requests too; Retry-After appears when asked for."""
    world = await opened(quotas=True, ghl={"daily": 1, "retry_after_header": True})
    await world.ghl("GET", "/contacts/nobody")

    reply = await world.ghl("GET", "/contacts/nobody")

    assert reply.status == 429
    assert reply.headers["X-RateLimit-Daily-Remaining"] == "0"
    assert int(reply.headers["Retry-After"]) > 0


async def test_octopus_headers_and_429(opened):
    """The bucket's rest is in every answer; a 429 names whole seconds to wait, unless left out."""
    for option in (True, False):
        world = await opened(quotas=True, octopus={"burst": 2, "per_second": 0.5, "retry_after_header": option})
        replies = [await world.octopus("GET", "/lists") for _ in range(3)]

        assert [reply.status for reply in replies] == [200, 200, 429]
        assert [reply.headers["X-RateLimiting-Remaining"] for reply in replies] == ["1", "0", "0"]
        assert replies[2].body["type"].endswith("#too-many-requests")
        assert replies[2].headers.get("X-RateLimit-Retry-After") == ("2" if option else None)
