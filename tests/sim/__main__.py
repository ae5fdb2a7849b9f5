"""Runs many seeds, or one again: ``python -m tests.sim --seeds N [--start S] [--minutes M] [--small] [--automated]``, ``--replay S``, ``--script FILE``.

The rule that keeps it true: what is printed of a failure is enough to see it again.
It must not know: what a run is made of.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from pathlib import Path

from tests.sim.drawn_automations import automated
from tests.sim.script import KINDS, NUMBERS, Script, draw, small
from tests.sim.shrink import fails_like, shrink
from tests.sim.world import Report, run

LONG = 2_000
"""From so many seeds on, a fault or a step of the outbox that was never reached is a failure."""
EDGES = (
    "new>pending", "new>parked", "pending>sent", "pending>done", "pending>cancelled", "pending>dead", "sent>done", "sent>unknown",
    "sent>pending", "sent>dead", "unknown>done", "unknown>pending", "unknown>dead", "parked>pending",
    "parked>cancelled", "dead>pending", "dead>cancelled", "dead>unknown",
)  # fmt: skip


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--small", action="store_true", help="every world cut down to two systems, two people, four acts and two faults")
    parser.add_argument("--automated", action="store_true", help="every world with one or two automations in it")
    parser.add_argument("--replay", type=int)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first failure")
    parser.add_argument("--shrink", action="store_true", help="shrink the replayed script and print it")
    options = parser.parse_args()
    if options.replay is not None or options.script is not None:
        script = Script.from_json(options.script.read_text()) if options.script else _drawn(options.replay, options)
        return _replay(script, shorten=options.shrink)
    return _many(options)


def _drawn(seed: int, options: argparse.Namespace) -> Script:
    script = draw(seed, options.minutes)
    script = automated(script) if options.automated else script
    return small(script) if options.small else script


def _many(options: argparse.Namespace) -> int:
    # What is there now stays: collecting garbage need not walk through it.
    gc.freeze()
    began, hours = time.perf_counter(), 0.0
    hits, edges, facts, logged = Counter(), Counter(), Counter(), Counter()
    failures: list[Report] = []
    done = 0
    for seed in range(options.start, options.start + options.seeds):
        report = run(_drawn(seed, options))
        done += 1
        if done % 100 == 0 and run(_drawn(seed, options)).digest != report.digest:
            print(f"seed {seed}: not the same run twice")
            failures.append(report)
        hours += report.hours
        hits, edges, facts, logged = hits + report.hits, edges + report.edges, facts + report.facts, logged + report.logged
        if report.failure is not None:
            failures.append(report)
            print(f"seed {seed}: {report.failure.code} at {report.failure.at} s: {report.failure.message[:300]}", flush=True)
            if not options.go_on:
                break
    took = time.perf_counter() - began
    print(f"{done} seeds, {len(failures)} failed, {done / took:.1f} seeds/s, {hours / took:.1f} virtual hours/s")
    for name, counts in (("hits", hits), ("edges", edges), ("facts", facts), ("logged", logged)):
        print(f"{name}: " + ", ".join(f"{key} {count}" for key, count in sorted(counts.items())))
    missed = sorted({*EDGES} - {*edges}) + sorted(f"{kind} ({NUMBERS[kind]})" for kind in KINDS if not hits[kind])
    if missed and done >= LONG and not options.automated:
        print("never reached: " + ", ".join(missed))
    return 1 if failures or (missed and done >= LONG and not options.automated) else 0


def _replay(script: Script, *, shorten: bool) -> int:
    report = run(script)
    if shorten and report.failure is not None:
        script = shrink(script, fails_like(report.failure.code))
        report = run(script)
        print(script.as_json())
    print(f"options: {script.options}")
    for name, habits in zip(("alpha", "beta", "gamma"), script.habits, strict=False):
        print(f"{name}: {habits}")
    for each in sorted([*script.acts, *script.strikes], key=lambda each: each.at):
        print(f"  {each}")
    print(f"digest {report.digest}, {report.hours:.2f} h, hits {dict(report.hits)}")
    print(f"FAILED {report.failure}" if report.failure else "passed")
    return 1 if report.failure else 0


if __name__ == "__main__":
    sys.exit(main())
