"""What discovery tells about a GoHighLevel location: its custom fields, its country, whether it refuses duplicates.

`Location` asks once, keeps the answer, and asks again when told to or when a contact holds a field it has not heard of.
The rule that keeps it true: a setting the vendor does not show is not relied on.
It must not know: contacts beyond the ids of their custom fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import anyio

from syncd.connectors.gohighlevel import operations
from syncd.connectors.gohighlevel.contacts import unknown_custom_ids
from syncd.connectors.gohighlevel.fields import CustomFields
from syncd.connectors.http import Session
from syncd.core.record import Json

_REDISCOVERY_S = 60.0


class Location:
    """One location, as last discovered."""

    def __init__(self, location_id: str, session: Session) -> None:
        self.id = location_id
        self.region: str | None = None
        self.refuses_duplicates = False
        self._session = session
        self._custom: CustomFields | None = None
        self._discovered_at = float("-inf")
        self._discovering = anyio.Lock()

    async def discover(self) -> CustomFields:
        """Asks anew for everything."""
        custom = await self.custom(not_older_than_s=0)
        answer = await self._session.call(operations.LOCATION, ids={"locationId": self.id})
        location = answer.body.get("location") if isinstance(answer.body, dict) else None
        if not isinstance(location, dict):
            raise self._session.unexpected(operations.LOCATION, "no location")
        settings, country = location.get("settings"), location.get("country")
        self.refuses_duplicates = isinstance(settings, dict) and settings.get("allowDuplicateContact") is False
        self.region = country.upper() if isinstance(country, str) and len(country) == 2 and country.isalpha() else None
        return custom

    async def custom(self, *, not_older_than_s: float = float("inf")) -> CustomFields:
        """The custom fields; callers who come while they are being asked for wait for the one answer."""
        async with self._discovering:
            now = anyio.current_time()
            if self._custom is None or now - self._discovered_at >= not_older_than_s:
                answer = await self._session.call(
                    operations.CUSTOM_FIELDS, ids={"locationId": self.id}, query={"model": "contact"}
                )
                rows = answer.body.get("customFields") if isinstance(answer.body, dict) else None
                if not isinstance(rows, list):
                    raise self._session.unexpected(operations.CUSTOM_FIELDS, "no list of fields")
                self._custom, self._discovered_at = CustomFields.read(rows), now
            return self._custom

    async def custom_for(self, contacts: Sequence[Mapping[str, Json]]) -> CustomFields:
        """The custom fields, asked for anew (but not too often) when one of the contacts holds one we have not heard of."""
        custom = await self.custom()
        if any(unknown_custom_ids(contact, custom) for contact in contacts):
            return await self.custom(not_older_than_s=_REDISCOVERY_S)
        return custom

    def known_custom(self) -> CustomFields:
        """The custom fields without asking; none before the first discovery."""
        return self._custom or CustomFields()
