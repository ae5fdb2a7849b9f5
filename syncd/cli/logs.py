"""Logs: one JSON object a line on standard error, for journald and for `jq`; or plain lines for a person.

Our own events and those of the libraries go the same way: ``timestamp``, ``level``, ``event``, then the keys.
The rule that keeps it true: every line passes `discretion`, and no value reaches a terminal raw; one event is one line, whatever a
record is called. Nobody logs bodies, and there is no flag for it.
It must not know: which events there are.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Any

import orjson
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from syncd.cli.discretion import Discretion, told_exceptions
from syncd.cli.text import safe
from syncd.config import LogLevel, Settings

_FIRST = ("timestamp", "level", "event")
_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


class LogFormat(Enum):
    """How a log line looks."""

    JSON = "json"
    CONSOLE = "console"


def is_plain(form: LogFormat | None) -> bool:
    """Whether the log is for a person: asked for so, or on a terminal."""
    return form is LogFormat.CONSOLE or (form is None and sys.stderr.isatty())


def set_up_logs(level: LogLevel, form: LogFormat | None = None) -> FilteringBoundLogger:
    """The log everything goes to. Without a form: plain on a terminal, JSON elsewhere."""
    plain, discretion = is_plain(form), Discretion()
    shared: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        told_exceptions,
    ]
    render: list[Processor] = [_plain] if plain else [_ordered, structlog.processors.JSONRenderer(serializer=_json)]
    structlog.configure(
        processors=[*shared, discretion.of_ours, *render],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _set_up_libraries([*shared, discretion.of_libraries], [discretion.of_ours, *render], max(_LEVELS[level], logging.INFO))
    log: FilteringBoundLogger = structlog.get_logger()
    sys.excepthook = partial(_crashed, log)
    return log


def _crashed(log: FilteringBoundLogger, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """What nobody foresaw ends the process as an event too, so that whoever reads the log finds it there."""
    log.critical("process.crashed", error=kind.__name__, exc_info=(kind, error, trace))


def quiet_log(settings: Settings) -> FilteringBoundLogger:
    """The log of a command that does a daemon's work for a while: only what somebody should look at."""
    return set_up_logs(max((settings.daemon.log_level, LogLevel.WARNING), key=list(LogLevel).index))


def _set_up_libraries(shared: list[Processor], render: list[Processor], level: int) -> None:
    """aiohttp, asyncio and the warnings module, in our form; their debug lines are nobody's business but theirs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)


def _ordered(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: event[key] for key in (*_FIRST, *(key for key in event if key not in _FIRST)) if key in event}


def _json(event: Any, **_options: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _plain(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    exception = event.pop("exception", None)
    first = [str(event.pop(key, "")) for key in _FIRST]
    keys = " ".join(f"{key}={safe(str(value))}" for key, value in event.items())
    line = f"{first[0][11:23]} {first[1]:<7} {safe(first[2])}  {keys}".rstrip()
    return line if exception is None else "\n".join([line, *map(safe, str(exception).split("\n"))])
