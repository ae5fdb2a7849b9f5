"""Places in a recipe that only the operator can fill in: ``REPLACE_ME_LOCATION_ID``.

A recipe says what goes there in a comment of its own, ``# REPLACE_ME_LOCATION_ID: what it is and where the vendor shows it``.
The rule that keeps it true: one left-over placeholder is one problem; nothing else is said about the value it stands in.
It must not know: which recipes exist, or what any placeholder stands for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from syncd.config.findings import Findings
from syncd.config.lines import Where
from syncd.core.record import Json

_PLACEHOLDER = re.compile(r"REPLACE_ME_[A-Z0-9_]+")
_LEGEND = re.compile(r"^[ \t]*#[ \t]*(REPLACE_ME_[A-Z0-9_]+):[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)


def report_placeholders(text: str, tree: Mapping[str, Json], findings: Findings) -> None:
    """Reports every value that still holds a placeholder, with what the file itself says should stand there."""
    legend = dict(_LEGEND.findall(text))
    for where, value in _texts(tree, ()):
        if found := _PLACEHOLDER.search(value):
            mend = f"put there {legend[found[0]]}" if found[0] in legend else "put your own value there"
            findings.problem(where, f"still holds the placeholder {found[0]}", mend=mend)
            findings.settle(where)


def _texts(value: Json, where: Where) -> Iterator[tuple[Where, str]]:
    match value:
        case str():
            yield where, value
        case dict():
            for key, inner in value.items():
                yield from _texts(inner, (*where, key))
        case list():
            for place, inner in enumerate(value):
                yield from _texts(inner, (*where, place))
