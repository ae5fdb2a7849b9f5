"""`python -m syncd.sandbox.serve`: both vendors as a process, for a demo by hand.

It prints one JSON object that says how to connect, then serves until it is interrupted.

Rule: standard output carries that one object and nothing else, so a script can read it.

It must not know what will connect.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

import orjson

from syncd.sandbox.options import EmailOctopusOptions, GoHighLevelOptions, SandboxOptions
from syncd.sandbox.people import populate
from syncd.sandbox.world import Sandbox


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    asyncio.run(_serve(_parser().parse_args(arguments)))
    return 0


async def _serve(chosen: Namespace) -> None:
    options = SandboxOptions(
        ghl=GoHighLevelOptions(port=chosen.ghl_port, index_lag_s=chosen.index_lag_s),
        octopus=EmailOctopusOptions(port=chosen.octopus_port),
        quotas=not chosen.no_quotas,
        seed=chosen.seed,
    )
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Sandbox(options) as sandbox:
        described = sandbox.describe()
        if chosen.people:
            described["people"] = populate(sandbox, chosen.seed, chosen.people).as_json()
        sys.stdout.write(orjson.dumps(described, option=orjson.OPT_INDENT_2).decode() + "\n")
        sys.stdout.flush()
        await stopped.wait()


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m syncd.sandbox.serve", description="Emulated GoHighLevel and EmailOctopus.")
    parser.add_argument("--ghl-port", type=int, default=0, help="port of the GoHighLevel emulator (0: any free one)")
    parser.add_argument("--octopus-port", type=int, default=0, help="port of the EmailOctopus emulator (0: any free one)")
    parser.add_argument("--seed", type=int, default=1, help="seed of everything random")
    parser.add_argument("--people", type=int, default=50, help="how many people to invent (0: none)")
    parser.add_argument("--index-lag-s", type=float, default=2.0, help="how far GoHighLevel's search lags behind")
    parser.add_argument("--no-quotas", action="store_true", help="let any number of requests through")
    return parser


if __name__ == "__main__":
    sys.exit(main())
