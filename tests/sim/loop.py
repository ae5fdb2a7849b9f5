"""A virtual-time event loop: time jumps to whatever is due next, and the order of what is ready is drawn from a seed.

Everything that runs belongs to a life (a context variable): 0 is the world, others are one run of the daemon each. `kill` drops a life
where it stands: none of its callbacks ever runs again, which is what SIGKILL does. `suspend` keeps them back for a while.
The rule that keeps it true: nothing in a run can see the machine's clock, its randomness, its memory addresses or a second thread.
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

from anyio._backends import _asyncio as anyio_asyncio

LIFE: contextvars.ContextVar[int] = contextvars.ContextVar("life", default=0)


LAP_S = 400.0
"""Time that must pass within so many turns."""


class DeadlockError(Exception):
    """Nothing is scheduled while somebody waits."""


class EndlessError(Exception):
    """Far more turns than any honest run takes: something spins without letting time pass."""


class Ordered(dict[Any, None]):
    """A set in the order of its making: a set of objects is in the order of their addresses, which differ from run to run."""

    def add(self, item: Any) -> None:
        self[item] = None

    def discard(self, item: Any) -> None:
        self.pop(item, None)

    remove = dict.__delitem__


class Handle:
    """A callback on the list, with as little around it as the event loop's users need."""

    __slots__ = ("_args", "_callback", "_cancelled", "_context", "_when")

    def __init__(self, callback: Any, args: Any, context: Any, when: float) -> None:
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context() if context is None else context
        self._cancelled = False
        self._when = when

    def cancel(self) -> None:
        self._cancelled = True
        self._callback = self._args = None

    def cancelled(self) -> bool:
        return self._cancelled

    def when(self) -> float:
        return self._when


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
        self._suspended: dict[int, tuple[float, list[Handle]]] = {}
        self._timers: list[tuple[float, int, Handle]] = []
        self._numbers = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self.vt

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        raise AssertionError("a thread in a simulation")

    def call_soon_threadsafe(self, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_soon(callback, *args, context=context)

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = Handle(callback, args, context, 0.0)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        handle = Handle(callback, args, context, when)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
        return self.call_at(self.vt + delay, callback, *args, context=context)

    def kill(self, life: int) -> None:
        """Drops a life: its callbacks are never run again."""
        self._dead.add(life)

    def suspend(self, life: int, seconds: float) -> None:
        """Keeps a life from running for a while; the world goes on, and whatever falls due meanwhile runs afterwards."""
        if life not in self._suspended:
            self._suspended[life] = (self.vt + seconds, [])
            self.call_later(seconds, self._resume, life, context=in_life(0))

    def _resume(self, life: int) -> None:
        self._ready.extend(self._suspended.pop(life)[1])

    def stall(self, seconds: float) -> None:
        """Lets time pass while nothing runs."""
        self.vt += seconds

    def _make_task(self, loop: Any, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=loop, **kwargs)
        task._log_destroy_pending = False
        self._tasks.append(task)
        return task

    def _run_once(self) -> None:
        ready, timers = self._ready, self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready and not self._stopping:
            if not timers:
                raise DeadlockError("nothing is scheduled")
            self.vt = max(self.vt, timers[0][0])
        end = self.vt + 1e-9
        while timers and timers[0][0] <= end:
            ready.append(heapq.heappop(timers)[2])
        if len(ready) == 1:
            batch = [ready.popleft()]
        else:
            batch = [handle for handle in ready if not handle._cancelled]
            ready.clear()
            if self._shuffle and len(batch) > 1:
                self._rng.shuffle(batch)
        self.turns += len(batch) or 1
        if self.turns - self._lap[0] > self._turns_max:
            if self.vt - self._lap[1] < LAP_S:
                raise EndlessError(f"{self._turns_max} turns within {self.vt - self._lap[1]:.1f} s")
            self._lap = (self.turns, self.vt)
        dead, suspended = self._dead, self._suspended
        for handle in batch:
            if handle._cancelled or ((dead or suspended) and self._is_barred(handle)):
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:  # told as any event loop tells it
                self.call_exception_handler({"message": "a callback failed", "exception": error, "handle": handle})

    def _is_barred(self, handle: Handle) -> bool:
        life = handle._context.get(LIFE, 0)
        if life in self._suspended and life not in self._dead:
            self._suspended[life][1].append(handle)
            return True
        return life in self._dead

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
        for task in self._tasks:
            # What anyio keeps of a task that never came to its end holds the task itself, and with it the whole world.
            anyio_asyncio._task_states.pop(task, None)
        self._tasks.clear()
        self._timers.clear()
        self._suspended.clear()
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
    """While it lasts, whoever asks the machine for time, chance or a thread is refused, and sets of tasks have an order."""
    kept = [(owner, name, getattr(owner, name)) for owner, name in _FORBIDDEN]
    try:
        for owner, name, _ in kept:
            setattr(owner, name, _forbidden(f"{getattr(owner, '__name__', owner)}.{name}"))
        anyio_asyncio.set = Ordered  # type: ignore[attr-defined] (seen instead of the builtin)
        yield
    finally:
        del anyio_asyncio.set  # type: ignore[attr-defined]
        for owner, name, original in kept:
            setattr(owner, name, original)


def in_life(life: int) -> contextvars.Context:
    """A context that belongs to a life."""
    context = contextvars.copy_context()
    context.run(LIFE.set, life)
    return context
