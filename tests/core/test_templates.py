"""Templates: what they become, and what they refuse."""

from __future__ import annotations

import pytest

from syncd.core.record import DAY, SECOND
from syncd.core.templates import NOTHING, Missing, TemplateError, look_up, moment, render, tokens

KNOWN = {
    "event": {"id": "7", "count": 3, "tags": ["a", "b"], "custom.plan": "gold", "deep": {"list": [{"name": "x"}]}, "none": None, "yes": True},
    "now": 1_800_000_000 * SECOND,
}


@pytest.mark.parametrize(
    ("written", "rendered"),
    [
        ("plain", "plain"),
        ("{event.count}", 3),
        ("{event.tags}", ["a", "b"]),
        ("{event.none}", None),
        ("{event.yes}", True),
        ("n {event.count}", "n 3"),
        ("{event.tags} and {event.yes}{event.none}", "a, b and true"),
        ("{event.custom.plan}", "gold"),
        ("{event.deep.list.0.name}", "x"),
        ("{event.deep.list}!", '[{"name":"x"}]!'),
        ("{{{event.id}}}", "{7}"),
        ("{event.none|friend}", "friend"),
        ("{event.gone|friend}", "friend"),
        ("{event.count|friend}", 3),
        ("{now.s}", 1_800_000_000),
        ({"a": ["{event.id}", 1]}, {"a": ["7", 1]}),
        (5, 5),
    ],
)
def test_what_it_becomes(written, rendered):
    """A lone path keeps its type; text around it makes text."""
    assert rendered == render(written, KNOWN)


@pytest.mark.parametrize("written", ["{event.gone}", "x {event.deep.list.1}", "{other}", ["{event.id.deeper}"]])
def test_what_leads_nowhere_is_said(written):
    """And never filled with nothing."""
    with pytest.raises(Missing):
        render(written, KNOWN)


@pytest.mark.parametrize("written", ["{", "a } b", "{}", "{a b}", "{event.}", "{1}"])
def test_what_is_no_template_is_refused(written):
    """A brace that is meant is written twice."""
    with pytest.raises(TemplateError):
        list(tokens(written))


def test_tokens_are_found_however_deep():
    """With their first parts."""
    assert ["event.a", "hub.b", "now+1d.ms"] == [each.path for each in tokens({"x": ["{event.a} {hub.b|c}"], "y": "{now+1d.ms}"})]
    assert ["event", "hub"] == [each.root for each in tokens("{event.a}{hub.b}")]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("now", "2027-01-15T08:00:00.000Z"),
        ("now.date", "2027-01-15"),
        ("now-1d.date", "2027-01-14"),
        ("now+7d.s", (1_800_000_000 * SECOND + 7 * DAY) // SECOND),
        ("now.ms", 1_800_000_000_000),
        ("nowhere", NOTHING),
        ("now.week", NOTHING),
    ],
)
def test_moments(path, said):
    """This one, and others by their distance from it."""
    assert said == moment(path, KNOWN["now"])


def test_a_key_may_hold_dots():
    """The longest key that is there is meant, unless it leads no further."""
    known = {"a.b": {"c": 1}, "a": {"b": {"d": 2}}}

    assert (1, 2, NOTHING) == (look_up(known, "a.b.c"), look_up(known, "a.b.d"), look_up(known, "a.b.e"))
