"""The words the gate and the vendors share: a call, an answer, a refusal, a route.

A vendor's handler is an ordinary function from a `Call` to an `Answer`; everything about sockets stays in the gate.

Rule: handlers are synchronous, so a write and its truth entry happen in one step that nothing can interrupt.

It must not know aiohttp or any vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from syncd.sandbox.faults import FaultKind, Reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, already read; `shaping` is a fault the handler itself must honour."""

    request_id: str
    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes
    base_url: str
    shaping: FaultKind | None = None

    def json(self) -> Any:
        """The decoded body; raises ValueError when it is no JSON."""
        return orjson.loads(self.raw)

    @property
    def stale(self) -> bool:
        """Whether this read must show the version before the current one."""
        return self.shaping is FaultKind.STALE_READ


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a handler says; a payload of None means no body, any other is sent as JSON."""

    status: int = 200
    payload: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of ours
    """Raised inside a handler to answer with an error and change nothing."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status, answer.payload)
        self.answer = answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One vendor operation."""

    operation: str
    method: str
    path: str
    reach: Reach
    handler: Callable[[Call], Answer]
