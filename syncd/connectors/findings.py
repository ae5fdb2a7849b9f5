"""What a vendor's documentation leaves open about an account, and a connector that finds it out.

The rule that keeps it true: until an answer is known, what is done is right under any of them.
It must not know: any vendor, or who wants to know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from syncd.core.record import Json


@runtime_checkable
class Finding(Protocol):
    """One question that a vendor's documentation leaves open: `setting` answers it with `answer` (None: not known).

    `asked_anew` says that it is found out by asking whenever the connector starts; what is learnt by the way has to be kept.
    """

    @property
    def question(self) -> str: ...
    @property
    def setting(self) -> str: ...
    @property
    def answer(self) -> Json: ...
    @property
    def consequence(self) -> str: ...
    @property
    def asked_anew(self) -> bool: ...


@runtime_checkable
class Probing(Protocol):
    """A connector that finds out by reading what its vendor does not say."""

    async def probe(self) -> Sequence[Finding]: ...

    def findings(self) -> Sequence[Finding]: ...
