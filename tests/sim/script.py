"""A script: everything that one run is made of. The world's habits, what people do and when, and which faults strike whom.

A script is drawn from a seed by `draw`, or read back from JSON; taking an item away leaves a script that runs, which is how one is shrunk.
The rule that keeps it true: worlds are small, hot and correlated, so that edits meet; every kind of fault is left out of many seeds.
It must not know: how anything is carried out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from random import Random
from typing import Any

SYSTEMS = ("alpha", "beta", "gamma")
SCALARS = ("name", "note")

REQUESTS = (
    "refused", "timeout_before", "timeout_after", "reset_before", "reset_after", "garbage", "rate", "e500_before", "e500_after",
    "e422_after", "rejected", "stale409", "partial", "slow", "unauthorized",
)  # fmt: skip
READS = ("stale_get", "lag_more", "empty", "short", "total_lies", "masked", "garbled", "denied", "hidden", "skipped_page")
MEANWHILE = ("edit_during", "delete_during", "trigger", "drift", "locked")
WEBHOOKS = (
    "hook_dup", "hook_dup_new", "hook_late", "hook_lost", "hook_order", "hook_lies", "hook_forged", "hook_stranger", "hook_burst",
    "hook_disabled",
)  # fmt: skip
TIME = ("jump", "stall", "suspend", "vendor_jump", "stamps")
PROCESS = ("crash", "disk", "restore", "lost", "term", "config", "swapped", "flip")
KINDS = (*REQUESTS, *READS, *MEANWHILE, *WEBHOOKS, *TIME, *PROCESS)
ACTS = (
    "edit", "clear", "email", "tag", "untag", "create", "create_both", "delete", "recreate", "undelete", "merge", "bump", "copy_edit",
)  # fmt: skip
NUMBERS = {
    "refused": "F1/F2", "timeout_before": "F3", "timeout_after": "F4", "reset_before": "F5", "reset_after": "F6", "garbage": "F7/F8/F9",
    "rate": "F10/F11", "e500_before": "F12", "e500_after": "F13", "e422_after": "F14", "rejected": "F57", "stale409": "409",
    "partial": "F15", "slow": "F16", "unauthorized": "F65/F68/F69", "stale_get": "F20", "lag_more": "F20/F21", "empty": "F25",
    "short": "F25", "total_lies": "F26", "masked": "F27", "garbled": "F28", "denied": "F19", "hidden": "F55", "skipped_page": "F22",
    "edit_during": "F36", "delete_during": "F52", "trigger": "F51", "drift": "F22/F23", "locked": "F56", "hook_dup": "F30",
    "hook_dup_new": "F31", "hook_late": "F33", "hook_lost": "F34", "hook_order": "F32", "hook_lies": "F39", "hook_forged": "F37",
    "hook_stranger": "F40", "hook_burst": "F35", "hook_disabled": "F41", "jump": "F46", "stall": "F87", "suspend": "F48",
    "vendor_jump": "F45", "stamps": "F47", "crash": "F75", "disk": "F78", "restore": "F82", "lost": "F82", "term": "F76", "config": "F89",
    "swapped": "F70", "flip": "F80",
}  # fmt: skip
"""The catalogue's number of each kind of fault.

Habits and acts bring others: F24 coarse times, F38 repeats of everything at rest, F45 a vendor's clock that is off, F49 a bump without a
change and a change without a bump, F50 spelling, F53/F54 records made again, undeleted or under a used address, F58 texts cut short, F59
tags in another order, F60 a record that leaves the filter of its member (`when`).
Faults of bytes and sockets belong to the real HTTP client and its tests: F2 in its kinds, F16 by the byte, F17 redirects, F18 huge bodies;
tokens to the connectors that have them: F66, F67; real disks and processes to the tests that start them: F77, F79, F81, F83 to F86, F88.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing a person does. `person` and `system` are taken modulo what there is; `salt` decides what is left open."""

    kind: str
    at: float
    person: int = 0
    system: int = 0
    path: str = "name"
    salt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One fault: between two moments, at each chance with this probability, at most so often, on one system (None: any)."""

    kind: str
    at: float
    until: float
    rate: float = 1.0
    most: int = 1_000
    system: int | None = None
    operation: str = "*"
    amount: float = 0.0
    salt: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One run. `options` are the world's own, each with its value; `habits` those of each vendor."""

    seed: int
    minutes: float
    options: dict[str, Any]
    habits: Sequence[dict[str, Any]]
    acts: Sequence[Act]
    strikes: Sequence[Strike] = field(default_factory=tuple)

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Script:
        kept = json.loads(text)
        kept["acts"] = tuple(Act(**each) for each in kept["acts"])
        kept["strikes"] = tuple(Strike(**each) for each in kept["strikes"])
        return cls(**kept)

    def without(self, *, acts: Sequence[Act] | None = None, strikes: Sequence[Strike] | None = None) -> Script:
        return replace(self, acts=self.acts if acts is None else acts, strikes=self.strikes if strikes is None else strikes)

    def has(self, *kinds: str) -> bool:
        return any(each.kind in kinds for each in self.strikes)


