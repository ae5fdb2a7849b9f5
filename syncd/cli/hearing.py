"""What was heard of a system by itself: its webhooks, in words and as data.

The rule that keeps it true: what was counted is shown, and nothing concluded from it.
It must not know: any vendor, or how webhooks are counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.cli.text import ago, counted, iso
from syncd.core.record import Json, Micros
from syncd.store.arrivals import Hearing, Hearsay


def rows(heard: Hearsay, now: Micros) -> list[list[str]]:
    """A line for each thing there is to say; none where nothing was ever heard."""
    accepted, refused = heard.count(Hearing.ACCEPTED), heard.last(Hearing.REFUSED)
    found = []
    if accepted:
        found.append(["webhooks", f"{accepted:,} accepted, the last one {ago(heard.last_at(Hearing.ACCEPTED), now)}"])
    if refused is not None:
        found.append(["refused", f"{counted(heard.count(Hearing.REFUSED), 'webhook')}, the last one {ago(refused.last_at, now)} ({refused.word})"])
    for what, said in (
        (Hearing.UNKNOWN, "of no known kind"),
        (Hearing.UNPLACED, "without a word of which record"),
        (Hearing.UNWANTED, "that no sync reads"),
    ):
        if words := heard.by_word(what):
            found.append([what.value, f"{counted(heard.count(what), 'webhook')} {said}: {_listed(words)}"])
    if missed := heard.by_word(Hearing.UNANNOUNCED):
        said = f"{counted(heard.count(Hearing.UNANNOUNCED), 'change')} found by poll, not announced by webhook"
        found.append(["unannounced", f"{said}: {_listed(missed)}; the last one {ago(heard.last_at(Hearing.UNANNOUNCED), now)}"])
    return found


def as_data(heard: Hearsay) -> dict[str, Json]:
    """The same for programs: each kind's counts, and when it was last so."""
    refused = heard.last(Hearing.REFUSED)
    return {
        "last_accepted_at": iso(heard.last_at(Hearing.ACCEPTED)),
        "last_refused_at": None if refused is None else iso(refused.last_at),
        "last_refused_for": None if refused is None else refused.word,
        "last_unannounced_at": iso(heard.last_at(Hearing.UNANNOUNCED)),
        **{what.value: dict(heard.by_word(what)) for what in Hearing},
    }


def _listed(words: Mapping[str, int], most: int = 6) -> str:
    shown = [f"{word} {count:,}" for word, count in list(words.items())[:most]]
    return ", ".join([*shown, f"and {len(words) - most:,} other kinds"] if len(words) > most else shown)
