"""What GoHighLevel's OAuth endpoints hand out, read into a value.

`Grant` is one answer of the token endpoint; `read_grant` makes it of a body, `as_json` of it what is kept; `word_of` says why there was none.
The rule that keeps it true: a grant without what is needed to use and to renew it is none, and no representation of one shows a token.
It must not know: when tokens are asked for, or where they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from syncd.connectors.http import Answer, Operation
from syncd.core.record import HOUR, SECOND, Json, Micros

LOCATION, COMPANY = "Location", "Company"
# GHL: specification, oauth. The token endpoint declares no version header; the exchange does.
TOKEN: Final = Operation(name="get-access-token", method="POST", path="/oauth/token", writes=True)
LOCATION_TOKEN: Final = Operation(
    name="get-location-access-token", method="POST", path="/oauth/locationToken", headers={"Version": "2021-07-28"}
)
_LIFE_S = 86_399
_MARGIN: Micros = HOUR
_TOKEN_MAX = 8_192


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Tokens and what they open. `refresh` is empty where there is none; `location_id` is empty for a company's."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: Micros
    life: Micros
    holder: str
    company_id: str
    location_id: str
    scopes: tuple[str, ...]

    @property
    def header(self) -> str:
        """The Authorization header."""
        return f"Bearer {self.access}"

    def is_old(self, now: Micros) -> bool:
        """Whether it is time to renew: an hour before the end, or a tenth of a shorter life, so that an outage of the vendor's is outlived."""
        return now >= self.expires_at - min(_MARGIN, self.life // 10)

    def as_json(self) -> Json:
        """As it is kept, to be sealed."""
        return {
            "access": self.access,
            "refresh": self.refresh,
            "expires_at": self.expires_at,
            "life": self.life,
            "holder": self.holder,
            "company_id": self.company_id,
            "location_id": self.location_id,
            "scopes": list(self.scopes),
        }

    @classmethod
    def from_json(cls, kept: Json) -> Grant | None:
        """What was kept; None where it is something else."""
        try:
            return cls(**{**kept, "scopes": tuple(kept["scopes"])})
        except (TypeError, KeyError):
            return None


def read_grant(body: Json, now: Micros, *, before: Grant | None = None) -> Grant | None:
    """The grant in an answer, which may leave out what `before` knows; None where it holds no usable token.

    Without a refresh token it is one only where it was made out of `before`, a company's, for a location.
    """
    if not isinstance(body, dict) or not _is_token(body.get("access_token")):
        return None
    refresh, life_s = body.get("refresh_token"), body.get("expires_in")
    location_id = _text(body, "locationId")
    exchanged = before is not None and before.holder == COMPANY and bool(location_id) and refresh is None
    if not exchanged and not _is_token(refresh):
        return None
    life = int(life_s if isinstance(life_s, (int, float)) and 0 < life_s < 10**9 else _LIFE_S) * SECOND
    holder = _text(body, "userType") or (LOCATION if location_id else before.holder if before is not None else LOCATION)
    return Grant(
        access=body["access_token"],
        refresh=refresh if isinstance(refresh, str) else "",
        expires_at=now + life,
        life=life,
        holder=LOCATION if exchanged else holder,
        company_id=_text(body, "companyId") or (before.company_id if before is not None else ""),
        location_id=location_id or (before.location_id if before is not None and holder != COMPANY else ""),
        scopes=tuple(sorted(_text(body, "scope").split())) or (before.scopes if before is not None else ()),
    )


def word_of(answer: Answer) -> str:
    """Why there was no grant, in the vendor's word, lower case; only words that cannot hold a token."""
    body: Mapping[str, Json] = answer.body if isinstance(answer.body, dict) else {}
    said = " ".join(str(body.get(name) or "") for name in ("error", "error_description", "message")).lower()
    known = ("invalid token", "invalid_client", "invalid client", "client", "authorization code", "invalid_grant", "refresh token")
    return next((word for word in known if word in said), "")


def _is_token(value: Json) -> bool:
    """Something that can stand in a header."""
    return isinstance(value, str) and 0 < len(value) <= _TOKEN_MAX and value.isascii() and value.isprintable() and " " not in value


def _text(body: Mapping[str, Json], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
