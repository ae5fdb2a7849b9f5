"""Who a request comes from, and how often a source may be wrong.

`source_of` looks through the proxies an operator trusts; `Buckets` counts what each source may still try.
The rule that keeps it true: a header is believed only from a peer that was configured as a proxy; who proves himself is never slowed down,
for his token is given back.
It must not know: signatures, systems, or HTTP beyond the one header.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Networks = tuple[IPv4Network | IPv6Network, ...]
_HOPS_MAX = 16
_SOURCES_MAX = 4_096


def source_of(peer: str, forwarded_for: str, proxies: Networks) -> str:
    """The address a request comes from: the peer, or, where that is one of `proxies`, the last address in X-Forwarded-For that is none."""
    source = _address(peer)
    if source is None or not _among(source, proxies):
        return peer
    for hop in reversed(forwarded_for.split(",")[-_HOPS_MAX:]):
        address = _address(hop.strip())
        if address is None:
            break
        source = address
        if not _among(address, proxies):
            break
    return _household(source)


def household_of(peer: str) -> str:
    """Whom a peer belongs to: an IPv6 customer has a whole /64 to call from."""
    address = _address(peer)
    return peer if address is None else _household(address)


def is_among(peer: str, networks: Networks) -> bool:
    """Whether an address, as written, lies in one of the networks."""
    address = _address(peer)
    return address is not None and _among(address, networks)


class Buckets:
    """A bucket of tokens for each key: `burst` at first, `per_s` more each second."""

    def __init__(self, *, burst: float, per_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._held: dict[Hashable, tuple[float, float]] = {}

    def has(self, key: Hashable, now_s: float) -> bool:
        """Whether there is a token to be had."""
        return self._level(key, now_s) >= 1

    def take(self, key: Hashable, now_s: float) -> bool:
        """Takes a token; False where there is none."""
        level = self._level(key, now_s)
        if level < 1:
            return False
        self._set(key, level - 1, now_s)
        return True

    def give_back(self, key: Hashable, now_s: float) -> None:
        """It was not needed."""
        if key in self._held:
            self._set(key, min(self._burst, self._level(key, now_s) + 1), now_s)

    def _level(self, key: Hashable, now_s: float) -> float:
        level, at_s = self._held.get(key, (self._burst, now_s))
        return min(self._burst, level + (now_s - at_s) * self._per_s)

    def _set(self, key: Hashable, level: float, now_s: float) -> None:
        self._held.pop(key, None)
        if level < self._burst:
            self._held[key] = (level, now_s)
        if len(self._held) > _SOURCES_MAX:
            # The one that was used longest ago, which is the fullest or nearly so.
            del self._held[next(iter(self._held))]


@lru_cache(maxsize=_SOURCES_MAX)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _among(address: IPv4Address | IPv6Address, networks: Networks) -> bool:
    return any(address in network for network in networks)


def _household(address: IPv4Address | IPv6Address) -> str:
    """An IPv6 customer has a whole /64 to choose from, and counts once."""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False).network_address)
