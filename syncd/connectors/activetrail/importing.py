"""Making many ActiveTrail contacts in one call.

An import takes up to a thousand contacts, lets them all join a group, and says how many it took and which it did not. What it made is then
read from that group, and a further import for each group and mailing list lets them join that. A contact whose address and number belong to
two others waits in the account's merge queue, where a person settles it.
The rule that keeps it true: an import would change whoever is there already, so everybody is looked for first; only what was seen in the
account afterwards was made; what was not seen is in doubt, or in the queue.
It must not know: how contacts are updated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.belonging import Belonging
from syncd.connectors.activetrail.contacts import Wanted, is_alive, is_contact, shown
from syncd.connectors.activetrail.fields import GROUPS, MAILING_LISTS, Slots, UnwritableError
from syncd.connectors.activetrail.lookup import Lookup
from syncd.connectors.activetrail.pages import EVER, Pages
from syncd.connectors.base import Created, Exists
from syncd.connectors.http import Session
from syncd.core.errors import ConnectorError, Effect, Rejected, Unavailable
from syncd.core.record import Json, Record, RecordId, Ref

IMPORT_MAX = 1_000
_LATELY_PAGES_MAX = 100

Answer = Created | Exists | ConnectorError


class Imports:
    """Imports into one group of one account; None: there is none for it. `lately` says what a listing since a few days ago begins at."""

    def __init__(
        self, session: Session, pages: Pages, lookup: Lookup, belonging: Belonging, group: int | None, lately: Callable[[], str]
    ) -> None:
        self._session, self._pages, self._lookup, self._belonging = session, pages, lookup, belonging
        self._group, self._lately = group, lately

    async def create(
        self, items: Sequence[Mapping[str, Json]], slots: Slots, ref_of: Callable[[Mapping[str, Json]], Ref]
    ) -> Sequence[Answer]:
        """Each item's contact or its error, in the order given."""
        assert self._group is not None, "no group to import into"
        assert len(items) <= IMPORT_MAX, "more than one import takes"
        results, wanted = await self._read(items, slots)
        await self._look_first(wanted, results)
        fresh = {index: each for index, each in wanted.items() if index not in results}
        if fresh:
            found = await self._make(fresh, results)
            try:
                shows = await self._let_join({index: each for index, each in fresh.items() if _key(each.body) in found})
            except ConnectorError as error:
                error.effect = Effect.MAYBE
                raise
            for index, each in fresh.items():
                if index not in results:
                    results[index] = self._result(each, found[_key(each.body)], shows, slots, ref_of)
        return [results[index] for index in range(len(items))]

    async def _read(self, items: Sequence[Mapping[str, Json]], slots: Slots) -> tuple[dict[int, Answer], dict[int, Wanted]]:
        """What is to be sent, by place; what cannot be is answered. Of two with one address or number the second waits for the first."""
        results: dict[int, Answer] = {}
        wanted: dict[int, Wanted] = {}
        taken: set[str] = set()
        for index, item in enumerate(items):
            try:
                read = Wanted.read(item, slots, creating=True)
                await self._belonging.prepare(read.belongs)
            except UnwritableError as error:
                results[index] = Rejected(str(error), system=self._session.system)
                continue
            names = {_key(read.body), f"sms {_digits(read.body['sms'])}"} if read.body.get("sms") else {_key(read.body)}
            if not _key(read.body):
                results[index] = Unavailable("an import tells contacts by `email`; this one is made by itself", system=self._session.system)
            elif names & taken:
                results[index] = Unavailable("another contact with this address or number is being made", system=self._session.system)
            else:
                wanted[index] = read
                taken |= names
        return results, wanted

    async def _look_first(self, wanted: Mapping[int, Wanted], results: dict[int, Answer]) -> None:
        """Answers those who are there. The caller has listed everybody not long ago; who came since is among those of the last days."""
        if not wanted:
            return
        query = {"CustomerStates": "ALL", "FromDate": self._lately()}
        rows, complete = await self._pages.some(operations.LIST, most=_LATELY_PAGES_MAX, query=query)
        there = {_key(row): row for row in rows if is_contact(row) and is_alive(row)}
        for index, each in wanted.items():
            row = there.get(_key(each.body))
            if row is not None:
                results[index] = Exists(id=RecordId(str(row["id"])), key="email")
            elif each.body.get("sms") or not complete:
                # A number belongs to one contact, however old, which an import would take over.
                exists = await self._lookup.existing(each.body)
                results.update({index: exists} if exists is not None else {})

    async def _make(self, fresh: Mapping[int, Wanted], results: dict[int, Answer]) -> dict[str, Mapping[str, Json]]:
        """Imports these, answers those that were not made, and gives those that were, by address."""
        assert self._group is not None
        refused = await self._import([each.body for each in fresh.values()], group=self._group)
        try:
            found = await self._seen(GROUPS, self._group, {_key(each.body) for each in fresh.values()} - refused.keys())
        except ConnectorError as error:
            error.effect = Effect.MAYBE
            raise
        missing = {index: _key(each.body) for index, each in fresh.items() if _key(each.body) not in found}
        queued = await self._queued() if missing.keys() and any(key not in refused for key in missing.values()) else ""
        results.update({index: self._missing(key, refused, queued) for index, key in missing.items()})
        return found

    async def _let_join(self, made: Mapping[int, Wanted]) -> dict[str, dict[str, list[str]]]:
        """Lets contacts that were just made join what they belong to; what they are then seen in, by address and path."""
        assert self._group is not None
        shows: dict[str, dict[str, list[str]]] = {_key(each.body): {path: [] for path in each.belongs} for each in made.values()}
        for path in (GROUPS, MAILING_LISTS):
            for name in dict.fromkeys(name for each in made.values() for name in each.belongs.get(path, ())):
                who = [_key(each.body) for each in made.values() if name in each.belongs.get(path, ())]
                number = self._belonging.id_of(path, name)
                where = {"group": number} if path == GROUPS else {"group": self._group, "mailing_list": number}
                await self._import([{"email": key} for key in who], **where)
                for key in await self._seen(path, number, set(who)):
                    shows[key][path].append(name)
        return shows

    async def _import(self, bodies: list[Mapping[str, Json]], **where: int) -> dict[str, str]:
        """What was not taken, and why, by address."""
        answer = await self._session.call(operations.IMPORT, body={**where, "contacts": bodies})
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

    async def _seen(self, path: str, number: int, wanted: set[str]) -> dict[str, Mapping[str, Json]]:
        """Who of the wanted a group or a list shows, by address."""
        if not wanted:
            return {}
        return await self._belonging.members(path, number, wanted, lambda row: _key(row) if is_contact(row) and is_alive(row) else "")

    async def _queued(self) -> str:
        """The merge queue as text, to look for addresses in: the shape of its rows is not documented."""
        try:
            rows = [row async for row in self._pages.all(operations.LIST_MERGES, query={"FromDate": EVER})]
        except ConnectorError:
            return ""
        return str(rows).lower()

    def _missing(self, key: str, refused: Mapping[str, str], queued: str) -> ConnectorError:
        system = self._session.system
        if key in refused:
            return Rejected(f"the import did not take it: {refused[key]}"[:300], system=system)
        if f"'{key}'" in queued:
            return Rejected(
                "the contact waits in ActiveTrail's merge queue",
                system=system,
                hint="its address and its number belong to two contacts; settle it there, and the next poll shows it",
            )
        return Unavailable("the import took the contact, and the group does not show it", system=system, effect=Effect.MAYBE)

    def _result(
        self,
        wanted: Wanted,
        row: Mapping[str, Json],
        shows: Mapping[str, Mapping[str, list[str]]],
        slots: Slots,
        ref_of: Callable[[Mapping[str, Json]], Ref],
    ) -> Answer:
        held = shows[_key(wanted.body)]
        if any(set(held[path]) != set(names) for path, names in wanted.belongs.items()):
            return Unavailable("the contact was made, and is not seen in its groups", system=self._session.system, effect=Effect.MAYBE)
        belongs: dict[str, Json] = {path: list(names) or None for path, names in held.items()}
        return Created(record=Record(ref=ref_of(row), fields={**shown(row, slots), **belongs}))


def _key(row: Mapping[str, Json]) -> str:
    return str(row.get("email") or "").strip().lower()


def _digits(text: Json) -> str:
    """The end of a number, which is what tells it from others."""
    return "".join(each for each in str(text) if each.isdigit())[-8:]
