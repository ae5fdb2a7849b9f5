"""Listings whose answers point elsewhere: no link of a vendor's is ever followed, and no credential leaves for anywhere but the vendor's own address."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from syncd.core.errors import ConnectorError
from tests.connectors.conftest import OpenBench

Spoil = Callable[[Any, str], Any]
SECRETS = ("authorization", "x-api-key")


class Relay:
    """Stands before a vendor, and spoils the answers of its listings."""

    def __init__(self, spoil: Spoil) -> None:
        self.spoil, self.link, self.target, self.url = spoil, "", "", ""
        self.asked: list[str] = []

    async def take(self, request: web.Request) -> web.Response:
        self.asked.append(request.raw_path)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length", "accept-encoding")}
        async with (
            aiohttp.ClientSession(auto_decompress=True) as client,
            client.request(request.method, self.target + request.raw_path, headers=headers, data=await request.read(), allow_redirects=False) as answer,
        ):
            body, status = await answer.read(), answer.status
        if status == 200 and self.link:
            body = orjson.dumps(self.spoil(orjson.loads(body), self.link))
        shown = "".join(each for each in self.link if each.isprintable())
        told = {"Content-Type": "application/json", "Link": f'<{shown}>; rel="next"'}
        return web.Response(status=status, body=body, headers=told)


@asynccontextmanager
async def serving(take: Callable[[web.Request], Any]) -> AsyncIterator[str]:
    """A server on this machine, at a port of its own."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def octopus_link_alone(body: Any, link: str) -> Any:
    return {**body, "paging": {"next": {"url": link, "starting_after": None}}} if "data" in body else body


def octopus_link_as_cursor(body: Any, link: str) -> Any:
    return {**body, "paging": {"next": {"url": link, "starting_after": link}}} if "data" in body else body


def ghl_links(body: Any, link: str) -> Any:
    if "contacts" not in body:
        return body
    rows = [{**row, "searchAfter": [link, link]} for row in body["contacts"]]
    meta = {"nextPageUrl": link, "nextPage": link, "startAfterId": link, "startAfter": link}
    return {**body, "contacts": rows, "searchAfter": [link, link], "total": 1_000, "nextPageUrl": link, "next": link, "meta": meta}


def trail_links(body: Any, link: str) -> Any:
    return [{**row, "next": link, "href": link} for row in body] if isinstance(body, list) else body


def links_to(elsewhere: str, own: str) -> list[str]:
    """Another port, scheme and host, userinfo, without a scheme, out of the path, and what is no address at all."""
    host = elsewhere.removeprefix("http://")
    return [
        f"{elsewhere}/contacts", f"https://{host}/contacts", f"file:///etc/passwd#{host}", f"//{host}/contacts", f"{own}@{host}/contacts",
        f"http://user:word@{host}/contacts", f"\\\\{host}\\contacts", "../../../admin?x=1", "/admin/../contacts", "?api_key=x&starting_after=y#z", "\r\nHost: evil\r\n",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "spoil", "must_fail"),
    [
        ("gohighlevel", ghl_links, True),
        ("emailoctopus", octopus_link_alone, True),
        ("emailoctopus", octopus_link_as_cursor, True),
        ("activetrail", trail_links, False),
    ],
)
async def test_a_next_link_is_never_followed(open_bench: OpenBench, name: str, spoil: Spoil, *, must_fail: bool) -> None:
    """Whatever the link: nobody else is called, the vendor only under the listing's own path, and a listing that could not go on says so."""
    reached: list[str] = []

    async def trap(request: web.Request) -> web.Response:
        reached.append(f"{request.path} {[request.headers.get(each) for each in SECRETS]}")
        return web.json_response({})

    relay = Relay(spoil)
    async with serving(trap) as elsewhere, serving(relay.take) as own:
        bench = await open_bench(name, settings={"base_url": own}, timeout_s=20)
        relay.target = bench.vendor.describe()["base_url"]
        bench.create_as_user(email="ada@example.com", name="Ada")
        await bench.pages()
        paths = {each.partition("?")[0] for each in relay.asked}
        for relay.link in links_to(elsewhere, own):
            relay.asked.clear()
            told = ""
            try:
                await bench.pages()
            except ConnectorError as error:
                told = error.message

            assert [] == reached, relay.link
            assert {each.partition("?")[0] for each in relay.asked} <= paths, relay.link
            assert len(relay.asked) < 30, relay.link
            assert bool(told) is must_fail, (relay.link, told)
