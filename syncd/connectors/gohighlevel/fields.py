"""The fields of a GoHighLevel contact: those every location has, and those a location defines itself.

`STANDARD` is the vendor's model as `FieldSpec`s; `CustomFields` maps the custom ones between key, label and id.
The rule that keeps it true: a field is called readable, writable or creatable only where the specification says so, and `ssn` is in no
table here, so nothing ever copies it.
It must not know: HTTP, or any particular contact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from syncd.connectors.base import FieldSpec
from syncd.core.fields import FieldType
from syncd.core.record import Json

CUSTOM = "custom."


def _spec(path: str, kind: FieldType = FieldType.TEXT, *, readable: bool = True, writable: bool = True) -> FieldSpec:
    return FieldSpec(path=path, type=kind, readable=readable, writable=writable)


def _shown_only(path: str, kind: FieldType = FieldType.TEXT) -> FieldSpec:
    return FieldSpec(path=path, type=kind, writable=False, creatable=False)


# GHL: specification, contacts. `dateUpdated` is the record's modified time and not a field: it moves with every write of ours.
_ALL = (
    _spec("firstName"),
    _spec("lastName"),
    _spec("name"),
    _spec("email", FieldType.EMAIL),
    _spec("phone", FieldType.PHONE),
    _spec("tags", FieldType.SET),
    _spec("dnd", FieldType.BOOL),
    _spec("dndSettings", FieldType.JSON),
    _spec("dateOfBirth", FieldType.DATE),
    _spec("source"),
    _spec("address1"),
    _spec("city"),
    _spec("state"),
    _spec("country"),
    _spec("postalCode"),
    _spec("website"),
    _spec("timezone"),
    _spec("assignedTo"),
    # The update lacks these two, and no read shows a gender.
    _spec("companyName", writable=False),
    _spec("gender", readable=False, writable=False),
    _spec("inboundDndSettings", FieldType.JSON, readable=False),
    _shown_only("type"),
    _shown_only("businessId"),
    _shown_only("dateAdded", FieldType.INSTANT),
)
STANDARD: Mapping[str, FieldSpec] = MappingProxyType({spec.path: spec for spec in _ALL})
READABLE = frozenset(path for path, spec in STANDARD.items() if spec.readable)

# GHL: specification, contacts: neither schema lets these be null, so an empty text clears them.
CLEARED_BY_EMPTY = frozenset({"postalCode", "country"})
# A truth value and a map of settings have no blank.
NEVER_BLANK = frozenset({"dnd", "dndSettings", "inboundDndSettings"})

_NUMBERS = frozenset({"NUMERICAL", "MONETORY"})
_ONE_OF = frozenset({"SINGLE_OPTIONS", "RADIO"})
_SOME_OF = frozenset({"MULTIPLE_OPTIONS", "CHECKBOX"})
_TYPES = {
    "TEXT": FieldType.TEXT,
    "LARGE_TEXT": FieldType.TEXT,
    "PHONE": FieldType.PHONE,
    "EMAIL": FieldType.EMAIL,
    "DATE": FieldType.DATE,
    **dict.fromkeys(_NUMBERS, FieldType.NUMBER),
    **dict.fromkeys(_ONE_OF, FieldType.CHOICE),
    **dict.fromkeys(_SOME_OF, FieldType.SET),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """One field a location defined. `spec.path` is ``custom.KEY``."""

    id: str
    spec: FieldSpec

    @property
    def is_list(self) -> bool:
        """Whether its value is a list of texts."""
        return self.spec.type is FieldType.SET


class CustomFields:
    """The custom fields of one location, as last discovered."""

    def __init__(self, definitions: Iterable[CustomField] = ()) -> None:
        self.by_id: dict[str, CustomField] = {each.id: each for each in definitions}
        self.by_path: dict[str, CustomField] = {each.spec.path: each for each in self.by_id.values()}

    @classmethod
    def read(cls, rows: Iterable[Json], model: str = "contact") -> CustomFields:
        """From the vendor's rows; rows of other models and rows without an id or key are passed over."""
        return cls(each for row in rows if isinstance(row, dict) and (each := _custom_field(row, model)) is not None)

    def find(self, path: str) -> CustomField | None:
        """The field a path means: by its key, else by its label where only one field bears it."""
        if path in self.by_path:
            return self.by_path[path]
        wanted = path.removeprefix(CUSTOM).casefold()
        keys = [each for each in self.by_id.values() if each.spec.path.removeprefix(CUSTOM).casefold() == wanted]
        labels = [each for each in self.by_id.values() if each.spec.label.casefold() == wanted]
        found = keys or labels
        return found[0] if len(found) == 1 else None


def _custom_field(row: Mapping[str, Json], model: str) -> CustomField | None:
    field_id, key = row.get("id"), row.get("fieldKey")
    if not isinstance(field_id, str) or not isinstance(key, str) or row.get("model", "contact") != model:
        return None
    kind = _TYPES.get(str(row.get("dataType", "")))
    options = row.get("picklistOptions")
    closed = kind in (FieldType.CHOICE, FieldType.SET) and row.get("isAllowedCustomOption") is not True
    # A kind of value we have no words for (files, signatures, lists of boxes) is shown and never written.
    writable = kind is not None
    return CustomField(
        id=field_id,
        spec=FieldSpec(
            path=CUSTOM + key.removeprefix(f"{model}."),
            type=kind or FieldType.JSON,
            label=str(row.get("name", "")),
            writable=writable,
            creatable=writable,
            options=tuple(map(str, options)) if closed and isinstance(options, list) else (),
            id=field_id,
        ),
    )
