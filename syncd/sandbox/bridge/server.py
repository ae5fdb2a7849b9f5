"""The hooks of a pretend Zapier, and what its flows do: find, then write, then acknowledge, late or twice or never.

Rule: a hook that accepted says nothing of what becomes of it; a flow that runs twice finds what it made the first time.

It must not know who handed anything off, or what is concluded from an acknowledgement.
"""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from random import Random
from typing import Any, ClassVar

import orjson
from aiohttp import ClientSession

from syncd.sandbox.bridge.account import Account
from syncd.sandbox.calls import Answer, Call, Refusal, Route
from syncd.sandbox.faults import Reach
from syncd.sandbox.gate import Spend
from syncd.sandbox.moments import Clock
from syncd.sandbox.options import BridgeOptions
from syncd.sandbox.truth import Actor, Author, Json
from syncd.sandbox.vendor import Vendor
from syncd.sandbox.webhooks import DeliveryRules

_USER, _FLOW = Author(actor=Actor.USER), Author(actor=Actor.API)
_DEEDS = ("create", "update", "delete", "archive")


@dataclass(slots=True)
class Mood:
    """How the flows behave now: how often each write is acknowledged, whether the acknowledgements are kept back, whether runs are (the
    hook accepts, and nothing happens yet), and whether the flows are switched off (the hook refuses).
    """

    acks: int = 1
    holds_acks: bool = False
    asleep: bool = False
    off: bool = False


