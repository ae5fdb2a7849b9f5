"""The ``[systems.NAME]`` sections: which accounts there are, of which kind.

The rule that keeps it true: `kind` and `region` are ours, everything else is the connector's own model's to accept or refuse.
It must not know: any kind by name, or what a system is used for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import phonenumbers

from syncd.config.kinds import KindFacts
from syncd.config.models import validate
from syncd.config.secrets import UNREAD, SecretError, Secrets
from syncd.config.section import Section, describe
from syncd.config.settings import SystemSettings
from syncd.core.record import Json, SystemName

_EXAMPLE = '[systems.NAME] with kind = "…"'


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system as far as it could be read. Without its kind nothing can be said about its records."""

    name: SystemName
    kind: KindFacts | None
    region: str = "US"
    settings: SystemSettings | None = None


def read_systems(section: Section, kinds: Mapping[str, KindFacts], secrets: Secrets) -> dict[SystemName, System]:
    """Every system, also those with problems, so that the syncs do not complain about them again."""
    return {SystemName(name): _read_system(SystemName(name), each, kinds, secrets) for name, each in section.sections(_EXAMPLE)}


def _read_system(name: SystemName, section: Section, kinds: Mapping[str, KindFacts], secrets: Secrets) -> System:
    kind = _read_kind(section, kinds)
    region = _read_region(section)
    if kind is None:
        return System(name=name, kind=None, region=region)
    values, veiled = _fill_secrets(section, kind, section.rest(), secrets)
    options = validate(kind.settings, values, section, also=("kind", "region"), veiled=veiled)
    settings = SystemSettings(name=name, kind=kind.name, region=region, options=options) if options is not None else None
    return System(name=name, kind=kind, region=region, settings=settings)


def _read_kind(section: Section, kinds: Mapping[str, KindFacts]) -> KindFacts | None:
    word = section.text("kind")
    if word is not None and word in kinds:
        return kinds[word]
    if word is not None:
        section.problem(f'there is no kind "{word}"', "kind", near=word, known=kinds)
    elif "kind" not in section:
        section.problem("says no kind", mend=f'write kind = "…", one of {", ".join(sorted(kinds))}')
    return None


def _read_region(section: Section) -> str:
    region = section.text("region")
    if region is None or region in phonenumbers.SUPPORTED_REGIONS:
        return region or "US"
    section.problem(
        f"{describe(region)} is no region", "region", mend="write two capital letters as ISO 3166 has them: US, GB, DE, IL"
    )
    return "US"


def _fill_secrets(
    section: Section, kind: KindFacts, written: dict[str, Json], secrets: Secrets
) -> tuple[dict[str, Json], list[str]]:
    """The section with its secrets in their places, and those secrets, to keep them out of messages."""
    filled, veiled = dict(written), []
    for key in sorted(kind.secret_fields & written.keys()):
        try:
            filled[key] = secrets.read(written[key])
            veiled.append(filled[key])
        except SecretError as error:
            filled[key] = UNREAD
            section.problem(error.what, key, mend=error.mend)
            section.settle(key)
    return filled, veiled
