"""What the operator says about one GoHighLevel location, and the limits its calls are made within.

`GoHighLevelSettings` is the system's section; `quota` and `session` turn it into what carries the calls; `DIALECT` reads the headers.
The rule that keeps it true: limits start at the documented ones and then follow what the vendor's own headers say.
It must not know: contacts, or what the calls are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field, field_validator, model_validator

from syncd.connectors.address import check_base_url
from syncd.connectors.budgets import number
from syncd.connectors.clock import Clock
from syncd.connectors.gohighlevel.refusals import closed
from syncd.connectors.http import Dialect, Session
from syncd.connectors.kind import MemberOptions, Secret, Settings
from syncd.connectors.quota import DailyBudget, Limits, Quota, WindowBudget
from syncd.core.errors import UserError
from syncd.core.record import Json, SystemName

# GHL: the marketplace's webhook guide. The key has no place in the API specification, so it can be replaced in the settings.
PUBLISHED_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=
-----END PUBLIC KEY-----
"""
# GHL: docs, WebhookAuthentication. The older RSA signature, being withdrawn since 2026.
PUBLISHED_LEGACY_KEY = """-----BEGIN PUBLIC KEY-----
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAokvo/r9tVgcfZ5DysOSC
Frm602qYV0MaAiNnX9O8KxMbiyRKWeL9JpCpVpt4XHIcBOK4u3cLSqJGOLaPuXw6
dO0t6Q/ZVdAV5Phz+ZtzPL16iCGeK9po6D6JHBpbi989mmzMryUnQJezlYJ3DVfB
csedpinheNnyYeFXolrJvcsjDtfAeRx5ByHQmTnSdFUzuAnC9/GepgLT9SM4nCpv
uxmZMxrJt5Rw+VUaQ9B8JSvbMPpez4peKaJPZHBbU3OdeCVx5klVXXZQGNHOs8gF
3kvoV5rTnXV0IknLBXlcKKAQLZcY/Q9rG6Ifi9c+5vqlvHPCUJFT5XUGG5RKgOKU
J062fRtN+rLYZUV+BjafxQauvC8wSWeYja63VSUruvmNj8xkx2zE/Juc+yjLjTXp
IocmaiFeAO6fUtNjDeFVkhf5LNb59vECyrHD2SQIrhgXpO4Q3dVNA5rw576PwTzN
h/AMfHKIjE4xQA1SZuYJmNnmVZLIZBlQAF9Ntd03rfadZ+yDiOXCCs9FkHibELhC
HULgCsnuDJHcrGNd5/Ddm5hxGQ0ASitgHeMZ0kcIOwKDOzOU53lDza6/Y09T7sYJ
PQe7z0cvj7aE4B+Ax1ZoZGPzpJlZtGXCsu9aTEGEnKzmsFqwcSsnw3JB31IGKAyk
T1hhTiaCeIY/OwwwNUY2yvcCAwEAAQ==
-----END PUBLIC KEY-----
"""
_DAY_S = 86_400
_RETRIES_S = 4 * _DAY_S
"""How long a retry may come after the moment that its body tells. GHL: help, Automated Webhook Retries (2025-11-29): six retries after a 429, ten
minutes apart, about 1 h 10 min in all. A later note of others has twelve retries with growing pauses, of unknown length; the longest such
schedule that is published, Standard Webhooks', ends after 75 h 35 min. Four days cover that with the jitter, and one that is accepted twice is
known by its id.
"""


