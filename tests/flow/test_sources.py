"""Sources: who a request comes from, and how often a source may be wrong."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from syncd.flow.sources import Buckets, is_among, source_of

PROXIES = (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "header", "expected"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "9.9.9.9, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 10.1.2.3", "198.51.100.1"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, ", "127.0.0.1"),
        ("127.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:3:4:5:6", "198.51.100.1", "2001:db8:1:2:3:4:5:6"),
        ("127.0.0.2", "198.51.100.1", "127.0.0.2"),
        ("", "198.51.100.1", ""),
        ("127.0.0.1", ", ".join(["198.51.100.1"] * 100_000), "198.51.100.1"),
    ],
)
def test_a_header_is_believed_from_a_proxy_only(peer, header, expected):
    """From a configured peer the last address that is no proxy; from anybody else the peer, whatever he writes."""
    assert expected == source_of(peer, header, PROXIES)


def test_without_proxies_no_header_is_believed():
    """As it is unless somebody says otherwise."""
    assert "127.0.0.1" == source_of("127.0.0.1", "198.51.100.1", ())


def test_a_network_holds_its_addresses():
    """In whatever dress they come."""
    assert [True, True, False, False] == [is_among(each, PROXIES) for each in ("10.9.9.9", "::ffff:10.9.9.9", "11.0.0.1", "x")]


def test_a_bucket_empties_and_fills():
    """As many as it holds at once, and then as many as run in."""
    buckets = Buckets(burst=3, per_s=2)

    assert [True, True, True, False, False] == [buckets.take("a", 0.0) for _ in range(5)]
    assert (False, True) == (buckets.has("a", 0.4), buckets.has("a", 0.5))
    assert [True, True, True, False] == [buckets.take("a", 100.0) for _ in range(4)]
    assert buckets.has("b", 0.0)


def test_what_is_given_back_was_never_taken():
    """Who proves himself each time is never slowed down."""
    buckets = Buckets(burst=2, per_s=0)
    for _ in range(100):
        assert buckets.take("a", 0.0)
        buckets.give_back("a", 0.0)
    buckets.give_back("a", 0.0)

    assert [True, True, False] == [buckets.take("a", 0.0) for _ in range(3)]


def test_any_number_of_sources_takes_a_bounded_memory():
    """A full bucket is not kept, and of the others only so many."""
    buckets = Buckets(burst=2, per_s=1)
    for number in range(50_000):
        buckets.take(number, 0.0)

    assert len(buckets._held) <= 4_096
