"""What contacts belong to: groups, which stand in for tags, and mailing lists, both by name.

`Belonging.of` asks for one contact; `index` goes through the members of every group and list, so that a whole pass can show what each of
its contacts belongs to; `change` adds and removes.
The rule that keeps it true: a name is shown or written only where one id stands for it. The index is as old as the pass, so what was read
of a contact later replaces it there.
It must not know: any other field of a contact, or who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import anyio

from syncd.connectors.activetrail import operations
from syncd.connectors.activetrail.fields import GROUPS, MAILING_LISTS, UnwritableError
from syncd.connectors.activetrail.pages import EVER, Pages
from syncd.connectors.http import Operation, Session
from syncd.core.errors import Effect, Stale
from syncd.core.fields import elements
from syncd.core.record import MINUTE, Json, Micros


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sort:
    """Groups or mailing lists: the operations that speak of them."""

    names: Operation
    paged: bool
    members: Operation
    of: Operation
    join: Operation
    leave: Operation


_SORTS = {
    GROUPS: _Sort(
        names=operations.LIST_GROUPS,
        paged=True,
        members=operations.GROUP_MEMBERS,
        of=operations.GROUPS_OF,
        join=operations.JOIN_GROUP,
        leave=operations.LEAVE_GROUP,
    ),
    MAILING_LISTS: _Sort(
        names=operations.MAILING_LISTS,
        paged=False,
        members=operations.LIST_MEMBERS,
        of=operations.LISTS_OF,
        join=operations.JOIN_LIST,
        leave=operations.LEAVE_LIST,
    ),
}
Held = dict[int, list[str]]


class Belonging:
    """The groups and lists of one account.

    `paths` are those that are shown; an index takes some 200 bytes a contact that is in any. The group `hidden` is there for imports alone:
    who is in it is nobody's business elsewhere.
    """

    def __init__(self, session: Session, pages: Pages, paths: Sequence[str], *, hidden: int | None = None) -> None:
        self.paths = tuple(paths)
        self._hidden = hidden
        self._session, self._pages = session, pages
        self._names: dict[str, dict[int, str]] = {}
        self._made: dict[int, tuple[str, Micros]] = {}
        self._naming = anyio.Lock()
        self._index: dict[str, Held] | None = None
        self._read_meanwhile: dict[str, Held] | None = None

    @property
    def is_indexed(self) -> bool:
        """Whether `shown` can answer."""
        return self._index is not None

    async def of(self, contact_id: int) -> dict[str, Json] | None:
        """What one contact belongs to, by path; None where there is no such contact."""
        found: dict[str, Json] = {}
        for path in self.paths:
            sort = _SORTS[path]
            answer = await self._session.call(sort.of, ids={"contact_id": str(contact_id)}, accept=(404,))
            if answer.status == 404:
                return None
            rows = self._pages.rows(sort.of, answer.body)
            names = [str(row["name"]) for row in rows if row.get("name") and not self._is_hidden(path, row.get("id"))]
            for held in (self._index, self._read_meanwhile):
                if held is not None:
                    held[path][contact_id] = names
            found[path] = _shown(names)
        return found

    async def index(self) -> None:
        """Goes through the members of everything that is shown."""
        self._read_meanwhile = meanwhile = {path: Held() for path in self.paths}
        try:
            built = {path: await self._members(path) for path in self.paths}
        finally:
            self._read_meanwhile = None
        self._index = {path: held | meanwhile[path] for path, held in built.items()}

    def shown(self, contact_id: int) -> dict[str, Json]:
        """What a contact belongs to as far as is known of this pass; without an index nothing is said."""
        return {} if self._index is None else {path: _shown(held.get(contact_id, ())) for path, held in self._index.items()}

    async def prepare(self, belongs: Mapping[str, Sequence[str]]) -> None:
        """Makes sure that everything named is there: a missing group is made. Raises UnwritableError for what cannot be."""
        for path, wanted in belongs.items():
            if path not in self.paths:
                raise UnwritableError(f"`{path}` is not shown, so it is not written; see `show_{path}`")
            if path not in self._names or any(self._ids(path, name) == [] for name in wanted):
                # One at a time: two who both miss a group would both make it.
                async with self._naming:
                    await self._make_missing(path, wanted)
            self._check_names(path, wanted)

    async def _make_missing(self, path: str, wanted: Sequence[str]) -> None:
        await self._read_names(path)
        for name in wanted if path == GROUPS else ():
            if not self._ids(path, name):
                number = await self._make_group(name)
                self._made[number] = (name, self._session.clock.now())
                self._names[path][number] = name

    def _check_names(self, path: str, wanted: Sequence[str]) -> None:
        for name in wanted:
            ids = self._ids(path, name)
            if len(ids) > 1:
                raise UnwritableError(f"the account has {len(ids)} {path} called {name!r}")
            if not ids:
                raise UnwritableError(f"the account has no {path.replace('_', ' ').removesuffix('s')} called {name!r}")

    async def change(self, contact: Mapping[str, Json], path: str, wanted: Sequence[str], held: Sequence[str]) -> None:
        """Adds and removes what differs from `held`. `contact` is as it was just read.

        ActiveTrail: a contact is added by its address, or its number, and made where there is none; so it is read just before.
        """
        sort, before, after = _SORTS[path], elements(held), elements(wanted)
        added = [name for key, name in after.items() if key not in before]
        removed = [name for key, name in before.items() if key not in after]
        for name in added:
            await self._join(sort, path, self.id_of(path, name), contact)
        for name in removed:
            for number in self._ids(path, name):
                ids = {"belonging_id": str(number), "contact_id": str(contact["id"])}
                await self._session.call(sort.leave, ids=ids, accept=(404,))

    async def _members(self, path: str) -> Held:
        held = Held()
        query = {"CustomerStates": "ALL", "FromDate": EVER}
        for number, name in (await self._learn(path)).items():
            if self._is_hidden(path, number):
                continue
            async for row in self._pages.all(_SORTS[path].members, ids={"belonging_id": str(number)}, query=query):
                if isinstance(row.get("id"), int):
                    held.setdefault(row["id"], []).append(name)
        return held

    async def _join(self, sort: _Sort, path: str, number: int, contact: Mapping[str, Json]) -> None:
        identity = next(({name: contact[name]} for name in ("email", "sms") if contact.get(name)), None)
        if identity is None:
            raise Stale("the contact has neither an address nor a number now", system=self._session.system)
        body: dict[str, Json] = dict(identity)
        if path == MAILING_LISTS:
            body["group_ids"] = await self._groups_of(int(contact["id"]))
        answer = await self._session.call(sort.join, ids={"belonging_id": str(number)}, body=body)
        joined = answer.body.get("id") if isinstance(answer.body, dict) else None
        if joined is not None and joined != contact["id"]:
            raise Stale(
                "another contact has this address now, and joined instead", system=self._session.system, effect=Effect.MAYBE
            )

    async def _groups_of(self, contact_id: int) -> list[int]:
        """ActiveTrail: reference: a contact joins a mailing list through groups."""
        answer = await self._session.call(operations.GROUPS_OF, ids={"contact_id": str(contact_id)})
        groups = [row["id"] for row in self._pages.rows(operations.GROUPS_OF, answer.body) if isinstance(row.get("id"), int)]
        if not groups:
            raise UnwritableError("a contact joins a mailing list through a group, and this one is in none")
        return groups

    def id_of(self, path: str, name: str) -> int:
        """What stands for a name that was prepared. Raises Stale where it has gone since."""
        ids = self._ids(path, name)
        if not ids:
            raise Stale(f"what was called {name!r} among the {path} is gone", system=self._session.system)
        return ids[0]

    async def members(self, path: str, number: int, wanted: Collection[str], key: Callable[[Json], str]) -> dict[str, Mapping[str, Json]]:
        """The contacts of a group or list whose keys are wanted, by key; it is gone through until all were seen."""
        found: dict[str, Mapping[str, Json]] = {}
        query = {"CustomerStates": "ALL", "FromDate": EVER}
        async for row in self._pages.all(_SORTS[path].members, ids={"belonging_id": str(number)}, query=query):
            if (name := key(row)) in wanted:
                found[name] = row
                if len(found) == len(wanted):
                    break
        return found

    def _is_hidden(self, path: str, number: Json) -> bool:
        return path == GROUPS and number is not None and number == self._hidden

    def _ids(self, path: str, name: str) -> list[int]:
        return [number for number, each in self._names.get(path, {}).items() if each.casefold() == name.casefold()]

    async def _learn(self, path: str) -> dict[int, str]:
        """What there is, as of now; not while a group is being made, which might be missing from it."""
        async with self._naming:
            return await self._read_names(path)

    async def _read_names(self, path: str) -> dict[int, str]:
        """A listing may run a little behind what was made."""
        sort, now = _SORTS[path], self._session.clock.now()
        self._made = {number: made for number, made in self._made.items() if now - made[1] < MINUTE}
        if sort.paged:
            rows = [row async for row in self._pages.all(sort.names)]
        else:
            rows = self._pages.rows(sort.names, (await self._session.call(sort.names)).body)
        listed = {row["id"]: str(row["name"]) for row in rows if isinstance(row.get("id"), int) and row.get("name")}
        made = {number: name for number, (name, _) in self._made.items()} if path == GROUPS else {}
        self._names[path] = made | listed
        return self._names[path]

    async def _make_group(self, name: str) -> int:
        answer = await self._session.call(operations.CREATE_GROUP, body={"name": name})
        number = answer.body.get("id") if isinstance(answer.body, dict) else None
        if not isinstance(number, int):
            raise self._session.unexpected(operations.CREATE_GROUP, "no group")
        return number


def _shown(names: Sequence[str]) -> Json:
    return list(dict.fromkeys(names)) or None
