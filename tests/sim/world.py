"""The world of one run: the loop, the vendors, the people, the process, and the order in which things are let happen.

`run` carries a script out in two phases, safety under fire and then liveness, and gives a `Report`.
The rule that keeps it true: everything is drawn from the script, nothing from outside, so the same script is the same run to the byte.
It must not know: how the daemon works inside; it is started, killed, asked by requests, and judged by what the vendors hold.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from syncd.core.record import MINUTE, SECOND, CollectionName, SystemName
from syncd.flow import requests
from syncd.flow.bus import Bell
from syncd.store import control, cursors
from tests.sim import oracle
from tests.sim.attendant import Operator
from tests.sim.automating import Automated
from tests.sim.faults import Faults
from tests.sim.loop import DeadlockError, EndlessError, Loop, sealed
from tests.sim.monitors import Monitors
from tests.sim.process import Process
from tests.sim.rules import rules_of
from tests.sim.script import SYSTEMS, Script
from tests.sim.users import Users
from tests.sim.vendor import LONG_AGO, Habits, Vendor
from tests.sim.webhooks import Webhooks

STEP_S = 30.0
LOOKS_MAX = 2_500
"""More looks than this, among five people, are no looks but a spin."""
DISHONEST = (
    "lag_more", "empty", "short", "total_lies", "skipped_page", "masked", "garbled", "hidden", "denied", "stale_get", "jump", "stamps",
    "vendor_jump", "restore", "lost", "partial", "flip",
)  # fmt: skip
"""Faults under which a look may have told the daemon less, or something else, than was true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What was broken, first; `code` is the invariant's number."""

    code: str
    message: str
    at: float


@dataclass(slots=True, kw_only=True)
class Report:
    """What one run came to."""

    script: Script
    failure: Failure | None
    digest: str
    hours: float
    hits: Counter[str]
    edges: Counter[str]
    logged: Counter[str]
    early: Any = None
    """What the vendors held when people and faults had ended, and how it was when all had come to rest."""
    end: Any = None
    commits: int = 0
    facts: Counter[str] = field(default_factory=Counter)


