"""`syncd metrics`."""

from __future__ import annotations

import re
import stat

from prometheus_client.parser import text_string_to_metric_families

from syncd.cli.metrics import rendered
from tests.cli.world import World


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample, as Prometheus would read it."""
    return {(each.name, frozenset(each.labels.items())): each.value for family in text_string_to_metric_families(text) for each in family.samples}


def of(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_before_anything_happened(world: World) -> None:
    """Without a database it says that nothing runs, and nothing is made."""
    result = world.here("metrics")

    assert 0 == result.code
    assert 0 == of(samples(result.out), "syncd_daemon_running")
    assert not world.database.exists()


def test_what_is_told_is_what_status_tells(looked: World) -> None:
    """Each number is the same under its own name; nobody's address is in it."""
    told, text = looked.here("status", "--json").json, looked.here("metrics").out
    found = samples(text)

    assert {name: each["records"] for name, each in told["collections"].items()} == {
        name: of(found, "syncd_records", collection=name) for name in told["collections"]
    }
    assert told["systems"]["ghl"]["quota"]["daily_limit"] == of(found, "syncd_quota_daily_calls", system="ghl")
    assert told["writes"]["parked"] == of(found, "syncd_writes", state="parked")
    assert told["holds"]["first_run"] == of(found, "syncd_holds", kind="first_run")
    assert told["outcomes"]["looked"] == of(found, "syncd_looked_total")
    assert told["outcomes"]["sum"] == sum(
        value for (name, labels), value in found.items() if name == "syncd_outcomes_total" and ("outcome", "failed") not in labels
    )
    assert re.search(r"[\w.]+@[\w-]+\.\w+", text) is None


def test_automations() -> None:
    """What each was told of, what it began, why it did not, and what became of its runs; words are escaped as labels must be."""
    each = {
        "paused": "by hand", "events": 5, "begun": 3, "done": 1, "waiting": 1, "failed": 1, "held": 0, "skipped": 0, "set_nothing_off": {'not "gold"\n': 2},
    }  # fmt: skip
    state = {
        "systems": {}, "collections": {}, "syncs": {}, "events_waiting": 0, "looking_deleted": 0, "writes": {}, "holds": {},
        "outcomes": {"looked": 0, "each": []}, "automations": {"onboard": each},
    }  # fmt: skip
    found = samples(rendered(state, running=True))

    assert (5, 3, 1) == tuple(of(found, f"syncd_automation_{name}", automation="onboard") for name in ("events_total", "runs_begun_total", "paused"))
    assert 2 == of(found, "syncd_automation_events_ignored_total", automation="onboard", reason='not "gold"\n')
    assert [1, 1, 1, 0, 0] == [
        of(found, "syncd_automation_runs", automation="onboard", state=state) for state in ("done", "waiting", "failed", "held", "skipped")
    ]


def test_a_file_is_put_in_place_at_once(looked: World) -> None:
    """Readable by whoever collects it, without anything left beside it; one that cannot be written is told of."""
    folder = looked.folder / "collected"
    folder.mkdir()
    result = looked.here("metrics", "--out", str(folder / "syncd.prom"))

    assert (0, "") == (result.code, result.out)
    assert ["syncd.prom"] == [each.name for each in folder.iterdir()]
    assert 0o644 == stat.S_IMODE((folder / "syncd.prom").stat().st_mode)
    assert 0 == of(samples((folder / "syncd.prom").read_text()), "syncd_daemon_running")
    lost = looked.here("metrics", "--out", str(folder / "gone" / "syncd.prom"))
    assert (1, True) == (lost.code, "syncd.prom cannot be written: No such file or directory" in lost.err)
