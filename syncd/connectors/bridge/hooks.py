"""The hooks of one system: where each deed is handed off, and how.

The rule that keeps it true: what is sent is signed as it is sent; a 2xx with a web page in it was not the flow's program speaking; a hook that is
switched off is waited for, since switching it on is all that is missing.
It must not know: what becomes of a hand-off, or who acknowledges it.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.connectors.bridge import signing
from syncd.connectors.bridge.settings import BridgeSettings, Deed, HookSession, signed_body
from syncd.connectors.bridge.shapes import Shape, blank_words, word
from syncd.connectors.http import Operation
from syncd.core.errors import ConnectorError, Rejected, Unavailable
from syncd.core.handoff import Handoff, Shown
from syncd.core.record import CollectionName, Json, SystemName

_OFF = (404, 410)


class Hooks:
    """Hands writes to the flows of one system."""

    def __init__(self, system: SystemName, settings: BridgeSettings, session: HookSession) -> None:
        self._system, self._session = system, session
        self._addresses = settings.hook_addresses()
        self._keys = settings.signing_keys()

    def has(self, collection: CollectionName, *deeds: Deed) -> bool:
        """Whether one of these deeds has a hook."""
        return any((collection, deed) in self._addresses for deed in deeds)

    def check(self, collection: CollectionName, deed: Deed) -> None:
        """Raises Rejected where there is no hook for it."""
        if not self.has(collection, deed):
            hint = f"do it by hand in {self._system}, or write a line `{collection}.{deed.value} ADDRESS` into its hooks"
            raise Rejected(f"no hook is declared for {deed.value} of {collection}", system=self._system, hint=hint)

    async def hand_off(self, handoff: Handoff, deed: Deed, shape: Shape, shown: Shown | None) -> None:
        """Calls the hook. Raises ConnectorError unless it was clearly accepted."""
        body = signed_body(_content(handoff, deed, shape, shown))
        headers: Mapping[str, str] = {}
        if self._keys:
            headers = signing.signed(self._keys[0], message_id=handoff.op_id, at=self._session.clock.now(), body=body)
        operation = Operation(name=f"{handoff.collection}.{deed.value}", method="POST", path="", writes=True, any_body=True)
        try:
            answer = await self._session.hand_off(operation, self._addresses[handoff.collection, deed], body, headers)
        except ConnectorError as error:
            if error.status in _OFF:
                raise Unavailable(
                    f"the hook for {operation.name} does not answer", system=self._system, hint="switch its flow on", status=error.status
                ) from error
            raise
        if isinstance(answer.body, bytes) and answer.body.lstrip()[:1] == b"<":
            raise self._session.unexpected(operation, "a web page")


def _content(handoff: Handoff, deed: Deed, shape: Shape, shown: Shown | None) -> Json:
    """What a flow gets. `find` is what the record showed last by which it can be found, since the address itself may be what changes."""
    known = handoff.fields if shown is None else (shown.fields or {})
    return {
        "op_id": handoff.op_id,
        "operation": deed.value,
        "collection": handoff.collection,
        "id": None if shown is None else shown.vendor_id,
        "find": {word(path): known.get(path) for path in shape.keys},
        "fields": blank_words(shape, handoff.fields),
    }
