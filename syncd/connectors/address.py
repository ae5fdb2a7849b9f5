"""Where a call goes: base addresses, and paths filled with ids.

`check_base_url` admits an address at configuration time, `is_reachable` the one that a name leads to at the moment of connecting; `fill` makes
the path of one call.
The rule that keeps it true: plain http reaches this machine only, nothing but this machine is reached inside, and nothing that is not a plain
id gets into a path.
It must not know: what is at the address, or which vendor owns it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import quote

from yarl import URL

from syncd.core.errors import Rejected, UserError
from syncd.core.record import SystemName

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NAT64 = IPv6Network("64:ff9b::/96")


def check_base_url(text: str, hosts: Collection[str] = ()) -> URL:
    """The address, without its trailing slash; raises UserError when it is none we may call.

    `hosts` are the vendor's own: any other must then be this machine, where an emulator stands in for it.
    """
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        raise UserError(f"`base_url` is no address: {text!r}") from error
    if url.scheme not in ("https", "http") or not host or port is None:
        raise UserError(f"`base_url` must begin with https:// and name a host, not {text!r}")
    if url.user or url.password or url.query_string or url.fragment:
        raise UserError("`base_url` may hold neither a user, a query nor a fragment")
    if url.scheme == "http" and not is_loopback(host):
        raise UserError(
            f"`base_url` {text!r} would send the credential unprotected",
            hint="use https; plain http is for emulators on this machine (127.0.0.0/8, ::1, localhost)",
        )
    if not is_loopback(host) and not is_outside(host):
        raise UserError(f"`base_url` {text!r} leads into a private network", hint="vendors are on the internet; an emulator is on this machine")
    if hosts and host not in hosts and not is_loopback(host):
        raise UserError(f"`base_url` {text!r} is not the vendor's", hint=f"leave it out, or use {' or '.join(sorted(hosts))}")
    return URL(str(url).rstrip("/"))


def is_reachable(address: str, host: str) -> bool:
    """Whether a connection to an address may be made for the sake of a host: one that is this machine is nowhere else, and any other is outside."""
    return is_loopback(address) if is_loopback(host) else is_outside(address)


def is_outside(host: str) -> bool:
    """Whether an address is one of the internet's; a name is, until it is looked up."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        # An address may be written as one number, or in fewer parts; such a one is looked up by nobody, and leads anywhere.
        return not host.replace(".", "").isdigit()
    # An inner address comes in several dresses: as IPv4 in IPv6, by 6to4, by NAT64, by Teredo.
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_outside(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_loopback(host: str) -> bool:
    """Whether a host, as written, is this machine itself."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    # An IPv4 address dressed as IPv6 is loopback to newer Pythons (3.13) and not to older ones; it is not taken for one.
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def is_id(text: str) -> bool:
    """Whether a vendor's id is made of what every id we know is made of."""
    return _ID.fullmatch(text) is not None


def fill(path: str, ids: Mapping[str, str], *, system: SystemName) -> str:
    """The path with its ``{names}`` replaced by ids; raises Rejected where one is not a plain id."""
    for name, value in ids.items():
        if not is_id(value):
            raise Rejected(f"`{name}` is not an id that can stand in an address", system=system)
        path = path.replace("{" + name + "}", quote(value, safe=""))
    assert "{" not in path, f"a name is left in {path}"
    return path
