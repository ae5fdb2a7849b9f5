"""The channels by which an operator is told: the log, a webhook, a command.

A webhook is a POST of the message as JSON, signed as Standard Webhooks has it (``webhook-id``, ``webhook-timestamp``,
``webhook-signature``); a command gets the same JSON on its standard input, and nothing of our environment but PATH.
The rule that keeps it true: telling takes `TELL_S` at most and has either succeeded or raised; one message keeps one id however often it is
sent. It must not know: what there is to tell, or when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson
from structlog.typing import FilteringBoundLogger

from syncd import __version__
from syncd.config import AlertSettings
from syncd.connectors.bridge.signing import signed
from syncd.connectors.keys import Key
from syncd.core.alert import Notice
from syncd.core.record import Json, Micros
from syncd.flow import sending
from syncd.flow.sending import NotSent

LOG, WEBHOOK, COMMAND = "log", "webhook", "command"
TELL_S = 10.0


class NotTold(Exception):  # noqa: N818 (named for what it says)
    """Nobody was told; the message says why."""


def channels_of(alerts: AlertSettings) -> tuple[str, ...]:
    """The channels that are configured; the log always is."""
    return (LOG, *([WEBHOOK] if alerts.webhook is not None else []), *([COMMAND] if alerts.command else []))


def message_of(notice: Notice) -> dict[str, Json]:
    """What is told. `id` is the same for the same news, so that whoever is told twice knows."""
    news = [notice.about.kind, notice.about.subject, notice.opened_at, notice.state, notice.sentence]
    return {
        "id": hashlib.blake2b(orjson.dumps(news), digest_size=16).hexdigest(),
        "type": "alert.raised" if notice.state == "open" else "alert.resolved",
        "kind": notice.about.kind,
        "subject": notice.about.subject,
        "sentence": notice.sentence if notice.state == "open" else f"it is over: {notice.sentence}",
        "next": notice.mend if notice.state == "open" else "",
        "since": notice.opened_at,
        "over_at": notice.over_at,
        "held_back": notice.held_back,
    }


async def tell(channel: str, message: Mapping[str, Json], alerts: AlertSettings, log: FilteringBoundLogger, now: Micros) -> None:
    """Tells one channel. Raises NotTold."""
    match channel:
        case "log":
            say = log.warning if message["type"] == "alert.raised" else log.info
            told = {key: message[key] for key in ("kind", "subject", "sentence", "next", "held_back")}
            say(message["type"], **told)
        case "webhook":
            await _post(message, alerts, now)
        case _:
            await _run(message, alerts)


async def _post(message: Mapping[str, Json], alerts: AlertSettings, now: Micros) -> None:
    assert alerts.webhook is not None
    body = orjson.dumps(dict(message))
    headers = {"User-Agent": f"syncd/{__version__}", **signed(Key("secret", alerts.secret.encode()), message_id=message["id"], at=now, body=body)}
    try:
        await sending.post(alerts.webhook, body, headers=headers, timeout_s=TELL_S)
    except NotSent as error:
        raise NotTold(f"the webhook {error}") from error


async def _run(message: Mapping[str, Json], alerts: AlertSettings) -> None:
    try:
        await sending.run(alerts.command, orjson.dumps(dict(message)) + b"\n", timeout_s=TELL_S)
    except NotSent as error:
        raise NotTold(f"the command {error}") from error