def draw(seed: int, minutes: float | None = None) -> Script:
    """The script of a seed."""
    rng = Random(seed * 7919 + 17)
    drawn = rng.choice((4.0, 4.0, 5.0, 8.0))
    minutes = drawn if minutes is None else minutes
    # With its stages waiting for more to do, and at once.
    options = _options(rng) | {"gather_s": 0.02 if seed % 2 else 0.0}
    habits = [_habits(rng, options) for _ in range(options["systems"])]
    acts = _acts(rng, options, minutes)
    strikes = _strikes(rng, options, acts, minutes) if rng.random() < 0.9 else ()
    if rng.random() < 0.35:
        acts, strikes = _with_theme(rng, options, acts, strikes, minutes * 60)
    acts = _with_newcomers(Random(seed), options, habits, acts)
    return Script(seed=seed, minutes=minutes, options=options, habits=habits, acts=acts, strikes=strikes)


def small(script: Script) -> Script:
    """The same script in a small world: two systems, two people at most, the first four acts and the first two faults."""

    def one_of_two(system: int | None) -> int | None:
        return None if system is None else system % 2

    options = script.options | {name: one_of_two(script.options[name]) for name in ("truth", "owner", "when")}
    strikes = [replace(each, system=one_of_two(each.system)) for each in script.strikes[:2]]
    return replace(
        script,
        options=options | {"systems": 2, "people": min(2, script.options["people"])},
        habits=script.habits[:2],
        acts=script.acts[:4],
        strikes=tuple(strikes),
    )


def _options(rng: Random) -> dict[str, Any]:
    systems = rng.choice((2, 2, 3))
    delete = rng.choice(("propagate", "propagate", "archive", "unlink", "review"))
    return {
        "systems": systems,
        "people": rng.randint(1, 5),
        "fields": rng.choice((("name", "tags"), ("name", "note", "tags"), ("name",), ("tags",))),
        "conflict": rng.choice(("source_of_truth", "source_of_truth", "last_modified", "last_modified", "review")),
        "delete": delete,
        "truth": rng.randrange(systems),
        "owner": rng.choice((None, None, None, None, rng.randrange(systems))),
        "direction": rng.random() < 0.08,
        "blank": rng.choice(("propagate", "propagate", "propagate", "ignore")),
        "first_run": rng.choice(("auto", "auto", "review")),
        "tight": rng.random() < 0.12,
        "shuffle": rng.random() < 0.8,
        "operator": rng.random() < 0.5,
        "hops": rng.choice((0, 0, 2, 5)),
        "start": rng.choice(("both", "both", "one", "mixed", "differ")),
        "heal": rng.choice(("down", "paused", "poison")) if rng.random() < 0.12 else "all",
        "when": rng.randrange(systems) if rng.random() < 0.08 else None,
        "full_pass": rng.choice((6, 6, 10, 20)),
        "disk_s": rng.choice((0, 0, 0.002, 0.02, 0.2)),
        "latency": rng.choice((0.02, 0.2, 0.2, 1.5)),
        "skew_error": 1.0,
        "backlog": rng.random() < 0.3,
    }


def _habits(rng: Random, options: dict[str, Any]) -> dict[str, Any]:
    modified = rng.random() < 0.8
    lag = rng.choice((0, 0, 3, 20)) * 1_000_000 if modified else 0
    resolution = rng.choice((1, 1_000, 1_000, 1_000_000, 60_000_000)) if modified else 1
    if lag:
        # A listing that runs behind is told from a newer one by the modified time alone.
        resolution = min(resolution, 1_000)
    return {
        "page_size": rng.choice((1, 2, 50, 50)),
        "paging": rng.choice(("modified", "id", "offset")) if modified else rng.choice(("id", "offset")),
        "lag": lag,
        "resolution": resolution,
        "modified_time": modified,
        "incremental": modified and rng.random() < 0.7,
        "webhooks": rng.choice(("hint", "hint", "full", "none")),
        "unique": rng.random() < 0.3,
        "find": rng.random() < 0.85,
        "batch": rng.choice((1, 1, 10)),
        "counts": rng.random() < 0.6,
        "skew": rng.choice((0, 0, 0, 90, -240, 900)) * 1_000_000,
        "normalise": rng.choice(("", "", "lower", "title", "trim", "cut")),
        "reorder": rng.random() < 0.2,
        "bumps": rng.random() < 0.95,
    }


