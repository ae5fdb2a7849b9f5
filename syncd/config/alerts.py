"""The ``[alerts]`` section: who is told when something needs a person.

The rule that keeps it true: a webhook is https or this machine, and never without a secret that signs it; a command is a list of words, never
a line for a shell. Without the section everything is told in the log, and only there.
It must not know: what there is to tell, or how it is sent.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from syncd.config.secrets import SecretError, Secrets
from syncd.config.section import Section
from syncd.config.settings import AlertSettings
from syncd.core.record import DAY, HOUR, MINUTE, SECOND

_LONGEST = 7 * DAY


def read_alerts(section: Section, secrets: Secrets) -> AlertSettings:
    """Who is told, how often at most, and how old a difference is when it is worth telling."""
    webhook, secret = _read_webhook(section), _read_secret(section, secrets)
    if webhook is not None and "secret" not in section:
        section.problem("has no `secret` to be signed with", "webhook", mend='write secret = { file = "alerts-secret" }')
    if "secret" in section and "webhook" not in section:
        section.problem("signs nothing: there is no `webhook`", "secret", mend='write webhook = "https://…", or take it out')
    command = section.texts("command")
    if "command" in section and section.table["command"] == []:
        section.problem("is empty", "command", mend='write command = ["/usr/local/bin/tell-me"]')
    settings = AlertSettings(
        webhook=webhook,
        secret=secret,
        command=command,
        every=section.duration("every", 15 * MINUTE, least=SECOND),
        drift_after=section.duration("drift_after", HOUR),
    )
    if settings.every > _LONGEST:
        section.problem("is longer than a week: nobody would be told again", "every", mend='write it as "15m" or "1d"')
    section.finish()
    return settings


def _read_webhook(section: Section) -> str | None:
    written = section.text("webhook")
    if written is None:
        return None
    try:
        parts = urlsplit(written)
        host, _port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or parts.username is not None or parts.fragment:
        section.problem("is no address that can be posted to", "webhook", mend='write it as "https://alerts.example.com/syncd"')
        return None
    if parts.scheme == "http" and not _is_here(host):
        section.problem("would be told in the clear", "webhook", mend="use https; plain http reaches this machine only")
        return None
    return written


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_secret(section: Section, secrets: Secrets) -> str:
    written = section.take("secret")
    if written is None:
        return ""
    try:
        return secrets.read(written)
    except SecretError as error:
        section.problem(error.what, "secret", mend=error.mend)
        return ""
