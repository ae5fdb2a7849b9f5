"""Alerting: word to a person by an address on the web, or by a command.

The rule that keeps it true: an address is https or on this machine, and no redirect is followed; a command is a list of words that no shell ever
sees; both end in time; an address that is a secret is in no message. Word may come twice, never not at all without being said.
It must not know: what the word is about, or when it is sent again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable

import aiohttp
import anyio
import orjson

from syncd.config.secrets import SecretError, Secrets
from syncd.config.steps import address_fault
from syncd.core.record import Json
from syncd.store.runs import Run

WEBHOOK_S = 15.0
COMMAND_S = 60.0


class AlertFailed(Exception):  # noqa: N818 (named for what it says)
    """Nobody took the word; the message says why."""


async def send_alert(alert: Json, run: Run, leaving: Callable[[], Awaitable[None]], secrets: Secrets | None) -> Json:
    """Sends a rendered alert; how it was taken. Raises AlertFailed."""
    url = _address(alert["webhook"], secrets)
    await leaving()
    told = {"text": alert["text"], "automation": run.automation, "run": run.id, "subject": run.subject}
    said: dict[str, Json] = {}
    if url:
        said["status"] = await _post(url, told)
    if alert["command"]:
        said["exit"] = await _run(alert["command"], told)
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


async def _post(url: str, told: Json) -> int:
    timeout = aiohttp.ClientTimeout(total=WEBHOOK_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as client,
            client.post(url, data=orjson.dumps(told), headers={"Content-Type": "application/json"}, allow_redirects=False) as answer,
        ):
            if not 200 <= answer.status < 300:
                raise AlertFailed(f"the address answered {answer.status}")
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        # The cause may quote the address, which may be a secret.
        raise AlertFailed(f"the address cannot be reached: {type(error).__name__}") from None


async def _run(command: list[str], told: Json) -> int:
    try:
        with anyio.fail_after(COMMAND_S):
            done = await anyio.run_process(
                [str(word) for word in command], input=orjson.dumps(told), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
            )
    except TimeoutError:
        raise AlertFailed(f"{command[0]} did not end within {COMMAND_S:.0f} s") from None
    except OSError as error:
        raise AlertFailed(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        raise AlertFailed(f"{command[0]} ended with {done.returncode}")
    return done.returncode
