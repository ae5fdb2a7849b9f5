"""Telling systemd how we are: READY, RELOADING, STOPPING, WATCHDOG.

The rule that keeps it true: without systemd (no NOTIFY_SOCKET) every call does nothing, and no call ever fails the daemon.
It must not know: why we are as we are.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time


def ready(status: str) -> None:
    """We are at work; `status` is shown by systemctl."""
    _send(f"READY=1\nSTATUS={status}")


def reloading() -> None:
    """We are reading our configuration again; READY follows."""
    _send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}\nSTATUS=reading the configuration")


def stopping() -> None:
    """We are on our way out."""
    _send("STOPPING=1")


def watchdog() -> None:
    """The engine has made progress."""
    _send("WATCHDOG=1")


def watchdog_interval_s() -> float | None:
    """How often systemd wants to hear from us (a third of its limit), or None where it does not."""
    limit, pid = os.environ.get("WATCHDOG_USEC"), os.environ.get("WATCHDOG_PID")
    if not limit or not limit.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(limit) / 1_000_000 / 3


def _send(message: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.sendto(message.encode(), address)
