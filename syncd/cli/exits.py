"""Exit codes, and which error ends in which.

The rule that keeps it true: a script can tell from the code alone whether to mend something, to wait, or to go on.
It must not know: any command, or how an error is shown.
"""

from __future__ import annotations

from enum import IntEnum

from syncd.core.errors import ConnectorError, PlanMoved, SyncdError, Unauthorized, Unavailable, UserError


class Code(IntEnum):
    """What a command ends with. PENDING is `plan --detailed-exitcode`'s, and shares its number with wrong usage, as elsewhere."""

    OK = 0
    ERROR = 1
    PENDING = 2
    CONFIG = 3
    AUTHENTICATION = 4
    TEMPORARY = 5
    FAILURES = 6
    STOPPED = 7
    INTERRUPTED = 130


class ConfigInvalid(UserError):  # noqa: N818 (named for what it says)
    """The configuration cannot be used."""


class NotNow(SyncdError):  # noqa: N818 (named for the next step)
    """Nothing is wrong; it only takes longer than one wanted to wait."""


class Interrupted(SyncdError):  # noqa: N818 (named for what it says)
    """A signal ended the command; what was in the air was recorded."""


def code_of(error: SyncdError) -> Code:
    """The exit code for an error."""
    match error:
        case ConfigInvalid():
            return Code.CONFIG
        case Unauthorized():
            return Code.AUTHENTICATION
        case Unavailable() | NotNow():
            return Code.TEMPORARY
        case PlanMoved():
            return Code.STOPPED
        case Interrupted():
            return Code.INTERRUPTED
        case _:
            return Code.ERROR


def ours(error: BaseException) -> SyncdError | None:
    """The error that is to be shown: the gravest of ours in a group; None where anything in it is not ours."""
    if isinstance(error, SyncdError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = [ours(each) for each in error.exceptions]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    return min(known, key=lambda each: (isinstance(each, ConnectorError), not isinstance(each, Unauthorized)))
