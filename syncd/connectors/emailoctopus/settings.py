"""What the operator says about one EmailOctopus account, and the limits its calls are made within.

`EmailOctopusSettings` is the system's section, `ContactsOptions` what a member adds; `quota` and `session` carry the calls.
The rule that keeps it true: the account has one key and one budget, however many of its lists are synced.
It must not know: contacts, or what the calls are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import ClassVar
from uuid import UUID

from pydantic import Field

from syncd.connectors.budgets import number
from syncd.connectors.clock import Clock
from syncd.connectors.http import Dialect, Session
from syncd.connectors.keys import Key, keys_of
from syncd.connectors.kind import MemberOptions, Secret, Settings
from syncd.connectors.quota import BucketBudget, Limits, Quota
from syncd.core.record import CollectionName, Json, SystemName

_RETRY_MAX_S = 86_400.0


class EmailOctopusSettings(Settings):
    """One account. Without a webhook secret no webhook is accepted; two may be valid while one replaces the other."""

    PREFIX: ClassVar[str] = "contacts@"
    HOSTS: ClassVar[frozenset[str]] = frozenset({"api.emailoctopus.com"})

    base_url: str = "https://api.emailoctopus.com"
    api_key: Secret
    webhook_secret: Secret | None = None
    webhook_secret_previous: Secret | None = None
    calls_burst: int = Field(default=100, ge=10, le=10_000)
    calls_per_s: float = Field(default=10.0, ge=0.1, le=1_000)
    calls_reserve: int = Field(default=5, ge=0, le=9)

    def webhook_keys(self) -> tuple[Key, ...]:
        """The secrets a signature may be made with; an empty one is none."""
        return keys_of(webhook_secret=self.webhook_secret, webhook_secret_previous=self.webhook_secret_previous)


class ContactsOptions(MemberOptions):
    """Contacts belong to a list: the same person on two lists is two contacts."""

    list: UUID


def collection_name(_collection: str, options: ContactsOptions) -> CollectionName:
    """``contacts@LIST``."""
    return CollectionName(f"{EmailOctopusSettings.PREFIX}{options.list}")


def quota_key(settings: EmailOctopusSettings) -> str:
    """The same for the same key, without telling it."""
    return "emailoctopus:" + hashlib.sha256(settings.api_key.get_secret_value().encode()).hexdigest()[:16]


def quota(system: SystemName, settings: EmailOctopusSettings, clock: Clock) -> Quota:
    """EmailOctopus: specification, rate limiting: a bucket of 100, refilled by 10 a second."""
    return Quota(
        system=system,
        clock=clock,
        budget=BucketBudget(burst=settings.calls_burst, per_s=settings.calls_per_s, reserve=settings.calls_reserve),
        first_alone=True,
    )


def session(system: SystemName, settings: EmailOctopusSettings, clock: Clock, shared: Quota) -> Session:
    """The connection that carries the key."""
    return Session(
        system=system,
        base_url=settings.base_url,
        headers={"Authorization": f"Bearer {settings.api_key.get_secret_value()}"},
        dialect=DIALECT,
        quota=shared,
        clock=clock,
        timeout_s=settings.timeout_s,
    )


def _limits(status: int, headers: Mapping[str, str]) -> Limits:
    """EmailOctopus: specification, rate limiting. The two headers really are spelt differently."""
    remaining = number(headers, "X-RateLimiting-Remaining")
    return Limits(
        remaining=None if remaining is None else int(remaining), retry_after_s=_retry_after_s(headers), refused=status == 429
    )


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Whether the header holds seconds or a date is not stated; a date is counted from the response's own."""
    name = "X-RateLimit-Retry-After"
    if (seconds := number(headers, name, most=_RETRY_MAX_S)) is not None:
        return seconds
    try:
        wait_s = (parsedate_to_datetime(headers[name]) - parsedate_to_datetime(headers["Date"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        return None
    return wait_s if 0 <= wait_s <= _RETRY_MAX_S else None


def _message(body: Json) -> str:
    """RFC 7807: `detail`, and for an invalid request `errors`, each with the place it is about."""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    parts = [str(body.get("detail") or body.get("title") or "")]
    parts.extend(
        f"{error.get('pointer') or error.get('parameter') or ''} {error.get('detail') or ''}".strip()
        for error in (errors if isinstance(errors, list) else ())
        if isinstance(error, dict)
    )
    return "; ".join(part for part in parts if part)


DIALECT = Dialect(limits=_limits, message=_message)