class GoHighLevelSettings(Settings):
    """One location (sub-account).

    It is opened by `token`, a private integration token, or by OAuth: the `client_id` and `client_secret` of an app and its `redirect_uri`
    exactly as it is registered; `syncd auth` then has tokens made out. `user_type` is whose tokens the app is given: the location's, or its
    company's, which are exchanged for the location's. `scopes` are asked for besides those needed. `token_key` is of before: it opens tokens
    that were sealed with a key of their own, until they are taken over.
    Retries of a webhook may carry its first timestamp, so the window it is believed in is wide; repeated ids are known for seven days at the
    least, which is as long as the widest window.
    """

    HOSTS: ClassVar[frozenset[str]] = frozenset({"services.leadconnectorhq.com"})

    base_url: str = "https://services.leadconnectorhq.com"
    location_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    token: Secret | None = None
    client_id: str | None = Field(default=None, min_length=1, max_length=200)
    client_secret: Secret | None = None
    redirect_uri: str | None = None
    token_key: Secret | None = None
    user_type: Literal["Location", "Company"] = "Location"
    scopes: tuple[str, ...] = ()
    authorize_url: str = "https://marketplace.gohighlevel.com/v2/oauth/chooselocation"
    version_id: str | None = None
    webhook_keys: tuple[str, ...] = (PUBLISHED_KEY,)
    legacy_signature: bool = False
    legacy_webhook_keys: tuple[str, ...] = (PUBLISHED_LEGACY_KEY,)
    webhook_age_max_s: int = Field(default=_RETRIES_S, ge=60, le=6 * _DAY_S)
    webhook_ahead_max_s: int = Field(default=300, ge=0, le=_DAY_S)
    calls_per_window: int = Field(default=100, ge=1, le=10_000)
    window_s: float = Field(default=10.0, ge=0.1, le=3_600)
    calls_per_day: int = Field(default=200_000, ge=1)

    @field_validator("redirect_uri", "authorize_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                check_base_url(value)
            except UserError as error:
                raise ValueError("must be an address with https, or with http on this machine, without query") from error
        return value

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        wanted = ("client_id", "client_secret", "redirect_uri")
        given = [name for name in (*wanted, "token_key") if getattr(self, name) is not None]
        if self.token is not None and given:
            raise ValueError(f"`token` is one way in and `{given[0]}` belongs to the other: keep one")
        if self.token is None and not set(wanted) <= set(given):
            missing = ", ".join(f"`{name}`" for name in wanted if name not in given)
            raise ValueError(f"for OAuth {missing} is missing" if given else "`token` is missing, or what OAuth needs: " + missing)
        return self

    @field_validator("webhook_keys")
    @classmethod
    def _ed25519(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(keys, Ed25519PublicKey, "an Ed25519 public key in PEM form")

    @field_validator("legacy_webhook_keys")
    @classmethod
    def _rsa(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        return _checked(keys, RSAPublicKey, "an RSA public key in PEM form")


class ContactsOptions(MemberOptions):
    """Contacts need nothing beyond what every member says."""


def known_values(settings: GoHighLevelSettings) -> Mapping[str, Json]:
    """What operations ask for and the settings tell. Invoices name the location as `altId`, of the `altType` location."""
    location = settings.location_id
    return {"locationId": location, "location_id": location, "altId": location, "altType": "location"}


def quota(system: SystemName, settings: GoHighLevelSettings, clock: Clock) -> Quota:
    """GHL: docs, rate limits: 100 calls in 10 seconds and 200,000 a day, per app and location."""
    return Quota(
        system=system,
        clock=clock,
        budget=WindowBudget(limit=settings.calls_per_window, window_s=settings.window_s),
        daily=DailyBudget(limit=settings.calls_per_day),
        first_alone=True,
    )


def session(system: SystemName, settings: GoHighLevelSettings, clock: Clock, shared: Quota) -> Session:
    """The connection that carries the token; OAuth's comes to it as a credential."""
    return Session(
        system=system,
        base_url=settings.base_url,
        headers={"Authorization": f"Bearer {settings.token.get_secret_value()}"} if settings.token is not None else {},
        dialect=DIALECT,
        quota=shared,
        clock=clock,
        timeout_s=settings.timeout_s,
    )


def _limits(status: int, headers: Mapping[str, str]) -> Limits:
    """GHL: docs, rate limits. `Retry-After` is undocumented: used when it is there, else the interval is waited out."""
    interval_ms = number(headers, "X-RateLimit-Interval-Milliseconds")
    return Limits(
        limit=_whole(number(headers, "X-RateLimit-Max")),
        remaining=_whole(number(headers, "X-RateLimit-Remaining")),
        interval_s=None if interval_ms is None else interval_ms / 1_000,
        daily_limit=_whole(number(headers, "X-RateLimit-Limit-Daily")),
        daily_remaining=_whole(number(headers, "X-RateLimit-Daily-Remaining")),
        retry_after_s=number(headers, "Retry-After", most=_DAY_S),
        refused=status == 429,
    )


def _message(body: Json) -> str:
    """`message` is a string, or in a 422 a list of them; `traceId` is what the vendor's support asks for."""
    if not isinstance(body, dict):
        return ""
    message, trace = body.get("message"), body.get("traceId")
    text = "; ".join(map(str, message)) if isinstance(message, list) else str(message or "")
    return f"{text} [trace {trace}]" if isinstance(trace, str) and len(trace) <= 64 else text


DIALECT = Dialect(limits=_limits, message=_message, closed=closed)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _checked(keys: tuple[str, ...], wanted: type, what: str) -> tuple[str, ...]:
    for key in keys:
        try:
            fits = isinstance(load_pem_public_key(key.encode()), wanted)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"not {what}") from error
        if not fits:
            raise ValueError(f"not {what}")
    return keys