class Bridge(Vendor):
    """One account behind flows."""

    name: ClassVar[str] = "bridge"
    retry_after_name: ClassVar[str] = "Retry-After"

    def __init__(self, options: BridgeOptions, *, clock: Clock, random: Random) -> None:
        self.options = options
        self.mood = Mood()
        self.calendar = "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//sandbox//EN\nEND:VCALENDAR\n"
        """What the calendar's file holds."""
        self.handed_off: Counter[str] = Counter()
        """How often each hand-off came, by its name, whether it was accepted or not."""
        self._clock = clock
        self._ids = count(1)
        self._handed: list[Json] = []
        self._kept_back: list[Json] = []
        self._runs: set[asyncio.Task[None]] = set()
        super().__init__(port=options.port, token=options.secret, clock=clock, random=random, delivery=self._rules())
        self.account = Account(options, truth=self.truth, announce=self._fire, count_write=self.applied)
        self.offer([
            Route(operation=f"{deed}-contact", method="POST", path=f"/hooks/catch/{{collection}}/{deed}", reach=Reach.WRITE, handler=self._catch)
            for deed in _DEEDS
        ] + [Route(operation="calendar", method="GET", path="/calendar.ics", reach=Reach.LISTING, handler=self._show_calendar)])

    # ---- what it must answer as every emulated vendor does

    def authorise(self, call: Call) -> Answer | None:
        """What is handed off proves itself by its signature, which the flow's first step checks; a calendar is for whoever has its address."""
        if call.path == "/calendar.ics":
            return None if call.query.get("key") == self.options.secret else self.error(404)
        given = {name.lower(): value for name, value in call.headers.items()}
        wanted = self._signature(given.get("webhook-id", ""), given.get("webhook-timestamp", ""), call.raw)
        return None if hmac.compare_digest(given.get("webhook-signature", ""), wanted) else self.error(401, "not signed")

    def spend(self) -> Spend:
        """There is no limit here."""
        return Spend(allowed=True, headers={})

    def too_many(self, wait_s: float) -> Answer:  # noqa: ARG002 - the vendors' shared shape
        """The 429 of such programs."""
        return self.error(429)

    def error(self, status: int, message: str | None = None) -> Answer:
        """An error as such a program words it."""
        return Answer(status=status, payload={"status": "error", "message": message or "It failed."})

    def finish(self, call: Call, answer: Answer) -> Answer:  # noqa: ARG002 - the vendors' shared shape
        """Nothing to add."""
        return answer

    def describe(self) -> dict[str, Any]:
        """What a caller needs to connect: the base of the hooks, their lines, and the secret of both ways."""
        hooks = [f"{each}.{deed} /hooks/catch/{each}/{deed}" for each in self.options.collections for deed in self.options.deeds]
        calendar = f"{self.base_url}/calendar.ics?key={self.options.secret}"
        return {"base_url": self.base_url, "hooks": "\n".join(hooks), "secret": self.options.secret, "calendar_url": calendar}

    # ---- a person's hands

    def create_as_user(self, fields: Json, collection: str = "contacts") -> Json:
        """A person adds a record."""
        return self.account.create(collection, fields, _USER)

    def edit_as_user(self, contact_id: str, changes: Json, collection: str = "contacts") -> Json:
        """A person changes a record."""
        return self.account.update(collection, contact_id, changes, _USER)

    def delete_as_user(self, contact_id: str, collection: str = "contacts") -> None:
        """A person deletes a record."""
        self.account.delete(collection, contact_id, _USER)

    def seed(self, fields: Json, collection: str = "contacts") -> Json:
        """Put a record in as if it had long been there: no trigger fires."""
        return self.account.create(collection, fields, _USER, silent=True)

    def contacts(self, collection: str = "contacts") -> list[Json]:
        """Every record as it truly is."""
        return self.account.all(collection)

    # ---- the flows

    def wake(self) -> int:
        """Runs everything that was accepted and not begun, in the order it came; how many runs that were."""
        self.mood.asleep = False
        handed, self._handed = self._handed, []
        for each in handed:
            self._start(each)
        return len(handed)

    async def idle(self) -> None:
        """Returns when no run is under way."""
        while self._runs:
            await asyncio.gather(*self._runs)

    def release(self) -> int:
        """Sends the acknowledgements that were kept back; how many."""
        self.mood.holds_acks = False
        kept, self._kept_back = self._kept_back, []
        for each in kept:
            self.webhooks.enqueue(each)
        return len(kept)

    def post(self, content: Json) -> tuple[dict[str, str], bytes]:
        """A post as it would be sent now: its headers, and its bytes."""
        body = orjson.dumps(content)
        return {"content-type": "application/json", **self._signed(body)}, body

    def word(self, event: str, row: Json, collection: str = "contacts") -> Json:
        """What a trigger's flow posts."""
        told = {"collection": collection, "event": event, "fields": _as_text(row)}
        return {**told, "id": row["id"]} if self.options.tells_ids else told

    def _show_calendar(self, call: Call) -> Answer:
        """The calendar's file, unless the caller has it already."""
        data = self.calendar.replace("\n", "\r\n").encode()
        headers = {"ETag": f'"{sha256(data).hexdigest()[:16]}"', "Content-Type": "text/calendar; charset=utf-8"}
        given = {name.lower(): value for name, value in call.headers.items()}
        if given.get("if-none-match") == headers["ETag"]:
            return Answer(status=304, headers=headers)
        return Answer(payload=data, headers=headers)

    def _catch(self, call: Call) -> Answer:
        content = {**call.json(), "collection": call.params["collection"]}
        self.handed_off[content["op_id"]] += 1
        if self.mood.off:
            raise Refusal(Answer(status=410, payload={"message": "There is no scenario listening."}))
        if self.mood.asleep:
            self._handed.append(content)
        else:
            self._start(content)
        return Answer(payload={"status": "success", "id": call.request_id})

    def _start(self, content: Json) -> None:
        """Begins one run: at once, or when it was allowed to."""
        if not self.options.asks_first:
            self._run(content)
            return
        task = asyncio.create_task(self._run_if_wanted(content))
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)

    async def _run_if_wanted(self, content: Json) -> None:
        """A run whose first step posts that it begins: it ends there unless that is accepted."""
        if self.webhooks.url is None:
            return
        headers, body = self.post({"op_id": content["op_id"], "result": "begun"})
        async with ClientSession() as session, session.post(self.webhooks.url, data=body, headers=headers) as response:
            await response.read()
        if response.status == 200:
            self._run(content)

    def _run(self, content: Json) -> None:
        """One run of a flow, from its search to its acknowledgement."""
        try:
            result, row = self._write(content)
            told: Json = {"result": result, "fields": {} if row is None else _as_text(row), "id": None if row is None else row["id"]}
        except Refusal as refusal:
            told = {"result": "failed", "error": refusal.answer.payload["message"]}
        for _ in range(self.mood.acks):
            self._acknowledge({"op_id": content["op_id"], **told})

    def _write(self, content: Json) -> tuple[str, Json | None]:
        collection, fields = content["collection"], dict(content["fields"])
        known = self.account.get(collection, str(content["id"])) if content["id"] else self.account.find(collection, content["find"])
        if content["operation"] == "create":
            return ("exists", known) if known is not None else ("created", self.account.create(collection, fields, _FLOW))
        if known is None:
            return "gone", None
        if content["operation"] == "delete":
            self.account.delete(collection, known["id"], _FLOW)
            return "deleted", known
        return "updated", self.account.update(collection, known["id"], fields, _FLOW)

    def _acknowledge(self, told: Json) -> None:
        if self.mood.holds_acks:
            self._kept_back.append(told)
        else:
            self.webhooks.enqueue(told)

    def _fire(self, collection: str, event: str, row: Json) -> None:
        """The trigger of a change, whoever made it."""
        if event in self.options.triggers:
            self.webhooks.enqueue(self.word(event, row, collection))

    # ---- signing

    def _rules(self) -> DeliveryRules:
        return DeliveryRules(
            encode=lambda events: orjson.dumps(events[0]),
            sign=self._signed,
            batch_max=1,
            buffer_s=0.0,
            retries_max=self.options.webhook_retries,
            retry_s=60.0,
            retry_growth=2.0,
            is_retried=lambda status: status is None or status >= 500 or status == 429,
        )

    def _signed(self, body: bytes) -> Mapping[str, str]:
        message_id, stamp = f"msg_{next(self._ids)}", str(int(self._clock()))
        return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": self._signature(message_id, stamp, body)}

    def _signature(self, message_id: str, stamp: str, body: bytes) -> str:
        content = f"{message_id}.{stamp}.".encode() + body
        return "v1," + b64encode(hmac.digest(self.token.encode(), content, "sha256")).decode()


def _as_text(row: Json) -> Json:
    """Fields as such programs send them: everything as text, nothing as empty text, lists joined by commas."""
    return {name: _text(value) for name, value in row.items() if name != "id"}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
