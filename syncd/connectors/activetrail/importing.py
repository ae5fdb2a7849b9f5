"""Making many ActiveTrail contacts in one call.

An import takes up to a thousand contacts, lets them all join a group, and says how many it took and which it did not. What it made is then
read from that group. A contact whose address and number belong to two others waits in the account's merge queue, where a person settles it.
The rule that keeps it true: only what was seen in the account afterwards was made; what was not seen is in doubt, or in the queue.
It must not know: how contacts are updated, or who looked before that they are new.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.contacts import Wanted, is_alive, is_contact, shown
from syncd.connectors.activetrail.fields import Slots, UnwritableError
from syncd.connectors.activetrail.pages import EVER, Pages
from syncd.connectors.base import Created
from syncd.connectors.http import Session
from syncd.core.errors import ConnectorError, Effect, Rejected, Unavailable
from syncd.core.record import Json, Record, Ref

IMPORT_MAX = 1_000


class Imports:
    """Imports into one group of one account; None: there is none for it."""

    def __init__(self, session: Session, pages: Pages, group: int | None) -> None:
        self._session, self._pages, self._group = session, pages, group

    async def create(
        self, items: Sequence[Mapping[str, Json]], slots: Slots, ref_of: Callable[[Mapping[str, Json]], Ref]
    ) -> Sequence[Created | ConnectorError]:
        """Each item's contact or its error, in the order given."""
        assert self._group is not None, "no group to import into"
        assert len(items) <= IMPORT_MAX, "more than one import takes"
        results: dict[int, Created | ConnectorError] = {}
        bodies: dict[int, Mapping[str, Json]] = {}
        for index, item in enumerate(items):
            try:
                bodies[index] = self._body(item, slots)
            except UnwritableError as error:
                results[index] = Rejected(str(error), system=self._session.system)
        if bodies:
            refused = await self._import(list(bodies.values()))
            found = await self._read_back({_key(body) for body in bodies.values()} - refused.keys())
            queued = await self._queued() if any(_key(body) not in found.keys() | refused.keys() for body in bodies.values()) else ""
            for index, body in bodies.items():
                results[index] = self._result(body, refused, found, queued, slots, ref_of)
        return [results[index] for index in range(len(items))]

    def _body(self, item: Mapping[str, Json], slots: Slots) -> Mapping[str, Json]:
        wanted = Wanted.read(item, slots, creating=True)
        if wanted.belongs or wanted.marker is not None:
            raise UnwritableError("an import takes fields only: no groups, no mailing lists, no mark")
        if not wanted.body.get("email"):
            raise UnwritableError("an import tells contacts by `email`")
        return wanted.body

    async def _import(self, bodies: list[Mapping[str, Json]]) -> dict[str, str]:
        """What was not taken, and why, by address."""
        answer = await self._session.call(operations.IMPORT, body={"group": self._group, "contacts": bodies})
        errors = answer.body.get("errors") if isinstance(answer.body, dict) else None
        if not isinstance(answer.body, dict) or "success" not in answer.body:
            raise self._session.unexpected(operations.IMPORT, "no result of an import")
        refused = {}
        # The shape of an error is not documented: whichever of its values is one of the addresses names the contact.
        addresses = {_key(body) for body in bodies}
        for error in errors if isinstance(errors, list) else ():
            texts = [str(value) for value in error.values()] if isinstance(error, dict) else [str(error)]
            for address in addresses & {text.strip().lower() for text in texts}:
                refused[address] = "; ".join(text for text in texts if text.strip().lower() != address)
        return refused

    async def _read_back(self, wanted: set[str]) -> dict[str, Mapping[str, Json]]:
        """The wanted contacts as the group shows them, by address."""
        found: dict[str, Mapping[str, Json]] = {}
        query = {"CustomerStates": "ALL", "FromDate": EVER}
        try:
            async for row in self._pages.all(operations.GROUP_MEMBERS, ids={"belonging_id": str(self._group)}, query=query):
                if is_contact(row) and is_alive(row) and (key := _key(row)) in wanted:
                    found[key] = row
                    if len(found) == len(wanted):
                        break
        except ConnectorError as error:
            error.effect = Effect.MAYBE
            raise
        return found

    async def _queued(self) -> str:
        """The merge queue as text, to look for addresses in: the shape of its rows is not documented."""
        try:
            rows = [row async for row in self._pages.all(operations.LIST_MERGES, query={"FromDate": EVER})]
        except ConnectorError:
            return ""
        return str(rows).lower()

    def _result(
        self,
        body: Mapping[str, Json],
        refused: Mapping[str, str],
        found: Mapping[str, Mapping[str, Json]],
        queued: str,
        slots: Slots,
        ref_of: Callable[[Mapping[str, Json]], Ref],
    ) -> Created | ConnectorError:
        key, system = _key(body), self._session.system
        if key in found:
            return Created(record=Record(ref=ref_of(found[key]), fields=shown(found[key], slots)))
        if key in refused:
            return Rejected(f"the import did not take it: {refused[key]}"[:300], system=system)
        if f"'{key}'" in queued:
            return Rejected(
                "the contact waits in ActiveTrail's merge queue",
                system=system,
                hint="its address and its number belong to two contacts; settle it there, and the next poll shows it",
            )
        return Unavailable("the import took the contact, and the group does not show it", system=system, effect=Effect.MAYBE)


def _key(row: Mapping[str, Json]) -> str:
    return str(row.get("email") or "").strip().lower()
