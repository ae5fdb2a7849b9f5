"""Errors, named for the next step.

Every failure says what to do next: retry later, look again, give this write up, wake a person, or stop.
The rule that keeps it true: a vendor's status is translated into one of these once, at the connector's border.
It must not know: HTTP, SQL, or which vendor spoke. Absence and conflict are data, not errors, and are not raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from syncd.core.record import Ref, SystemName


class Effect(Enum):
    """Whether a failed call may have taken effect at the vendor all the same."""

    NONE = "none"
    MAYBE = "maybe"


class SyncdError(Exception):
    """The root. `message` says what happened; `hint` says how to mend it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UserError(SyncdError):
    """Something the operator wrote cannot work; all problems are listed, no traceback is shown."""

    def __init__(self, message: str, *, problems: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class PlanMoved(UserError):  # noqa: N818 (named for what it says)
    """Something that the plan rested upon is not what it was; nothing was written."""


class ConnectorError(SyncdError):
    """A vendor did not do what was asked. `effect` says whether it may have happened nevertheless."""

    def __init__(
        self,
        message: str,
        *,
        system: SystemName,
        ref: Ref | None = None,
        hint: str = "",
        effect: Effect = Effect.NONE,
        status: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.system = system
        self.ref = ref
        self.effect = effect
        self.status = status


class Unavailable(ConnectorError):  # noqa: N818 (named for the next step)
    """Retry later: the network, a 429 or a 5xx. `retry_after_s` is the vendor's own wish, or None."""

    def __init__(
        self,
        message: str,
        *,
        system: SystemName,
        ref: Ref | None = None,
        hint: str = "",
        effect: Effect = Effect.NONE,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, system=system, ref=ref, hint=hint, effect=effect, status=status)
        self.retry_after_s = retry_after_s


class Stale(ConnectorError):  # noqa: N818 (named for the next step)
    """Look again and plan again: the record is not what we thought it was (409, 412, gone)."""


class Rejected(ConnectorError):  # noqa: N818 (named for the next step)
    """Give this write up: the vendor says it can never work (4xx)."""


class Unauthorized(ConnectorError):  # noqa: N818 (named for the next step)
    """Pause the system and wake a person: the credential does not open this door. `narrow`: this one alone, and others as before."""

    def __init__(
        self,
        message: str,
        *,
        system: SystemName,
        ref: Ref | None = None,
        hint: str = "",
        effect: Effect = Effect.NONE,
        status: int | None = None,
        narrow: bool = False,
    ) -> None:
        super().__init__(message, system=system, ref=ref, hint=hint, effect=effect, status=status)
        self.narrow = narrow


class StoreError(SyncdError):
    """The database cannot be trusted or written: stop, the supervisor restarts us."""
