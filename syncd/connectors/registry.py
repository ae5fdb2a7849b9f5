"""Which kinds of systems there are.

`KINDS` maps the word an operator writes (``kind = "gohighlevel"``) to the kind. A connector is loaded when one of its kinds is asked for:
nobody waits for the vendors that he does not have.
The rule that keeps it true: a kind is added by one line here and nothing else outside its connector's own folder.
It must not know: anything about a vendor beyond its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Final

from syncd.connectors.kind import Kind, MemberOptions, Opened, Secret, Settings, open_connector

__all__ = ["KINDS", "Kind", "MemberOptions", "Opened", "Secret", "Settings", "open_connector"]

_FOUND_IN: Final = {
    "gohighlevel": ("gohighlevel", "KIND"),
    "emailoctopus": ("emailoctopus", "KIND"),
    "activetrail": ("activetrail", "KIND"),
    "17hats": ("bridge", "HATS17"),
    "bridge": ("bridge", "BRIDGE"),
}
"""Each kind's connector, and what the kind is called in it."""


class _Kinds(Mapping[str, Kind]):
    def __getitem__(self, word: str) -> Kind:
        connector, name = _FOUND_IN[word]
        kind: Kind = getattr(import_module(f"syncd.connectors.{connector}"), name)
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(_FOUND_IN)

    def __len__(self) -> int:
        return len(_FOUND_IN)


KINDS: Final[Mapping[str, Kind]] = _Kinds()
