"""The control path, `/_sandbox/`: the same hands over HTTP, for demos that run in another process.

Routes here are ours, not the vendor's; they need no token and cost no quota.

Rule: every route does exactly what the Python method of the same name does, and a mistake in a control request is a
400 that says what was wrong.

It must not know any vendor's fields or shapes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from syncd.sandbox.calls import Refusal
from syncd.sandbox.webhooks import DeliveryMode

if TYPE_CHECKING:
    from syncd.sandbox.vendor import Vendor

Handler = Callable[[web.Request], Awaitable[web.Response]]


def add_control_routes(app: web.Application, vendor: Vendor) -> None:
    """Put the control path of one vendor on its application."""
    control = _Control(vendor)
    routes: list[tuple[str, str, Handler]] = [
        ("GET", "/_sandbox/describe", control.describe),
        ("GET", "/_sandbox/contacts", control.list_contacts),
        ("POST", "/_sandbox/contacts", control.create_contact),
        ("PATCH", "/_sandbox/contacts/{id}", control.edit_contact),
        ("DELETE", "/_sandbox/contacts/{id}", control.delete_contact),
        ("GET", "/_sandbox/truth", control.read_truth),
        ("GET", "/_sandbox/stats", control.read_stats),
        ("POST", "/_sandbox/reset-stats", control.reset_stats),
        ("GET", "/_sandbox/faults", control.list_faults),
        ("POST", "/_sandbox/faults", control.add_fault),
        ("DELETE", "/_sandbox/faults", control.clear_faults),
        ("POST", "/_sandbox/webhooks", control.set_webhooks),
        ("POST", "/_sandbox/webhooks/flush", control.flush_webhooks),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, path, _answering(handler))


def _answering(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return _json({"error": refusal.answer.payload}, 404 if refusal.answer.status == 404 else 422)
        except KeyError as error:
            return _json({"error": f"no such thing: {error.args[0]}"}, 404)
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)

    return answer


def _json(payload: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(payload), content_type="application/json")


async def _object(request: web.Request) -> dict[str, Any]:
    body = orjson.loads(await request.read() or b"{}")
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


class _Control:
    """The handlers of one vendor's control path."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    async def describe(self, _request: web.Request) -> web.Response:
        return _json(self._vendor.describe())

    async def list_contacts(self, _request: web.Request) -> web.Response:
        return _json({"contacts": self._vendor.contacts()})

    async def create_contact(self, request: web.Request) -> web.Response:
        return _json(self._vendor.create_as_user(await _object(request)), 201)

    async def edit_contact(self, request: web.Request) -> web.Response:
        return _json(self._vendor.edit_as_user(request.match_info["id"], await _object(request)))

    async def delete_contact(self, request: web.Request) -> web.Response:
        self._vendor.delete_as_user(request.match_info["id"])
        return _json({"deleted": request.match_info["id"]})

    async def read_truth(self, request: web.Request) -> web.Response:
        entries = self._vendor.truth.since(int(request.query.get("since", "0")))
        return _json({"entries": [entry.as_json() for entry in entries]})

    async def read_stats(self, _request: web.Request) -> web.Response:
        return _json(self._vendor.stats.as_json())

    async def reset_stats(self, _request: web.Request) -> web.Response:
        self._vendor.stats.reset()
        return _json({})

    async def list_faults(self, _request: web.Request) -> web.Response:
        return _json({"faults": [asdict(fault) for fault in self._vendor.faults.waiting()]})

    async def add_fault(self, request: web.Request) -> web.Response:
        return _json(asdict(self._vendor.faults.add(**await _object(request))), 201)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        self._vendor.faults.clear()
        return _json({})

    async def set_webhooks(self, request: web.Request) -> web.Response:
        body = await _object(request)
        sender = self._vendor.webhooks
        if "url" in body:
            sender.url = body["url"]
        if "mode" in body:
            mode = dict(body["mode"])
            # Demos speak of a doubled delivery; the sender counts copies.
            if "double" in mode:
                mode["copies"] = _copies(mode.pop("double"))
            sender.mode = DeliveryMode(**mode)
        return _json({"url": sender.url, "mode": asdict(sender.mode)})

    async def flush_webhooks(self, _request: web.Request) -> web.Response:
        return _json({"sent": await self._vendor.webhooks.flush()})


def _copies(double: Any) -> int:
    if isinstance(double, bool):
        return 2 if double else 1
    return int(double)
