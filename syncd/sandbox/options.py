"""Everything that can be chosen about a sandbox, as frozen values.

Where a vendor's behaviour is undocumented there is an option for it, and the default is the reading that is hardest
on an engine unless the option says otherwise.

Rule: an option is read when the sandbox is made and never changes afterwards; what tests change while running
(faults, webhook target) lives on the vendor objects.

It must not know how an option is carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import time
from typing import Literal

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """A custom field of the GoHighLevel location; `key` without the `contact.` prefix."""

    key: str
    name: str
    data_type: str = "TEXT"
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListField:
    """A field of an EmailOctopus list."""

    tag: str
    label: str
    type: str = "text"
    choices: tuple[str, ...] = ()
    fallback: str | None = None


DEFAULT_CUSTOM_FIELDS = (
    CustomField(key="plan", name="Plan", data_type="SINGLE_OPTIONS", options=("gold", "silver", "free", "platinum")),
)
DEFAULT_LIST_FIELDS = (
    ListField(tag="FirstName", label="First name"),
    ListField(tag="LastName", label="Last name"),
    ListField(tag="Phone", label="Phone"),
    ListField(tag="Plan", label="Plan", type="choice_single", choices=("Gold", "Silver", "Free")),
    ListField(tag="Source", label="Source"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoHighLevelOptions:
    """Choices for the GoHighLevel emulator."""

    port: int = 0
    token: str = "pit-sandbox-00000000-0000-0000-0000-000000000000"  # noqa: S105 - opens only the sandbox
    location_id: str = "SandboxLocation00001"
    country: str = "US"
    timezone: str = "America/Chicago"
    custom_fields: tuple[CustomField, ...] = DEFAULT_CUSTOM_FIELDS
    versions: tuple[str, ...] = ("2021-07-28", "2021-04-15")
    # With duplicates allowed a repeated create makes a second contact, which is the harder world.
    allow_duplicates: bool = True
    index_lag_s: float = 2.0
    # How long it takes until listings of what is beside the contacts show a new record.
    record_lag_s: float = 0.0
    put_tags: Literal["replace", "merge"] = "replace"
    missing_status: Literal[400, 404] = 400
    reject_unknown_options: bool = True
    reject_unknown_custom_fields: bool = True
    search_omits_dnd_settings: bool = False
    blank_fields: Literal["omit", "null"] = "omit"
    duplicate_lookup_lags: bool = False
    noop_update_fires: bool = False
    burst: int = 100
    burst_window_s: float = 10.0
    window: Literal["sliding", "fixed"] = "sliding"
    daily: int = 200_000
    retry_after_header: bool = False
    webhook_retries: int = 6
    webhook_retry_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailOctopusOptions:
    """Choices for the EmailOctopus emulator."""

    port: int = 0
    api_key: str = "eo_sandbox_0000000000000000000000000000000000000000000000000000"
    webhook_secret: str = "sandbox-webhook-secret"  # noqa: S105 - signs only the sandbox
    list_name: str = "Everyone"
    fields: tuple[ListField, ...] = DEFAULT_LIST_FIELDS
    tags: tuple[str, ...] = ("customer", "newsletter", "vip")
    double_opt_in: bool = False
    require_existing_tags: bool = True
    batch_max: int = 100
    batch_accepts_md5: bool = False
    subscriber_cap: int | None = None
    counts_as_array: bool = True
    blank_fields: Literal["omit", "null"] = "omit"
    last_page_next: Literal["null", "null_members", "absent"] = "null"
    noop_touches: bool = True
    burst: int = 100
    per_second: float = 10.0
    retry_after_header: bool = True
    exclude_api_events: bool = False
    buffer_s: float = 1.0
    webhook_retries: int = 9
    # Doubling from here nine times makes about ten days in all.
    webhook_retry_s: float = 1690.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotField:
    """A slot that an ActiveTrail account has given a label: `slot` is one of ext1..ext25, date1..date5, num1..num5."""

    slot: str
    label: str


DEFAULT_SLOTS = (
    SlotField(slot="ext1", label="Plan"),
    SlotField(slot="ext2", label="Source"),
    SlotField(slot="ext3", label="Last note"),
    SlotField(slot="date1", label="Next appointment"),
    SlotField(slot="num1", label="Open tasks"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTrailOptions:
    """Choices for the ActiveTrail emulator. The first four are what its documentation leaves open."""

    first_page: Literal[0, 1] = 1
    from_date: Literal["changed", "registered"] = "registered"
    # What a change made by hand is announced as; a change by the API is always a contact_change.
    manual_event: str = "contact_change_by_hand"
    # A soft-deleted contact is still shown, marked; a hidden one is not, but its address leads back to it.
    deletes: Literal["hard", "soft", "hidden"] = "soft"
    port: int = 0
    token: str = "0XSANDBOX0000000000000000000000000000000000"  # noqa: S105 - opens only the sandbox
    webhook_secret: str = "sandbox-webhook-secret-of-more-than-32-characters"  # noqa: S105 - opens only the sandbox
    webhook_events: tuple[str, ...] | None = None
    slots: tuple[SlotField, ...] = DEFAULT_SLOTS
    groups: tuple[str, ...] = ("customer", "newsletter", "vip")
    mailing_lists: tuple[str, ...] = ("Weekly",)
    campaigns: tuple[str, ...] = ("Welcome", "Spring sale")
    # What page 0 is where pages begin at 1.
    page_zero: Literal["refused", "first", "empty"] = "refused"
    put_reply: Literal["empty", "contact"] = "empty"
    post_updates_existing: bool = True
    members_as_array: bool = False
    per_second: float = 4.0
    burst: int = 4
    retry_after_header: bool = False
    webhook_retries: int = 0


# zapier.com, 17hats: the fields of "Create Contact".
HATS17_FIELDS = (
    "is_company", "first_name", "type", "last_name", "title", "company_name", "email", "other_emails", "phone", "other_phones", "address_1",
    "address_2", "city", "state", "zip", "country", "birthday", "facebook_id", "instagram_id", "linkedin_id", "referred_by", "twitter_id",
    "pinterest_id", "website", "tags", "notes",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeOptions:
    """Choices for a system behind flows. `deeds` are what flows were built for, `triggers` what they tell of, `fields` what they name.

    Flows that ask first (`asks_first`) post that they begin, and stop where they are refused.
    """

    port: int = 0
    secret: str = "sandbox-bridge-secret-of-more-than-32-characters"  # noqa: S105 - opens only the sandbox
    collections: tuple[str, ...] = ("contacts",)
    deeds: tuple[str, ...] = ("create", "update")
    triggers: tuple[str, ...] = ("created", "updated")
    fields: tuple[str, ...] = HATS17_FIELDS
    required: tuple[str, ...] = ("first_name", "type")
    tells_ids: bool = True
    asks_first: bool = False
    webhook_retries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions:
    """Choices for all vendors together; ActiveTrail and a system behind flows are there only where they have options."""

    ghl: GoHighLevelOptions = field(default_factory=GoHighLevelOptions)
    octopus: EmailOctopusOptions = field(default_factory=EmailOctopusOptions)
    trail: ActiveTrailOptions | None = None
    bridge: BridgeOptions | None = None
    quotas: bool = True
    seed: int = 1
    host: str = LOOPBACK
    clock: Callable[[], float] = time

    def __post_init__(self) -> None:
        if self.host != LOOPBACK:
            raise ValueError(f"the sandbox listens on {LOOPBACK} only, not on {self.host!r}")
