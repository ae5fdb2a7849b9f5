"""Which error ends in which exit code."""

from __future__ import annotations

import pytest

from syncd.cli.exits import Code, ConfigInvalid, Interrupted, NotNow, code_of, ours
from syncd.core.errors import Rejected, StoreError, SyncdError, Unauthorized, Unavailable, UserError
from syncd.core.record import SystemName

GHL = SystemName("ghl")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UserError("x"), Code.ERROR),
        (StoreError("x"), Code.ERROR),
        (Rejected("x", system=GHL), Code.ERROR),
        (ConfigInvalid("x"), Code.CONFIG),
        (Unauthorized("x", system=GHL), Code.AUTHENTICATION),
        (Unavailable("x", system=GHL), Code.TEMPORARY),
        (NotNow("x"), Code.TEMPORARY),
        (Interrupted("x"), Code.INTERRUPTED),
    ],
)
def test_codes(error: SyncdError, code: Code) -> None:
    """A script can tell them apart."""
    assert code is code_of(error)


def test_errors_are_found_in_groups() -> None:
    """Task groups wrap what they pass on; what is shown is the error itself, the one to be acted on first."""
    refused, down, wrong = Unauthorized("no", system=GHL), Unavailable("down", system=GHL), UserError("wrong")

    assert wrong is ours(ExceptionGroup("a", [ExceptionGroup("b", [wrong])]))
    assert refused is ours(ExceptionGroup("a", [down, refused]))
    assert wrong is ours(ExceptionGroup("a", [down, wrong]))


def test_what_nobody_foresaw_is_not_ours() -> None:
    """A bug keeps its traceback, whatever came with it."""
    assert ours(ExceptionGroup("a", [UserError("x"), ZeroDivisionError()])) is None
    assert ours(ValueError()) is None