class Clock:
    """The daemon's wall clock, which may be set wrong, and its other one, which only goes forward."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.jumped = 0

    def now(self) -> int:
        return LONG_AGO + int(self._loop.vt * SECOND) + self.jumped

    def monotonic(self) -> float:
        return self._loop.vt


class World:
    """Everything of one run."""

    def __init__(self, script: Script, *, crash_at: int | None = None) -> None:
        self.script = script
        self.options = dict(script.options)
        self.crash_at, self.commit_points = crash_at, 0
        self.rng = Random(script.seed * 31 + 7)
        self.loop = Loop(script.seed, shuffle=self.options["shuffle"])
        self.clock = Clock(self.loop)
        self.clock.jumped = int(self.options.get("shift", 0) * SECOND)
        self.hits: Counter[str] = Counter()
        self.edges: Counter[str] = Counter()
        self.logged: Counter[str] = Counter()
        self.facts: Counter[str] = Counter()
        self.breaks: list[float] = []
        self.frozen: list[tuple[float, float]] = []
        """When the machine slept."""
        self.poisoned: int | None = None
        """Whose records refuse every write for good, once all else has healed."""
        self.restored_at: list[float] = []
        self.failure: Failure | None = None
        self.error: BaseException | None = None
        self.started = False
        self.early: Any = None
        self.quiet_since: float | None = None
        self.requests = 0
        self.touched_by_operator: set[int] = set()
        self.operator_acted = False
        self.paths = ("email", *self.options["fields"])
        self.carried = frozenset(self.options.get("carried", ()))
        """Fields that only automations write."""
        self.vendors = {
            name: Vendor(name, Habits(**habits), self.true_time, first_id=self.options.get("first_id", 1)) for name, habits in zip(SYSTEMS, script.habits, strict=False)
        }
        self.rules = rules_of(self.options, self.vendors)
        self.changed_at = -1e9
        self.had: dict[str, list[Any]] = {name: [value] for name, value in self.options.items()}
        """Every value each option ever had: rules may be changed under way."""
        self.digest = "one"
        full_pass = self.options["full_pass"] * MINUTE
        shortest, longest = (100_000 * MINUTE,) * 2 if self.options.get("no_polls") else (MINUTE, 5 * MINUTE)
        self.timing = {"poll_min": shortest, "poll_max": longest, "full_pass": full_pass, "tick_s": 60.0, "gather_s": self.options.get("gather_s", 0.0)}
        self.faults = Faults(script.strikes, self.loop.time, self.hits)
        self.monitors = Monitors(self)
        self.users = Users(self)
        self.automated = Automated(self)
        self.process = Process(self)
        self.webhooks = Webhooks(self)
        self.operator = Operator(self)
        self._hash = hashlib.blake2b(digest_size=8)
        self._sleeper: asyncio.Future[None] | None = None
        self._kept: list[Any] = []
        self._disk_until = -1.0
        self._down: set[str] = set()
        self.loop.set_exception_handler(self._heard)

    # ---- what the parts ask

    def true_time(self) -> int:
        return LONG_AGO + int(self.loop.vt * SECOND) + int(self.options.get("shift", 0) * SECOND)

    def latency(self) -> float:
        return self.options["latency"] * (0.5 + self.rng.random())

    def later(self, delay: float, job: Callable[[], None]) -> None:
        """Something the world does, whoever lives then."""
        self.loop.call_later(max(0.0, delay), job, context=self._context)

    def keep(self, task: Any) -> None:
        self._kept.append(task)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def note_call(self, system: str, operation: str) -> None:
        self.facts[f"call {operation}"] += 1
        self.trace(f"{operation} {system}")
        if self.facts["call get"] > LOOKS_MAX:
            self.fail("S13", f"{LOOKS_MAX} looks at single records, and no end")

    def trace(self, line: str) -> None:
        self._hash.update(f"{self.loop.vt:.6f} {line}\n".encode())

    def is_down(self, system: str) -> bool:
        return system in self._down

    def disk_is_full(self) -> bool:
        hit = self.faults.roll("disk")
        if hit is not None:
            self._disk_until = self.loop.vt + hit.amount
        return self.loop.vt <= self._disk_until and not self.faults.healed

    def declared_lag(self, vendor: Vendor) -> float:
        return vendor.habits.lag / SECOND

    def reconfigure(self, salt: int) -> None:
        """Changes one rule, as a person edits the configuration."""
        rng = Random(salt)
        systems = len(self.vendors)
        changed = {
            "conflict": lambda: rng.choice(("source_of_truth", "last_modified", "review")),
            "truth": lambda: rng.randrange(systems),
            "owner": lambda: rng.choice((None, rng.randrange(systems))),
            "delete": lambda: rng.choice(("propagate", "archive", "unlink", "review")),
            "when": lambda: rng.choice((None, rng.randrange(systems))),
            "fields": lambda: self.options["fields"][:-1] or self.options["fields"],
        }
        name = rng.choice(sorted(changed))
        self.options[name] = changed[name]()
        self.had[name].append(self.options[name])
        self.changed_at = self.loop.vt
        self.rules = rules_of(self.options, self.vendors)
        self.digest += f" {name} {self.options[name]}"

    def allows(self, option: str, value: Any) -> bool:
        """Whether a rule is so, or was until a moment ago."""
        return self.options[option] == value or (self.loop.vt - self.changed_at < 60 and value in self.had[option])

    @property
    def is_reconfigured(self) -> bool:
        return any(len(values) > 1 for values in self.had.values())

    @property
    def somebody_owned(self) -> bool:
        """Whether edits on some side are, or were, put back or not heard."""
        return any(owner is not None for owner in self.had["owner"]) or self.options["direction"]

    def was_frozen(self, ago_s: float) -> bool:
        """Whether the machine slept within so many seconds."""
        return any(ended >= self.loop.vt - ago_s for _, ended in self.frozen)

    @property
    def looks_are_honest(self) -> bool:
        return not self.script.has(*DISHONEST) and not self.operator_acted

    def fail(self, code: str, message: str, error: BaseException | None = None) -> None:
        """The first thing that is broken ends the run."""
        if self.failure is None:
            self.failure = Failure(code=code, message=message, at=round(self.loop.vt, 3))
            self.error = error
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def _heard(self, _loop: Any, context: Mapping[str, Any]) -> None:
        if "handle" in context and context.get("exception") is not None:
            self.fail("simulator", repr(context["exception"]), context["exception"])

    # ---- the run

    def run(self) -> Report:
        follow, requests.FOLLOW_S = requests.FOLLOW_S, 60.0
        try:
            with sealed():
                asyncio._set_running_loop(None)
                self.loop.run_until_complete(self._main())
        except DeadlockError as error:
            self.fail("L6", f"deadlock: {error}")
        except EndlessError as error:
            self.fail("L2", f"livelock: {error}")
        finally:
            requests.FOLLOW_S = follow
            report = Report(
                script=self.script, failure=self.failure, digest=self._hash.hexdigest(), hours=self.loop.vt / 3600, hits=self.hits,
                edges=self.edges, logged=self.logged, early=self.early, end=oracle.end_state(self), commits=self.commit_points, facts=self.facts,
            )  # fmt: skip
            self.loop.bury()
            self.process.end()
        if self.error is not None and isinstance(self.error, KeyboardInterrupt):
            raise self.error
        return report

    async def _main(self) -> None:
        self._context = contextvars.copy_context()
        self.users.settle_in()
        self.started = True
        self.process.start()
        self._schedule()
        await self._pass_time(self.script.minutes * 60)
        self._heal()
        if not await self._come_to_rest():
            return
        oracle.check(self)
        if self.failure is None:
            await self._stay_at_rest()

    async def _pass_time(self, seconds: float) -> bool:
        """Lets time pass; False when something broke."""
        if self.failure is None:
            self._sleeper = self.loop.create_future()
            sleeper = self._sleeper
            handle = self.loop.call_later(seconds, lambda: sleeper.done() or sleeper.set_result(None))
            await self._sleeper
            handle.cancel()
        return self.failure is None

    def _schedule(self) -> None:
        for act in self.script.acts:
            self.later(act.at, lambda act=act: self.users.do(act))
        for strike in self.script.strikes:
            match strike.kind:
                case "jump":
                    job: Callable[[], None] = lambda strike=strike: self._jump(strike.amount)  # noqa: E731
                case "stall":
                    job = lambda strike=strike: self.loop.stall(strike.amount)  # noqa: E731
                case "term":
                    job = self.process.terminate
                case "restore":
                    job = lambda strike=strike: self.process.restore(strike.amount)  # noqa: E731
                case "lost":
                    job = self.process.lose
                case "suspend":
                    job = lambda strike=strike: self.process.suspend(strike.amount)  # noqa: E731
                case "config":
                    job = lambda strike=strike: self.process.reconfigure(strike.salt)  # noqa: E731
                case "swapped":
                    job = self.process.swap_account
                case "flip":
                    job = lambda strike=strike: self.process.flip(strike.salt)  # noqa: E731
                case "vendor_jump" | "stamps":
                    job = lambda strike=strike: self._misset(strike)  # noqa: E731
                case _:
                    continue
            self.later(strike.at, lambda kind=strike.kind, job=job: (self.hits.update([kind]), job()))
        if self.script.has("restore"):
            for number in range(int(self.script.minutes * 2)):
                self.later(5 + number * 30.0, self.process.back_up)
        if self.options["first_run"] == "review" or self.options["tight"]:
            for number in range(int(self.script.minutes)):
                self.later(30.0 + number * 60.0, self.operator.let_through)

        if self.options["operator"] and self.script.has("unauthorized"):
            for number in range(int(self.script.minutes)):
                self.later(45.0 + number * 60.0, self.operator.resume)

    def _misset(self, strike: Any) -> None:
        """A vendor's clock is set, or it forgets its time zone."""
        vendor = self.vendors[SYSTEMS[(strike.system or 0) % len(self.vendors)]]
        if strike.kind == "stamps":
            vendor.misread = int(strike.amount * SECOND)
            self.later(strike.until - strike.at, lambda: setattr(vendor, "misread", 0))
        else:
            vendor.skew += int(strike.amount * SECOND)

    def _jump(self, seconds: float) -> None:
        self.clock.jumped += int(seconds * SECOND)

    def _heal(self) -> None:
        self.early = oracle.end_state(self)
        self.faults.heal()
        self._disk_until = -1.0
        if self.options["heal"] in ("down", "paused") and len(self.vendors) > 2:
            self._down = {SYSTEMS[self.script.seed % len(self.vendors)]}
        if self.options["heal"] == "poison":
            self.poisoned = self.script.seed % self.options["people"]

    async def _come_to_rest(self) -> bool:
        """Phase two: until all is done, or too late."""
        healed = self.loop.vt
        jump_s = abs(self.clock.jumped) / SECOND if self.script.has("jump") else 0
        wish_s = max([min(each.amount, 86_400) for each in self.script.strikes if each.kind == "rate"], default=0)
        bound = 3 * 3600 + jump_s + 2 * wish_s + (12 * 3600 if self.script.has("hook_late") else 0)
        while self.loop.vt - healed < bound:
            if not await self._pass_time(STEP_S if self.loop.vt - healed < 3600 else STEP_S * 10):
                return False
            self.operator.look_round()
            if self.options.get("no_polls") and self.process.engine is not None and self.loop.vt - healed < 100:
                self._ask_for_all()
            if self.loop.vt - healed >= 60 and oracle.is_at_rest(self, healed):
                self.facts["seconds to rest"] += int(self.loop.vt - healed)
                return True
        self.fail("L1", f"not at rest {bound / 3600:.1f} h after everything healed: {oracle.unrest(self, healed)}")
        return False

    async def _stay_at_rest(self) -> None:
        """Nothing is edited any more: every webhook ever sent is sent again, everything is listed again, and nothing may be written."""
        self.quiet_since = self.loop.vt
        decided = oracle.decisions(self)
        self.webhooks.again()
        self.webhooks.again(new_keys=True)
        self._ask_for_all()
        await self._pass_time(90)
        if self.failure is None and oracle.decisions(self) != decided:
            self.fail("S7", "something was decided though nothing was edited")

    def _ask_for_all(self) -> None:
        """Has everything listed again."""
        assert self.process.engine is not None
        at = self.process.engine.clock.now()
        for name in self.vendors:
            cursors.ask_complete(self.process.connection, (SystemName(name), CollectionName("contacts")), at)
        self.ring()

    def ask(self, kind: str, arguments: dict[str, Any]) -> None:
        """Leaves a request, as a command would."""
        control.ask(self.process.connection, kind, arguments, self.clock.now())
        self.requests += 1
        self.ring()

    def ring(self) -> None:
        if self.process.engine is not None:
            self.process.engine.bus.ring(*Bell)


def run(script: Script, *, crash_at: int | None = None) -> Report:
    """Carries a script out."""
    return World(script, crash_at=crash_at).run()
