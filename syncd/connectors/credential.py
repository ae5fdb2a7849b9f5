"""Credentials that a vendor replaces: what a session asks of one, and what one asks of whoever keeps it.

A plain token needs none of this: it is a header like any other.
The rule that keeps it true: what replaces a token is committed before it is first used, so that no crash can leave us with a spent one.
It must not know: any vendor, or where anything is kept.
"""

from __future__ import annotations

from typing import Protocol

from syncd.core.record import Json


class Kept(Protocol):
    """What is kept. `tries` counts the attempts to spend this version whose outcome is not known; `trouble` says why `tokens` is None."""

    @property
    def version(self) -> int: ...
    @property
    def tries(self) -> int: ...
    @property
    def tokens(self) -> Json: ...
    @property
    def trouble(self) -> str: ...


class Keeper(Protocol):
    """Keeps the tokens of one system, whoever else may be at them. Any method may raise StoreError or UserError."""

    async def load(self) -> Kept | None:
        """What is kept; None where nothing is."""
        ...

    async def keep(self, tokens: Json, *, replaces: int) -> bool:
        """Returns True once it is committed, False where another version is there already."""
        ...

    async def claim(self, version: int, *, for_s: float) -> bool:
        """Commits that a version is about to be spent; False where somebody else is at it, or has been."""
        ...

    async def let_go(self, version: int, *, undone: bool) -> None:
        """Ends a claim that brought nothing; `undone` where it certainly spent nothing."""
        ...


class Credential(Protocol):
    """What opens the door for a session's calls. Raises ConnectorError: Unauthorized where a person must see to it, else Unavailable."""

    async def header(self, operation: str) -> str:
        """The Authorization header for a call of this operation, valid as far as we know."""
        ...

    async def renewed(self, refused: str, *, expired: bool) -> bool:
        """Whether there is another header to try than the one just refused; it is renewed for that where it was `expired`."""
        ...

    def veil(self, text: str) -> str:
        """The text without anything secret in it."""
        ...