def _acts(rng: Random, options: dict[str, Any], minutes: float) -> tuple[Act, ...]:
    weights = {"edit": 10, "clear": 2, "email": 1, "tag": 4, "untag": 3, "copy_edit": 2, "bump": 1, "create": 2, "create_both": 1}
    wilder = {"delete": 2, "recreate": 1, "undelete": 1, "merge": 0.4}
    if rng.random() < 0.5:
        weights |= wilder
    allowed = rng.random() < 0.6
    kinds = list(weights)
    span = minutes * 60
    hot = [rng.uniform(0, span) for _ in range(rng.randint(1, 4))]
    acts = []
    for _ in range(rng.choice((2, 4, 8, 16, 30))):
        at = rng.choice(hot) + rng.choice((0, 0, 0.001, 0.5, 3, 15)) * rng.random() if rng.random() < 0.6 else rng.uniform(0, span)
        acts.append(
            Act(
                kind=rng.choices(kinds, [weights[each] for each in kinds])[0],
                at=round(min(at, span), 3),
                person=rng.randrange(options["people"]) if allowed else 0,
                system=rng.randrange(options["systems"]),
                path=rng.choice([each for each in options["fields"] if each != "tags"] or ["tags"]),
                salt=rng.randrange(1 << 30),
            )
        )
    return tuple(sorted(acts, key=lambda each: each.at))


def _with_newcomers(rng: Random, options: dict[str, Any], habits: list[dict[str, Any]], acts: tuple[Act, ...]) -> tuple[Act, ...]:
    """In one world of five some people are nowhere when it begins, and are soon entered, often on every side at the same moment."""
    if not acts or rng.random() >= 0.2:
        return acts
    for each in habits:
        each["finds_at_once"] = rng.random() < 0.5
    options["newcomers"] = rng.randint(1, options["people"])
    entered = [
        replace(rng.choice(acts), kind=rng.choice(("create", "create_both", "create_both")), person=options["people"] - 1 - number, salt=rng.randrange(1 << 30))
        for number in range(options["newcomers"])
    ]
    return tuple(sorted((*acts, *entered), key=lambda each: each.at))


def _strikes(rng: Random, options: dict[str, Any], acts: Sequence[Act], minutes: float) -> tuple[Strike, ...]:
    span = minutes * 60
    share = rng.choice((0.05, 0.1, 0.25))
    chosen = [kind for kind in KINDS if rng.random() < share] or [rng.choice(KINDS)]
    rng.shuffle(chosen)
    strikes = []
    for kind in chosen[: rng.choice((1, 2, 4, 8, 12))]:
        for _ in range(rng.choice((1, 1, 2))):
            once = kind in PROCESS or kind in TIME
            brief = once or kind == "denied"
            length = rng.choice((5, 30, 120)) * rng.random() if brief else rng.choice((5, 30, 120, 600)) * rng.random()
            at = max(0.0, _moment(rng, acts, span) - (rng.random() * 3 if not once else -rng.random() * 6))
            strikes.append(
                Strike(
                    kind=kind,
                    at=round(at, 3),
                    until=round(min(span, at + max(length, 3.0)), 3),
                    rate=rng.choice((0.1, 0.5, 0.9, 1.0)),
                    most=1 if once or rng.random() < 0.4 else rng.choice((2, 5, 20 if kind == "trigger" else 1_000)),
                    system=rng.choice((None, rng.randrange(options["systems"]))),
                    operation=rng.choice(_operations(kind)),
                    amount=_amount(rng, kind),
                    salt=rng.randrange(1 << 30),
                )
            )
    return tuple(sorted(strikes, key=lambda each: each.at))


