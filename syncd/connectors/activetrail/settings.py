"""What the operator says about one ActiveTrail account, and the limits its calls are made within.

`ActiveTrailSettings` is the system's section; `quota` and `session` carry the calls; `DIALECT` reads what the vendor says.
The rule that keeps it true: what the vendor's documentation leaves open is unset here, and then found out; what is set is believed.
It must not know: contacts, or what the calls are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from syncd.connectors.activetrail.pace import AdaptiveBudget
from syncd.connectors.activetrail.unknowns import Answers, Deletion, FromDate
from syncd.connectors.budgets import number
from syncd.connectors.clock import Clock
from syncd.connectors.http import Dialect, Session
from syncd.connectors.keys import Key, keys_of
from syncd.connectors.kind import MemberOptions, Secret, Settings
from syncd.connectors.quota import Limits, Quota
from syncd.core.record import CollectionName, Json, SystemName

_DAY_S = 86_400


class ActiveTrailSettings(Settings):
    """One account.

    ActiveTrail signs no webhook, so one is believed to be a hint only where it carries `webhook_secret`, of 32 characters or more; without
    one no webhook is accepted. Deleting is for ever there, so it must be allowed. `import_group` is a group made for the purpose, which
    contacts that are imported join. The last four answer what the documentation leaves open; unset, they are found out.
    """

    HOSTS: ClassVar[frozenset[str]] = frozenset({"webapi.mymarketing.co.il"})

    base_url: str = "https://webapi.mymarketing.co.il/api"
    token: Secret
    webhook_secret: Secret | None = None
    webhook_secret_previous: Secret | None = None
    allow_delete: bool = False
    show_groups: bool = True
    show_mailing_lists: bool = False
    external_name: str = Field(default="syncd", min_length=1, max_length=100)
    import_group: int | None = Field(default=None, ge=1)
    calls_per_s: float = Field(default=2.0, ge=0.1, le=10_000)
    calls_per_s_max: float = Field(default=5.0, ge=0.1, le=10_000)
    first_page: int | None = Field(default=None, ge=0, le=1)
    from_date: FromDate | None = None
    webhook_events: tuple[str, ...] | None = None
    deletion: Deletion | None = None

    def webhook_keys(self) -> tuple[Key, ...]:
        """The secrets a webhook may carry; an empty one is none."""
        return keys_of(webhook_secret=self.webhook_secret, webhook_secret_previous=self.webhook_secret_previous)

    def answers(self) -> Answers:
        """What the operator says of what is not documented."""
        events = None if self.webhook_events is None else frozenset(self.webhook_events)
        return Answers(first_page=self.first_page, from_date=self.from_date, events=events, deletion=self.deletion)


class NoOptions(MemberOptions):
    """A member needs nothing beyond what every member says: the contacts are all the account's."""


def collection_name(collection: str, _options: NoOptions) -> CollectionName:
    """Its own name: an account has one of each."""
    return CollectionName(collection)


def quota_key(settings: ActiveTrailSettings) -> str:
    """The same for the same token, without telling it."""
    return "activetrail:" + hashlib.sha256(settings.token.get_secret_value().encode()).hexdigest()[:16]


def quota(system: SystemName, settings: ActiveTrailSettings, clock: Clock) -> Quota:
    """ActiveTrail publishes no limit; others' programs make two calls a second."""
    budget = AdaptiveBudget(per_s=settings.calls_per_s, most_per_s=settings.calls_per_s_max)
    return Quota(system=system, clock=clock, budget=budget, in_flight_max=4)


def session(system: SystemName, settings: ActiveTrailSettings, clock: Clock, shared: Quota) -> Session:
    """The connection that carries the token, bare as the guides have it."""
    return Session(
        system=system,
        base_url=settings.base_url,
        headers={"Authorization": settings.token.get_secret_value()},
        dialect=DIALECT,
        quota=shared,
        clock=clock,
        timeout_s=settings.timeout_s,
    )


def _limits(status: int, headers: Mapping[str, str]) -> Limits:
    """No header is documented. A 503 says the same as a 429 to one who asks too fast: everybody waits."""
    return Limits(retry_after_s=number(headers, "Retry-After", most=_DAY_S), refused=status in (429, 503))


def _message(body: Json) -> str:
    """A text, or an object with one of four names for it."""
    if isinstance(body, str):
        return body
    if not isinstance(body, dict):
        return ""
    return str(next((body[name] for name in ("message", "Message", "error", "Error") if body.get(name)), ""))


DIALECT = Dialect(limits=_limits, message=_message)
