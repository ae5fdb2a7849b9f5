"""What discovery tells about a GoHighLevel location: its custom fields, its country, its agency, whether it refuses duplicates.

`Location` asks once, keeps the answer, and asks again when told to or when a record holds a field it has not heard of.
The rule that keeps it true: a setting the vendor does not show is not relied on.
It must not know: records beyond the ids of their custom fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio

from syncd.connectors.gohighlevel import operations
from syncd.connectors.gohighlevel.fields import CustomFields
from syncd.connectors.gohighlevel.values import unknown_custom_ids
from syncd.connectors.http import Session
from syncd.core.errors import Rejected
from syncd.core.record import Json

CONTACT = "contact"
"""The model whose custom fields a contact has; opportunities have their own."""
_REDISCOVERY_S = 60.0


class Location:
    """One location, as last discovered."""

    def __init__(self, location_id: str, session: Session) -> None:
        self.id = location_id
        self.region: str | None = None
        self.refuses_duplicates = False
        self._company: str | None = None
        self._session = session
        self._custom: dict[str, tuple[CustomFields, float]] = {}
        self._discovering = anyio.Lock()

    async def discover(self, model: str = CONTACT) -> CustomFields:
        """Asks anew for the custom fields of a model, and for the location itself."""
        custom = await self.custom(model, not_older_than_s=0)
        await self.about()
        return custom

    async def about(self) -> None:
        """Asks anew for the location itself."""
        answer = await self._session.call(operations.LOCATION, ids={"locationId": self.id})
        location = answer.body.get("location") if isinstance(answer.body, dict) else None
        if not isinstance(location, dict):
            raise self._session.unexpected(operations.LOCATION, "no location")
        settings, country, company = location.get("settings"), location.get("country"), location.get("companyId")
        self.refuses_duplicates = isinstance(settings, dict) and settings.get("allowDuplicateContact") is False
        self.region = country.upper() if isinstance(country, str) and len(country) == 2 and country.isalpha() else None
        self._company = company if isinstance(company, str) and company else None

    async def company(self) -> str:
        """The agency the location belongs to; raises Rejected where the location does not tell."""
        if self._company is None:
            await self.about()
        if self._company is None:
            raise Rejected("the location does not tell which agency it belongs to", system=self._session.system)
        return self._company

    async def custom(self, model: str = CONTACT, *, not_older_than_s: float = float("inf")) -> CustomFields:
        """The custom fields of a model; callers who come while they are being asked for wait for the one answer."""
        async with self._discovering:
            now = anyio.current_time()
            known = self._custom.get(model)
            if known is None or now - known[1] >= not_older_than_s:
                answer = await self._session.call(operations.CUSTOM_FIELDS, ids={"locationId": self.id}, query={"model": model})
                rows = answer.body.get("customFields") if isinstance(answer.body, dict) else None
                if not isinstance(rows, list):
                    raise self._session.unexpected(operations.CUSTOM_FIELDS, "no list of fields")
                known = self._custom[model] = (CustomFields.read(rows, model), now)
            return known[0]

    async def custom_for(self, records: Sequence[Mapping[str, Json]], model: str = CONTACT) -> CustomFields:
        """The custom fields, asked for anew (but not too often) when one of the records holds one we have not heard of."""
        custom = await self.custom(model)
        if any(unknown_custom_ids(each, custom) for each in records):
            return await self.custom(model, not_older_than_s=_REDISCOVERY_S)
        return custom

    def known_custom(self, model: str = CONTACT) -> CustomFields:
        """The custom fields without asking; none before the first discovery."""
        known = self._custom.get(model)
        return CustomFields() if known is None else known[0]