def _with_theme(
    rng: Random, options: dict[str, Any], acts: tuple[Act, ...], strikes: tuple[Strike, ...], span: float
) -> tuple[tuple[Act, ...], tuple[Strike, ...]]:
    """One more cluster of edits and faults, made to meet."""
    theme = rng.choice(("creates", "flight", "masks", "refusals"))
    at = rng.uniform(60, span - 120)
    person, path = rng.randrange(options["people"]), rng.choice(options["fields"])

    def strike(kind: str, operation: str, begin: float, length: float, **other: Any) -> Strike:
        given = {"rate": rng.choice((0.5, 1.0)), "most": rng.choice((1, 2, 5)), "salt": rng.randrange(1 << 30)} | other
        return Strike(kind=kind, at=round(begin, 3), until=round(min(span, begin + length), 3), operation=operation, **given)

    def act(kind: str, moment: float) -> Act:
        return Act(
            kind=kind, at=round(min(span, moment), 3), person=person, system=rng.randrange(options["systems"]), path=path,
            salt=rng.randrange(1 << 30),
        )  # fmt: skip

    match theme:
        case "creates":
            options["start"], options["first_run"] = "one", "auto"
            kind = rng.choice(("crash", "crash", "timeout_after", "reset_after", "e500_after", "e422_after", "garbage", "timeout_before"))
            where = rng.choice(("in_call", "after_call", "after_commit")) if kind == "crash" else "create"
            more = [strike(kind, where, 0.0, 3.0, amount=float(rng.randrange(12)) if kind == "crash" else 0.0)]
            fresh = [act("create", at)]
        case "flight":
            kind = rng.choice(("timeout_before", "timeout_after", "slow", "e500_after", "reset_after"))
            more = [strike(kind, "update", at, 90.0, amount=40.0)]
            fresh = [act(rng.choice(("edit", "tag", "clear")), at + rng.random() * gap) for gap in (0, 5, 20, 40)]
        case "masks":
            more = [strike("masked", rng.choice(("page", "get")), at, 300.0, most=1_000, rate=0.5)]
            fresh = [act("edit", at + 50), act("bump", at + 100)]
        case _:
            more = [strike("rejected", "update", at, 300.0, most=1_000, rate=1.0)]
            fresh = [act("edit", at + 1), *(act("bump", at + 20 + 40 * number) for number in range(6))]
    merged = sorted([*acts, *fresh], key=lambda each: each.at), sorted([*strikes, *more], key=lambda each: each.at)
    return tuple(merged[0]), tuple(merged[1])


def _moment(rng: Random, acts: Sequence[Act], span: float) -> float:
    """When a fault begins: while somebody edits, at the very start, or at any time."""
    if acts and rng.random() < 0.6:
        return rng.choice(acts).at
    return 0.0 if rng.random() < 0.4 else rng.uniform(0, span)


def _operations(kind: str) -> tuple[str, ...]:
    if kind == "e422_after":
        return ("create", "create", "update", "delete")
    if kind == "stale409":
        return ("update", "create")
    if kind in ("partial", "edit_during", "delete_during", "trigger"):
        return ("update", "create") if kind != "delete_during" else ("update", "get")
    if kind in ("stale_get", "denied"):
        return ("get",)
    if kind in ("empty", "short", "total_lies", "skipped_page", "lag_more", "hidden", "drift"):
        return ("page",)
    if kind in ("masked", "garbled"):
        return ("page", "get")
    if kind == "locked":
        return ("update",)
    if kind == "crash":
        return ("before_commit", "after_commit", "before_call", "in_call", "after_call", "any")
    return ("*", "*", "update", "create", "get", "page", "find", "delete")


def _amount(rng: Random, kind: str) -> float:
    match kind:
        case "rate":
            return rng.choice((0, 1, 10, 120, 100_000))
        case "hook_late":
            return rng.choice((30, 300, 3_600, 20_000))
        case "hook_order":
            return rng.choice((1, 10, 60))
        case "jump":
            return rng.choice((-7200, -60, -2, 2, 60, 7200))
        case "stall":
            return rng.choice((5, 30, 300))
        case "suspend":
            return rng.choice((5, 30, 400, 4_000))
        case "vendor_jump":
            return rng.choice((-600, -60, -2, 2, 60, 600))
        case "stamps":
            return rng.choice((-3600, 3600))
        case "crash" | "term":
            return rng.choice((0, 0, 1, 3, 10))
        case "restore":
            return rng.choice((5, 60, 300))
        case "slow":
            return rng.choice((3, 20, 40))
        case "lag_more":
            return rng.choice((5, 60, 600))
        case "disk":
            return rng.choice((0, 5, 60))
        case _:
            return 0.0
