"""The ``[daemon]`` section: how syncd itself runs.

The rule that keeps it true: every setting has a default that is right for most, so the section may be left out.
It must not know: systems, syncs, or who uses these settings.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from syncd.config.durations import MILLISECOND
from syncd.config.places import default_state, in_home
from syncd.config.secrets import SecretError, Secrets
from syncd.config.section import Section, describe
from syncd.config.settings import Address, DaemonSettings, LogLevel
from syncd.core.errors import UserError
from syncd.core.record import DAY, MINUTE, SECOND

_LISTEN = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[A-Za-z0-9_.-]+)):(?P<port>\d{1,5})", re.ASCII)
_SHORTEST = 100 * MILLISECOND


def read_daemon(section: Section, secrets: Secrets) -> DaemonSettings:
    """The daemon's settings; a relative path is relative to where the configuration lies."""
    directory, environ = secrets.directory, secrets.environ
    state = section.text("state")
    poll_max = section.duration("poll_max", 15 * MINUTE, least=_SHORTEST)
    quiet_max = section.duration("quiet_max", 10 * SECOND)
    settings = DaemonSettings(
        state=directory / in_home(state, environ) if state else default_state(directory, environ),
        listen=_read_listen(section),
        public_url=_read_public_url(section),
        poll_min=section.duration("poll_min", min(MINUTE, poll_max), least=_SHORTEST),
        poll_max=poll_max,
        full_pass=section.duration("full_pass", DAY, least=_SHORTEST),
        audit_every=None if section.take("audit_every") == "off" else section.duration("audit_every", DAY, least=SECOND),
        quiet=section.duration("quiet", min(2 * SECOND, quiet_max)),
        quiet_max=quiet_max,
        log_level=section.one_of("log_level", LogLevel, LogLevel.INFO),
        trusted_proxies=_read_proxies(section),
        # Vendors repeat what was not answered for more than three days; guards look back on an hour.
        keep_events=section.duration("keep_events", 14 * DAY, least=7 * DAY),
        keep_writes=section.duration("keep_writes", 90 * DAY, least=DAY),
        keep_story=section.duration("keep_story", 365 * DAY, least=DAY),
        key=_read_key(section, secrets),
    )
    if settings.poll_min > settings.poll_max:
        section.problem("is longer than `poll_max`", "poll_min", mend="raise `poll_max` or lower `poll_min`")
    if settings.quiet > settings.quiet_max:
        section.problem("is longer than `quiet_max`", "quiet", mend="raise `quiet_max` or lower `quiet`")
    section.finish()
    return settings


def _read_key(section: Section, secrets: Secrets) -> Callable[[], str] | None:
    """A way to the master key. It is read when the database is opened, which commands do that call no vendor too."""
    written = section.take("key")
    if written is None:
        return None
    try:
        secrets.read(written)
    except SecretError as error:
        section.problem(error.what, "key", mend=error.mend)

    def read() -> str:
        try:
            return replace(secrets, look=True).read(written)
        except SecretError as error:
            raise UserError(f"the key of the database cannot be had: {error.what}", hint=error.mend) from None

    return read


def _read_listen(section: Section) -> Address | None:
    written = section.text("listen")
    if written == "off":
        return None
    if written is None:
        return Address(host="127.0.0.1", port=8787)
    match = _LISTEN.fullmatch(written)
    if match is None or int(match["port"]) > 65535:
        section.problem(f"{describe(written)} is no address", "listen", mend='write "127.0.0.1:8787", "[::1]:8787" or "off"')
        return None
    return Address(host=match["six"] or match["host"], port=int(match["port"]))


def _read_public_url(section: Section) -> str | None:
    written = section.text("public_url")
    if written is None:
        return None
    try:
        parts = urlsplit(written)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        section.problem(
            "is no address on the web", "public_url", mend='write it as vendors reach you: "https://sync.example.com"'
        )
        return None
    if parts.scheme == "http":
        section.note("is not https: vendors would send records in the clear", "public_url")
    return written.rstrip("/")


def _read_proxies(section: Section) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    networks = []
    for place, written in enumerate(section.texts("trusted_proxies")):
        try:
            networks.append(ipaddress.ip_network(written))
        except ValueError:
            section.problem(
                f"{describe(written)} is no network", "trusted_proxies", place, mend='write "10.0.0.1" or "10.0.0.0/8"'
            )
    return tuple(networks)
