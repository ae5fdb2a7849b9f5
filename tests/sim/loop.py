"""A virtual-time event loop: time jumps to whatever is due next, and the order of what is ready is drawn from a seed.

Everything that runs belongs to a life (a context variable): 0 is the world, others are one run of the daemon each. `kill` drops a life
where it stands: none of its callbacks ever runs again, which is what SIGKILL does.
The rule that keeps it true: nothing in a run can see the machine's clock, its randomness or a second thread; asking for them raises.
It must not know: what is simulated.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import os
import random
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("life", default=0)


LAP_S = 400.0
"""Time that must pass within so many turns."""


class DeadlockError(Exception):
    """Nothing is scheduled while somebody waits."""


class EndlessError(Exception):
    """Far more turns than any honest run takes: something spins without letting time pass."""


class Loop(asyncio.BaseEventLoop):
    """An event loop without sockets, whose time is a number."""

    def __init__(self, seed: int, *, shuffle: bool = True, turns_max: int = 30_000) -> None:
        super().__init__()
        self.vt = 0.0
        self.turns = 0
        self._shuffle = shuffle
        self._rng = Random(seed)
        self._turns_max = turns_max
        self._lap = (0, 0.0)
        self._dead: set[int] = set()
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self.vt

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise AssertionError("a thread in a simulation")

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def kill(self, life: int) -> None:
        """Drops a life: its callbacks are never run again."""
        self._dead.add(life)

    def stall(self, seconds: float) -> None:
        """Lets time pass while nothing runs."""
        self.vt += seconds

    def _make_task(self, loop: Any, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **kwargs)
        task._log_destroy_pending = False
        if LIFE.get():
            self._tasks.append(task)
        return task

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready and not self._stopping:
            if not scheduled:
                raise DeadlockError("nothing is scheduled")
            self.vt = max(self.vt, scheduled[0]._when)
        end = self.vt + 1e-9
        while scheduled and scheduled[0]._when <= end:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                ready.append(handle)
        batch = list(ready)
        ready.clear()
        if self._shuffle and len(batch) > 1:
            self._rng.shuffle(batch)
        self.turns += len(batch) or 1
        if self.turns - self._lap[0] > self._turns_max:
            if self.vt - self._lap[1] < LAP_S:
                raise EndlessError(f"{self._turns_max} turns within {self.vt - self._lap[1]:.1f} s")
            self._lap = (self.turns, self.vt)
        dead = self._dead
        for handle in batch:
            if not handle._cancelled and not (dead and handle._context.get(LIFE, 0) in dead):
                handle._run()

    def _process_events(self, event_list: Any) -> None: ...

    def _asyncgen_finalizer_hook(self, agen: Any) -> None: ...

    def _asyncgen_firstiter_hook(self, agen: Any) -> None: ...

    def bury(self) -> None:
        """Lets go of everything that was dropped, quietly."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for task in self._tasks:
                if not task.done():
                    _close(task.get_coro())
        self._tasks.clear()
        self.close()


def _close(coro: Any) -> None:
    for _ in range(8):
        try:
            coro.close()
        except BaseException:  # the dead may complain; nobody hears it
            continue
        return


def _forbidden(name: str) -> Any:
    def refuse(*_args: Any, **_kwargs: Any) -> Any:
        raise AssertionError(f"{name} in a simulation")

    return refuse


_FORBIDDEN = [
    (time, "time"), (time, "time_ns"), (time, "monotonic"), (time, "sleep"), (os, "urandom"), (uuid, "uuid4"), (uuid, "uuid1"),
    (random, "random"), (random, "randint"), (random, "choice"), (random, "shuffle"), (random, "uniform"), (threading.Thread, "start"),
]  # fmt: skip


@contextmanager
def sealed() -> Iterator[None]:
    """While it lasts, whoever asks the machine for time, chance or a thread is refused."""
    kept = [(owner, name, getattr(owner, name)) for owner, name in _FORBIDDEN]
    try:
        for owner, name, _ in kept:
            setattr(owner, name, _forbidden(f"{getattr(owner, '__name__', owner)}.{name}"))
        yield
    finally:
        for owner, name, original in kept:
            setattr(owner, name, original)


def in_life(life: int) -> contextvars.Context:
    """A context that belongs to a life."""
    context = contextvars.copy_context()
    context.run(LIFE.set, life)
    return context
