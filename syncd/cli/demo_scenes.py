"""The scenes of `syncd demo --recipe`: for each recipe which vendors there are, and the acts that show it.

The first act puts people where they are before syncd starts; the others are edits. A vendor has what the recipe asks an operator to make
there: custom fields, fields of the list, labels.
The rule that keeps it true: every recipe has a scene, and a scene changes nothing of its recipe but where the vendors are.
It must not know: how anything is run, waited for or judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from syncd.cli import demo_acts_hats17 as hats17
from syncd.cli import demo_acts_mail as mail
from syncd.cli.demo_expected import Step
from syncd.core.record import Json
from syncd.sandbox import (
    ActiveTrailOptions,
    BridgeOptions,
    CustomField,
    EmailOctopusOptions,
    GoHighLevelOptions,
    ListField,
    Sandbox,
    SandboxOptions,
    SlotField,
)
from syncd.sandbox.options import DEFAULT_CUSTOM_FIELDS, DEFAULT_LIST_FIELDS, DEFAULT_SLOTS, HATS17_FIELDS
from syncd.sandbox.vendor import Vendor

Act = Callable[[Sandbox], Sequence[Step]]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """One system of a recipe: which emulator it is, its secrets by file (what the emulator calls it, and the setting where the recipe has
    none), and the settings that a real account does not need.
    """

    vendor: Callable[[Sandbox], Vendor]
    secrets: Mapping[str, tuple[str, str]]
    settings: Callable[[Mapping[str, Any]], Mapping[str, Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """How one recipe is shown."""

    systems: Mapping[str, System]
    acts: Sequence[Act]
    sandbox: SandboxOptions = field(default_factory=SandboxOptions)

    def options(self, seed: int) -> SandboxOptions:
        """The emulators' options; without quotas, for nobody should have to wait."""
        return replace(self.sandbox, seed=seed, quotas=False)


_GHL = System(
    vendor=lambda sandbox: sandbox.ghl,
    secrets={"ghl-token": ("token", "")},
    settings=lambda told: {"base_url": told["base_url"], "webhook_keys": [told["webhook_public_key_pem"]], "calls_per_window": 10_000},
)
_OCTOPUS = System(
    vendor=lambda sandbox: sandbox.octopus,
    secrets={"octopus-key": ("api_key", ""), "octopus-webhook-secret": ("webhook_secret", "webhook_secret")},
    settings=lambda told: {"base_url": told["base_url"], "calls_burst": 10_000, "calls_per_s": 1_000},
)
_TRAIL = System(
    vendor=lambda sandbox: sandbox.trail,
    secrets={"trail-token": ("token", ""), "trail-webhook-secret": ("webhook_secret", "webhook_secret")},
    settings=lambda told: {"base_url": told["base_url"], "calls_per_s": 1_000, "calls_per_s_max": 1_000},
)
_HATS17 = System(
    vendor=lambda sandbox: sandbox.bridge,
    secrets={"hats17-hooks": ("hooks", ""), "hats17-secret": ("secret", "")},
    settings=lambda told: {"base_url": told["base_url"], "trigger_delay_s": 0, "calls_per_s": 1_000},
)
_DERIVED = (
    ListField(tag="OpenTasks", label="Open tasks", type="number"),
    ListField(tag="LastNote", label="Last note"),
    ListField(tag="NextAppointment", label="Next appointment", type="date"),
)
_LEAD_STATUS = CustomField(
    key="lead_status", name="Lead status", data_type="SINGLE_OPTIONS", options=("Hot Lead", "Client", "Cold Prospect", "Other")
)
_OF_TRAIL = (
    CustomField(key="email_status", name="Email status"),
    CustomField(key="mailing_lists", name="Mailing lists", data_type="MULTIPLE_OPTIONS", options=("Weekly",)),
)


def _ghl(*fields: CustomField) -> GoHighLevelOptions:
    return GoHighLevelOptions(index_lag_s=0.2, custom_fields=(*DEFAULT_CUSTOM_FIELDS, *fields))


def _hats17(*acts: Act, declared: Sequence[str], collections: Sequence[str] = (), fields: Sequence[CustomField] = ()) -> Scene:
    """`declared` are the fields that flows name besides 17hats' own: a flow posts every field, empty ones too."""
    flows = BridgeOptions(collections=("contacts", *collections), required=(), fields=(*HATS17_FIELDS, *declared))
    return Scene(systems={"ghl": _GHL, "hats17": _HATS17}, acts=acts, sandbox=SandboxOptions(ghl=_ghl(*fields), bridge=flows))


SCENES: Mapping[str, Scene] = {
    "ghl-emailoctopus": Scene(
        systems={"ghl": _GHL, "octopus": _OCTOPUS},
        acts=(mail.octopus_first, mail.octopus_edits, mail.octopus_ends),
        sandbox=SandboxOptions(
            ghl=_ghl(),
            octopus=EmailOctopusOptions(buffer_s=0.2, fields=(*DEFAULT_LIST_FIELDS, *_DERIVED), tags=("customer", "newsletter", "vip")),
        ),
    ),
    "activetrail-ghl-users": Scene(
        systems={"ghl": _GHL, "trail": _TRAIL},
        acts=(mail.trail_first, mail.trail_edits, mail.trail_ends),
        sandbox=SandboxOptions(ghl=_ghl(*_OF_TRAIL), trail=ActiveTrailOptions(slots=(*DEFAULT_SLOTS, SlotField(slot="ext4", label="Role")))),
    ),
    "17hats-ghl-users": _hats17(
        hats17.users_first, hats17.users_arrivals, hats17.users_edits, hats17.users_ends, declared=("deal_status", "pipeline_stage"), fields=(_LEAD_STATUS,)
    ),
    "17hats-ghl-conversations": _hats17(
        hats17.threads_first,
        hats17.threads_arrivals,
        hats17.threads_edits,
        hats17.threads_ends,
        declared=("contact", "channel", "unread", "starred", "assigned_to", "status", "last_message", "last_direction", "last_message_at"),
        collections=("tickets",),
    ),
    "17hats-ghl-snapshots": _hats17(
        hats17.snapshots_first,
        hats17.snapshots_edits,
        hats17.snapshots_ends,
        declared=("number", "contact", "name", "status", "currency", "total", "amount_paid", "amount_due", "issue_date", "due_date"),
        collections=("locations", "invoices"),
    ),
}
