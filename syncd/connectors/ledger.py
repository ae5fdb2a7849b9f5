"""What a connector needs kept for it, where the system cannot be asked: the protocol of its ledger, and of such a connector.

`Ledger` keeps what the system last showed and what was handed to its flows; `Bridging` is a connector that has one, and that takes
deliveries in by itself, since what they tell is told once.
The rule that keeps it true: whatever `take` returned from is committed; the same words said twice change nothing.
It must not know: how anything is kept, or which connectors there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from syncd.connectors.base import Event, WebhookRefused
from syncd.core.handoff import Handoff, HandoffState, Said, Shown, Standing
from syncd.core.record import CollectionName, Micros, RecordId, SystemName


class Ledger(Protocol):
    """The memory of the systems behind bridges. Raises StoreError where nothing can be committed."""

    async def get(self, system: SystemName, collection: CollectionName, record_id: RecordId) -> Shown | None:
        """What a record last showed."""
        ...

    async def listed(
        self, system: SystemName, collection: CollectionName, *, since: Micros | None, after: tuple[Micros, str] | None, limit: int
    ) -> Sequence[Shown]:
        """Records that are there, by the time they changed; from `since`, and behind the place `after`."""
        ...

    async def found(self, system: SystemName, collection: CollectionName, key: str) -> Sequence[Shown]:
        """Records that are there and show this key (``path=value``)."""
        ...

    async def queue(self, wanted: Handoff, *, ack_timeout: Micros, now: Micros) -> Handoff:
        """Notes a hand-off before it is made; answers the one to go by.

        That is the one noted before, under its own `op_id`, where the same was handed off and not acknowledged; or another one that is in
        the air for the same record, and has to be waited for; else `wanted`.
        """
        ...

    async def sought(self, system: SystemName, collection: CollectionName, key: str) -> Sequence[Handoff]:
        """Creates with this key (``path=value``) that were handed off and not acknowledged."""
        ...

    async def mark(self, op_id: str, state: HandoffState, *, now: Micros, error: str | None = None) -> None:
        """A hand-off was accepted, or was not; one that is acknowledged already stays so."""
        ...

    async def begin(self, op_id: str, *, now: Micros) -> bool:
        """Whether a flow that is about to carry this out should: not where it was done, or overtaken. It is in the air from now on."""
        ...

    async def handoff(self, op_id: str) -> Handoff | None:
        """One hand-off as it stands."""
        ...

    async def take(
        self, system: SystemName, said: Sequence[Said], *, post_id: str | None, now: Micros, forget_before: Micros
    ) -> Sequence[RecordId | None]:
        """Notes what one delivery said, once for each `post_id`; the record that each word was about, None where it was about none.

        Ids of deliveries from before `forget_before` are no longer needed.
        """
        ...

    async def standing(self, system: SystemName, collection: CollectionName) -> Standing:
        """How well a collection is known."""
        ...


@runtime_checkable
class Bridging(Protocol):
    """A connector whose system speaks only through flows."""

    def keep_in(self, ledger: Ledger) -> None:
        """Gives it its ledger; without one it can only say what it could do."""
        ...

    async def take(self, headers: Mapping[str, str], body: bytes, now: Micros) -> Sequence[Event] | WebhookRefused:
        """Verifies one delivery, keeps what it tells, and then answers its events. Raises StoreError when nothing could be kept."""
        ...

    async def standing(self, collection: CollectionName) -> Standing:
        """How well a collection is known."""
        ...
