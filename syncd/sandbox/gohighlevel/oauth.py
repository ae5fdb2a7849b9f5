"""GoHighLevel's OAuth, pretended: a consent page that always agrees, tokens that expire and rotate, and what each may do.

Private tokens are there too: the sandbox's own token opens everything, unless scopes were taken from it.

Rule: a refresh token works once; using it ends the access token's line only when asked to, for the vendor does not say that it does. A
lost answer is a fault like any other: the rotation has then happened.

It must not know contacts, sockets or quotas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from string import ascii_letters, digits
from urllib.parse import parse_qsl, urlencode

from syncd.sandbox.calls import Answer, Call, Route
from syncd.sandbox.faults import Reach
from syncd.sandbox.gohighlevel.errors import INVALID_TOKEN, NO_ACCESS, error_answer
from syncd.sandbox.moments import Clock
from syncd.sandbox.options import GoHighLevelOptions

NO_SCOPE = "The token is not authorized for this scope."
WRONG_CLASS = "Token's user type mismatch!"
WRONG_AUTH_CLASS = "This authClass type is not allowed to access this scope. Please reach out to support team to resolve this issue."
UNVERSIONED = frozenset({"/oauth/token", "/v2/oauth/chooselocation"})
_AGENCY_ONLY = ("/companies/", "/oauth/")
_ALPHABET = ascii_letters + digits


@dataclass(slots=True)
class Access:
    """One access token: whose, until when, and for what."""

    holder: str
    location_id: str
    expires_at: float
    scopes: frozenset[str]


class OAuth:
    """The app's tokens.

    `life_s` is how long an access token lives; `granted` are the scopes that consent grants (None: those asked for); `wrong_location` makes
    consent be given for another location. `announce` is told when the app is installed, and with False when it is removed.
    """

    def __init__(
        self, options: GoHighLevelOptions, *, private: Callable[[], str], clock: Clock, random: Random, announce: Callable[[bool], None]
    ) -> None:
        self.client_id, self.client_secret = "sandbox-app", "sandbox-client-secret-" + _drawn(random, 20)
        self.redirect_uri = "http://127.0.0.1:8788/oauth/callback"
        self.company_id = "SandboxCompany000001"
        self.life_s: float = 86_399
        self.granted: frozenset[str] | None = None
        self.wrong_location: str | None = None
        self.installed = True
        self.ends_access_on_refresh = False
        self.refreshes = 0
        self._options, self._clock, self._random = options, clock, random
        self._private, self._announce = private, announce
        self.private_lacks: frozenset[str] = frozenset()
        self._access: dict[str, Access] = {}
        self._refresh: dict[str, tuple[str, frozenset[str]]] = {}
        self._codes: dict[str, tuple[str, frozenset[str]]] = {}
        self._spent: tuple[str, ...] = ()

    @property
    def tokens(self) -> list[str]:
        """Every token and code ever handed out, so that a test can look for them where they must not be."""
        return [*self._access, *self._refresh, *self._codes, *self._spent]

    def expire(self) -> None:
        """Every access token has had its time."""
        for access in self._access.values():
            access.expires_at = self._clock()

    def revoke(self) -> None:
        """The app is removed: nothing that was handed out works any more."""
        self.expire()
        if self._refresh:
            self._announce(False)
        self._spent += tuple(self._refresh)
        self._refresh.clear()

    def narrow(self, *scopes: str) -> None:
        """Takes scopes from every token there is."""
        for access in self._access.values():
            access.scopes -= set(scopes)
        self.private_lacks |= set(scopes)

    def move(self, location_id: str) -> None:
        """Makes every token another location's."""
        for access in self._access.values():
            access.location_id = location_id

    def routes(self) -> Sequence[Route]:
        """The endpoints of its own."""
        return [
            Route(operation="choose-location", method="GET", path="/v2/oauth/chooselocation", reach=Reach.READ, handler=self._consent),
            Route(operation="get-access-token", method="POST", path="/oauth/token", reach=Reach.WRITE, handler=self._token),
            Route(operation="get-location-access-token", method="POST", path="/oauth/locationToken", reach=Reach.READ, handler=self._exchange),
            Route(operation="get-installed-locations", method="GET", path="/oauth/installedLocations", reach=Reach.READ, handler=self._installed),
        ]

    def refusal(self, call: Call) -> Answer | None:
        """None where the caller's token may do this."""
        if call.path in UNVERSIONED:
            return None
        token = call.headers.get("Authorization", "").removeprefix("Bearer ")
        needed = scope_of(call)
        if token == self._private():
            return error_answer(401, NO_SCOPE) if needed in self.private_lacks else None
        access = self._access.get(token)
        if access is None or access.expires_at <= self._clock():
            return error_answer(401, INVALID_TOKEN)
        agency_only = call.path.startswith(_AGENCY_ONLY)
        if access.holder == "Company" and not agency_only:
            return error_answer(401, WRONG_AUTH_CLASS)
        if access.holder == "Location" and agency_only:
            return error_answer(401, WRONG_CLASS)
        if needed and needed not in access.scopes:
            return error_answer(401, NO_SCOPE)
        if access.holder == "Location" and access.location_id != self._options.location_id:
            return error_answer(403, NO_ACCESS)
        return None

    def _consent(self, call: Call) -> Answer:
        """The person agrees at once, and is sent back."""
        query = call.query
        if query.get("client_id") != self.client_id or query.get("redirect_uri") != self.redirect_uri:
            return error_answer(400, "Invalid client or redirect uri")
        asked = frozenset(query.get("scope", "").split())
        code = self._hand_out("code")
        self._codes[code] = ("Location", asked if self.granted is None else asked & self.granted)
        back = {"code": code} | ({"state": query["state"]} if "state" in query else {})
        return Answer(status=302, headers={"Location": f"{self.redirect_uri}?{urlencode(back)}"})

    def _token(self, call: Call) -> Answer:
        form = dict(parse_qsl(call.raw.decode()))
        if form.get("client_id") != self.client_id or form.get("client_secret") != self.client_secret:
            return _denied("Invalid client credentials!")
        if form.get("grant_type") == "refresh_token":
            held = self._refresh.pop(form.get("refresh_token", ""), None)
            if held is None:
                return _denied("Invalid refresh token " + form.get("refresh_token", ""))
            self._spent += (form["refresh_token"],)
            self.refreshes += 1
            if self.ends_access_on_refresh:
                self.expire()
        else:
            held = self._codes.pop(form.get("code", ""), None)
            if held is None or form.get("redirect_uri") != self.redirect_uri:
                return _denied("Authorization code not found")
            self._spent += (form["code"],)
            held = (form.get("user_type", "Location"), held[1])
            self._announce(True)
        return Answer(payload=self._made_out(*held))

    def _made_out(self, holder: str, scopes: frozenset[str]) -> dict[str, object]:
        location_id = (self.wrong_location or self._options.location_id) if holder == "Location" else ""
        access, refresh = self._hand_out("access"), self._hand_out("refresh")
        self._access[access] = Access(holder, location_id, self._clock() + self.life_s, scopes)
        self._refresh[refresh] = (holder, scopes)
        return {
            "access_token": access,
            "token_type": "Bearer",
            "expires_in": self.life_s,
            "refresh_token": refresh,
            "scope": " ".join(sorted(scopes)),
            "userType": holder,
            "companyId": self.company_id,
            "userId": "SandboxUser000000001",
        } | ({"locationId": location_id} if location_id else {})

    def _exchange(self, call: Call) -> Answer:
        form = dict(parse_qsl(call.raw.decode()))
        if form.get("companyId") != self.company_id or form.get("locationId") != self._options.location_id or not self.installed:
            return error_answer(400, "Location not found")
        token = call.headers["Authorization"].removeprefix("Bearer ")
        company, made = self._access[token], self._hand_out("access")
        self._access[made] = Access("Location", self._options.location_id, self._clock() + self.life_s, company.scopes)
        return Answer(
            payload={
                "access_token": made,
                "token_type": "Bearer",
                "expires_in": self.life_s,
                "scope": " ".join(sorted(company.scopes)),
                "locationId": self._options.location_id,
                "userId": "SandboxUser000000001",
            }
        )

    def _installed(self, call: Call) -> Answer:
        if call.query.get("companyId") != self.company_id:
            return error_answer(422, "companyId must be a string")
        rows = [{"_id": self._options.location_id, "name": "Sandbox location", "address": "", "isInstalled": self.installed}]
        return Answer(payload={"locations": rows, "count": 1, "installToFutureLocations": False})

    def _hand_out(self, kind: str) -> str:
        return f"{kind}-{_drawn(self._random, 32)}"


def scope_of(call: Call) -> str:
    """The scope that a call needs, by its path; "" where none is looked at."""
    first, *rest = call.path.strip("/").split("/")
    reads = call.method == "GET" or call.path.endswith("/search")
    suffix = ".readonly" if reads else ".write"
    if first == "locations":
        part = rest[1] if len(rest) > 1 else ""
        return f"locations/{part}{suffix}" if part in ("customFields", "tags", "tasks") else f"locations{suffix}"
    return f"{first}{suffix}" if first in ("contacts", "opportunities", "users", "businesses", "invoices") else ""


def _denied(why: str) -> Answer:
    """An error in the shape that only the token endpoint has; a vendor may well repeat what it was sent."""
    return Answer(status=401, payload={"error": "UnAuthorized!", "error_description": why})


def _drawn(random: Random, length: int) -> str:
    return "".join(random.choices(_ALPHABET, k=length))
