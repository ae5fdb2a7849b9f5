"""Sending: word to a person, by an address on the web or by a command; for the daemon's own alerts and for those of automations alike.

The rule that keeps it true: no redirect is followed; a command is a list of words that no shell ever sees, and gets nothing of our environment but
PATH; both end in time; what failed is said in words that never quote the address, which may be a secret.
It must not know: what the word is about, or when it is sent again.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

import aiohttp
import anyio

_SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class NotSent(Exception):  # noqa: N818 (named for what it says)
    """Nobody took it; the message says what the address or the command did instead."""


async def post(url: str, body: bytes, *, headers: Mapping[str, str], timeout_s: float) -> int:
    """Posts a body of JSON; the status that took it. Raises NotSent."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s), trust_env=False, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(url, data=body, headers={"Content-Type": "application/json", **headers}, allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise NotSent(f"cannot be reached ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise NotSent(f"answered {status}")
    return status


async def run(command: Sequence[str], body: bytes, *, timeout_s: float) -> int:
    """Runs a command with a body on its standard input; its exit code, which is 0. Raises NotSent."""
    try:
        with anyio.fail_after(timeout_s):
            done = await anyio.run_process(
                list(command), input=body, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={"PATH": _SAFE_PATH}, check=False
            )
    except TimeoutError:
        raise NotSent(f"did not end within {timeout_s:.0f} s") from None
    except (OSError, anyio.BrokenResourceError) as error:
        raise NotSent(f"cannot be run ({type(error).__name__})") from error
    if done.returncode:
        raise NotSent(f"ended with {done.returncode}")
    return done.returncode
