"""What a configuration needs to know about a connector, without knowing any connector.

`KindFacts` is the shape the connectors' registry fulfils and hands in; `CollectionFacts` answers for one collection of one kind.
The rule that keeps it true: nothing here calls a vendor; these are the facts that hold for every account of that kind.
It must not know: any kind by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Protocol

from pydantic import BaseModel

from syncd.core.fields import FieldType
from syncd.core.record import CollectionName, Json


class Deed(StrEnum):
    """What a sync may ask of a member that its kind can do in principle, and its settings may not allow."""

    DELETE = "delete"
    ARCHIVE = "archive"
    READ = "read"
    ERASE = "erase"
    """To delete for good; to put away is not enough."""


class Abilities(Protocol):
    """What can be done with the records of one collection. `required_on_create` are vendor paths."""

    @property
    def can_list(self) -> bool: ...
    @property
    def can_get(self) -> bool: ...
    @property
    def can_create(self) -> bool: ...
    @property
    def can_update(self) -> bool: ...
    @property
    def can_delete(self) -> bool: ...
    @property
    def required_on_create(self) -> frozenset[str]: ...
    @property
    def deletes_visible(self) -> Enum: ...
    @property
    def told_only(self) -> bool: ...


class FieldFacts(Protocol):
    """One field every account of that kind has. `options` are the only values a choice takes (empty: open)."""

    @property
    def path(self) -> str: ...
    @property
    def type(self) -> FieldType: ...
    @property
    def readable(self) -> bool: ...
    @property
    def writable(self) -> bool: ...
    @property
    def creatable(self) -> bool: ...
    @property
    def options(self) -> tuple[str, ...]: ...
    @property
    def secret(self) -> bool: ...


class ParameterFacts(Protocol):
    """One value that an operation takes."""

    @property
    def name(self) -> str: ...
    @property
    def required(self) -> bool: ...


class CallFacts(Protocol):
    """What a call of an operation does. `writes`: it changes something."""

    @property
    def writes(self) -> bool: ...


class OperationFacts(Protocol):
    """One operation of a catalogue. `use_instead` lists other operations that stand in where a parameter is given."""

    @property
    def name(self) -> str: ...
    @property
    def operation(self) -> CallFacts: ...
    @property
    def parameters(self) -> Sequence[ParameterFacts]: ...
    @property
    def use_instead(self) -> Sequence[tuple[str, str]]: ...


class KindFacts(Protocol):
    """One kind of system.

    `settings` is the shape of its own section and `member` that of a sync member's extra options; both forbid extra keys.
    `secret_fields` are fields of `settings` that take any text that is not empty. `open_prefixes` begin the paths of custom
    fields, which only the account itself can name. `operations` are those that can be called by name (None: none can), `known_values` the
    values of their parameters that the settings tell, and `webhook_words` what its webhooks are called (None: they have no kinds).
    """

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def settings(self) -> type[BaseModel]: ...
    @property
    def secret_fields(self) -> frozenset[str]: ...
    @property
    def member(self) -> type[BaseModel]: ...
    @property
    def collections(self) -> tuple[str, ...]: ...
    @property
    def open_prefixes(self) -> tuple[str, ...]: ...
    @property
    def operations(self) -> Mapping[str, OperationFacts] | None: ...
    @property
    def known_values(self) -> Callable[[Any], Mapping[str, Json]]: ...
    @property
    def webhook_words(self) -> frozenset[str] | None: ...

    def collection_name(self, collection: str, options: BaseModel, /) -> CollectionName: ...

    def capabilities(self, collection: str, /) -> Abilities: ...

    def fields(self, collection: str, /) -> Mapping[str, FieldFacts]: ...

    def unable(self, settings: BaseModel, collection: str, deed: Deed, /) -> str | None:
        """Why, with these settings, a record of this (full) collection cannot be read, deleted, erased or archived; None where it can, or nobody can tell."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PathFacts:
    """What may be done with one vendor path. `type` is None for a custom field: only the account itself knows."""

    type: FieldType | None = None
    readable: bool = True
    writable: bool = True
    creatable: bool = True
    options: tuple[str, ...] = ()
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionFacts:
    """One collection of one kind."""

    kind: KindFacts
    collection: str

    @property
    def abilities(self) -> Abilities:
        return self.kind.capabilities(self.collection)

    @property
    def paths(self) -> list[str]:
        """The paths that can be named without asking the account, for suggestions."""
        return [*self.kind.fields(self.collection), *(f"{prefix}…" for prefix in self.kind.open_prefixes)]

    def path(self, path: str) -> PathFacts | None:
        """What may be done with a path, or None where this collection has none such."""
        abilities, spec = self.abilities, self.kind.fields(self.collection).get(path)
        if spec is not None:
            return PathFacts(
                type=spec.type,
                readable=spec.readable,
                writable=spec.writable and abilities.can_update,
                creatable=spec.creatable and abilities.can_create,
                options=spec.options,
                secret=spec.secret,
            )
        if any(path.startswith(prefix) and path != prefix for prefix in self.kind.open_prefixes):
            return PathFacts(writable=abilities.can_update, creatable=abilities.can_create)
        return None
