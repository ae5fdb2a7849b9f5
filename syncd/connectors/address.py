"""Where a call goes: base addresses, and paths filled with ids.

`check_base_url` admits an address at configuration time; `fill` makes the path of one call.
The rule that keeps it true: plain http reaches this machine only, and nothing that is not a plain id gets into a path.
It must not know: what is at the address, or which vendor owns it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import quote

from yarl import URL

from syncd.core.errors import Rejected, UserError
from syncd.core.record import SystemName

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_base_url(text: str) -> URL:
    """The address, without its trailing slash; raises UserError when it is none we may call."""
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
    return URL(str(url).rstrip("/"))


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
