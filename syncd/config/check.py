"""A configuration file, read whole: its settings, or everything that is wrong with it.

The rule that keeps it true: settings exist only where there are no problems.
It must not know: any vendor: the kinds come in as an argument.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from syncd.config.alerts import read_alerts
from syncd.config.automations import read_automations
from syncd.config.daemon import read_daemon
from syncd.config.digest import digest
from syncd.config.findings import Finding, Findings
from syncd.config.kinds import KindFacts
from syncd.config.lines import locate
from syncd.config.placeholders import report_placeholders
from syncd.config.references import with_references
from syncd.config.secrets import Secrets
from syncd.config.section import Section
from syncd.config.settings import Settings
from syncd.config.syncs import read_syncs
from syncd.config.systems import read_systems
from syncd.core.errors import UserError

_SYNTAX_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. `problems` stop syncd, `notes` do not; both are in the order of the file."""

    problems: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    settings: Settings | None


def load(path: Path, kinds: Mapping[str, KindFacts], *, environ: Mapping[str, str], resolve_secrets: bool = True) -> Settings:
    """The settings of a configuration file. Raises UserError with every problem."""
    report = check(path, kinds, environ=environ, resolve_secrets=resolve_secrets)
    if report.settings is None:
        count = len(report.problems)
        what = f"{path} has {count} problem{'' if count == 1 else 's'}"
        raise UserError(
            what, problems=[str(problem) for problem in report.problems], hint="`syncd check` shows them again once mended"
        )
    return report.settings


def check(path: Path, kinds: Mapping[str, KindFacts], *, environ: Mapping[str, str], resolve_secrets: bool = True) -> Report:
    """Everything that can be said about a configuration file without asking a vendor.

    Without `resolve_secrets` secrets need only be written rightly; the settings then hold a stand-in for each.
    """
    read = _read_toml(path)
    if isinstance(read, Finding):
        return Report(problems=(read,), notes=(), settings=None)
    text, tree = read
    findings = Findings(str(path), locate(text))
    report_placeholders(text, tree, findings)
    secrets = Secrets(directory=path.parent, environ=environ, look=resolve_secrets)
    settings = _read_settings(path, Section(tree, (), findings), kinds, secrets)
    problems = findings.problems
    return Report(problems=problems, notes=findings.notes, settings=None if problems else settings)


def _read_settings(path: Path, root: Section, kinds: Mapping[str, KindFacts], secrets: Secrets) -> Settings:
    """All sections in turn. What is returned is whole only where nothing was reported."""
    systems = read_systems(root.section("systems"), kinds, secrets)
    written = root.section("syncs")
    syncs = with_references(written, read_syncs(written, systems, secrets))
    automations = read_automations(root.section("automations"), systems, syncs, secrets)
    daemon = read_daemon(root.section("daemon"), secrets)
    alerts = read_alerts(root.section("alerts"), secrets)
    root.finish()
    if not root.table:
        root.problem("says nothing", mend="`syncd init` writes a first configuration")
    elif not systems and "systems" in root:
        root.problem("names no system", "systems", mend='write [systems.NAME] with kind = "…"')
    elif not syncs and not automations:
        root.note("has no sync, so nothing is kept equal", mend="write [syncs.NAME]")
    return Settings(
        path=path,
        systems={name: system.settings for name, system in systems.items() if system.settings is not None},
        syncs=syncs,
        daemon=daemon,
        alerts=alerts,
        digest={name: digest(rules) for name, rules in syncs.items()},
        automations=automations,
        secrets=secrets,
    )


def _read_toml(path: Path) -> tuple[str, dict[str, object]] | Finding:
    """The text and its values, or the one thing that keeps us from reading it."""
    try:
        # An editor's byte order mark is no part of the text.
        text = path.read_bytes().decode("utf-8-sig")
        return text, tomllib.loads(text)
    except OSError as error:
        return _unreadable(path, 1, f"cannot be read: {error.strerror}", "`syncd init` writes a first configuration")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return _unreadable(path, line, "is not UTF-8", "save it as UTF-8")
    except tomllib.TOMLDecodeError as error:
        return _syntax_error(path, text, str(error))
    except RecursionError:
        return _unreadable(path, 1, "is nested too deeply to be read", "a configuration is four or five tables deep")


def _syntax_error(path: Path, text: str, message: str) -> Finding:
    place = _SYNTAX_PLACE.search(message)
    line = int(place[1]) if place is not None and place[1] else text.rstrip().count("\n") + 1
    where = f" (column {place[2]})" if place is not None and place[2] else ""
    return _unreadable(
        path, line, f"not TOML: {_SYNTAX_PLACE.sub('', message)}{where}", "https://toml.io shows how it is written"
    )


def _unreadable(path: Path, line: int, what: str, mend: str) -> Finding:
    return Finding(file=str(path), line=line, where="", what=what, mend=mend)
