"""Alerting: what an automation's `alert` step sends, and to whom.

The rule that keeps it true: an address is https or on this machine, and one that is a secret is read anew, and in no message. Word may come
twice, never not at all without being said.
It must not know: how word is sent, or when it is sent again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from syncd.config.secrets import SecretError, Secrets
from syncd.config.steps import address_fault
from syncd.core.record import Json
from syncd.flow import sending
from syncd.flow.sending import NotSent
from syncd.store.runs import Run

WEBHOOK_S = 15.0
COMMAND_S = 60.0


class AlertFailed(Exception):  # noqa: N818 (named for what it says)
    """Nobody took the word; the message says why."""


async def send_alert(alert: Json, run: Run, leaving: Callable[[], Awaitable[None]], secrets: Secrets | None) -> Json:
    """Sends a rendered alert; how it was taken. Raises AlertFailed."""
    url = _address(alert["webhook"], secrets)
    await leaving()
    told = orjson.dumps({"text": alert["text"], "automation": run.automation, "run": run.id, "subject": run.subject})
    said: dict[str, Json] = {}
    if url:
        try:
            said["status"] = await sending.post(url, told, headers={}, timeout_s=WEBHOOK_S)
        except NotSent as error:
            raise AlertFailed(f"the address {error}") from None
    if command := [str(word) for word in alert["command"] or ()]:
        try:
            said["exit"] = await sending.run(command, told, timeout_s=COMMAND_S)
        except NotSent as error:
            raise AlertFailed(f"{command[0]} {error}") from error
    return said


def _address(written: Json, secrets: Secrets | None) -> str | None:
    """The address itself; one that is a secret is read now, and checked, for it may be another than when the configuration was read."""
    if not isinstance(written, dict):
        return None if written is None else str(written)
    if secrets is None:
        raise AlertFailed("no secret can be read here")
    try:
        url = secrets.read(written)
    except SecretError as error:
        raise AlertFailed(str(error)) from None
    if (fault := address_fault(url)) is not None:
        raise AlertFailed(f"what is kept as the address {fault}")
    return url
