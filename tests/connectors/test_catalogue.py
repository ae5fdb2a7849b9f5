"""Operations by name: where each value goes, what is refused before a call, and how calls are repeated and paged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web

from syncd.connectors import calling
from syncd.connectors.calling import call, pages
from syncd.connectors.catalogue import Catalogue, Prepared, prepare
from syncd.connectors.clock import SystemClock
from syncd.connectors.http import Dialect, Session
from syncd.connectors.quota import Limits, Quota, WindowBudget
from syncd.core.errors import ConnectorError, Effect, Rejected, Unavailable, UserError
from syncd.core.record import SystemName

ROW = {"name": "Row", "group": "Things", "call": "GET /things", "success": 200, "writes": False, "replay": "safe", "collection": "things"}
LIMIT = {"name": "limit", "in": "query", "type": "number"}
TABLE = {
    "operations": [
        {
            **ROW, "slug": "update-thing", "call": "PUT /places/{placeId}/things/{key}", "writes": True, "body": "object", "waived": ["size"],
            "parameters": [
                {"name": "placeId", "in": "path", "type": "string", "required": True},
                {"name": "key", "in": "path", "type": "string", "required": True},
                {"name": "loud", "in": "query", "type": "boolean"},
                {"name": "ids", "in": "query", "type": "array<string>"},
                {"name": "name", "in": "body", "type": "string", "required": True},
                {"name": "size", "in": "body", "type": "number", "required": True},
                {"name": "owner", "in": "body", "type": "string"},
                {"name": "colour", "in": "body", "type": "string", "options": ["red", "blue"]},
            ],
        },
        {**ROW, "slug": "make-thing", "call": "POST /things", "writes": True, "replay": "doubtful", "body": "array", "parameters": [{"name": "name", "in": "body", "type": "string"}]},
        {**ROW, "slug": "delete-thing", "call": "DELETE /things/{id}", "writes": True, "parameters": [{"name": "id", "in": "path", "type": "string", "required": True}]},
        {**ROW, "slug": "by-rows", "paging": {"from": {"skip": "rows"}}, "parameters": [{"name": "skip", "in": "query", "type": "string"}, LIMIT]},
        {**ROW, "slug": "by-cursor", "paging": {"from": {"after": "last.at|cursor"}, "more": "more"}, "parameters": [{"name": "after", "in": "query", "type": "string"}]},
        {**ROW, "slug": "by-search", "call": "POST /things/search", "body": "object", "paging": {"from": {"after": "cursor"}, "drop": ["page"]},
         "parameters": [{"name": "after", "in": "body", "type": "any"}, {"name": "page", "in": "body", "type": "number"}]},
        {**ROW, "slug": "file", "media": "text/plain", "parameters": []},
    ]
}  # fmt: skip
THINGS = Catalogue(orjson.dumps(TABLE), lambda version: {"Version": version or "1"})
KNOWN = {"placeId": "here", "owner": "me"}


def ready(name: str, known: Mapping[str, Any] | None = None, /, **values: Any) -> Prepared:
    return prepare(THINGS, THINGS[name], values, known or {})


def test_every_value_goes_where_it_belongs() -> None:
    """Into the path, the query or the body, in the form that each has."""
    prepared = ready("update-thing", placeId="p1", key="a.b", loud=True, ids=["x", "y"], name="Lamp", size=None)

    assert "/places/p1/things/a.b" == prepared.operation.path
    assert {"loud": "true", "ids": ["x", "y"]} == prepared.query
    assert {"name": "Lamp", "size": None} == prepared.body
    assert [{"name": "Lamp"}] == ready("make-thing", name="Lamp").body
    assert None is ready("by-rows").body


def test_what_is_known_is_filled_in_only_where_it_is_required() -> None:
    """And never over what was given."""
    filled = ready("update-thing", KNOWN, key="k", name="Lamp", size=1)
    given = ready("update-thing", KNOWN, key="k", name="Lamp", size=1, placeId="there")

    assert ({"placeId": "here"}, "/places/here/things/k") == (filled.filled, filled.operation.path)
    assert ({}, "/places/there/things/k") == (given.filled, given.operation.path)
    assert "owner" not in filled.body


def test_everything_wrong_is_told_at_once() -> None:
    """Unknown names with what was meant, missing ones with what they are, values that fit nowhere."""
    with pytest.raises(UserError) as caught:
        ready("update-thing", place_id="p", nmae="x", key="../up", loud={"a": 1})

    assert (
        "`place_id` is unknown: did you mean `placeId`?",
        "`nmae` is unknown: did you mean `name`?",
        "`placeId` is missing (a string)",
        "`name` is missing (a string)",
        "`key` cannot stand in the path: give a string",
        "`loud` cannot stand in the query: give a boolean",
    ) == caught.value.problems


def test_what_only_the_documents_forbid_is_remarked_on() -> None:
    """They contradict themselves too often to refuse a call for them."""
    prepared = ready("update-thing", placeId="p", key="k", name=3, colour="green")

    assert (
        "`name` is documented to be a string",
        "`size` is not given; the documents call it required, and contradict themselves",
        "`colour` is documented to be one of red, blue",
    ) == prepared.remarks


@pytest.mark.parametrize("key", ["..", ".", "a/b", "a%2fb", "", "a b", "a..b", ".a", "é", "a" * 129, None, [], {"a": 1}])
def test_a_path_takes_ids_and_keys_alone(key: Any) -> None:
    """Nothing that leads to another operation."""
    with pytest.raises(UserError):
        ready("delete-thing", id=key)


def test_an_unknown_operation_names_its_neighbours() -> None:
    """The nearest spelling first."""
    with pytest.raises(UserError) as caught:
        THINGS.named("updat-thing")

    assert caught.value.hint.startswith("did you mean `update-thing`")
    assert ["by-search"] == [row.name for row in THINGS.matching("SEARCH")]


class Shop:
    """A vendor that answers as it is told, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str], Any]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        self.asked.append((request.method, dict(request.query), orjson.loads(raw) if raw else None))
        answer = self.answers.pop(0)
        if isinstance(answer, int):
            return web.json_response({"message": "no"}, status=answer)
        if answer == "lost":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(body=answer, content_type="text/plain") if isinstance(answer, bytes) else web.json_response(answer)


@asynccontextmanager
async def open_shop(shop: Shop) -> AsyncIterator[Session]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", shop.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock, system = SystemClock(), SystemName("shop")
    try:
        async with Session(
            system=system,
            base_url=f"http://127.0.0.1:{runner.addresses[0][1]}",
            headers={},
            dialect=Dialect(limits=lambda status, _headers: Limits(refused=status == 429, retry_after_s=0.0), message=lambda _body: ""),
            quota=Quota(system=system, clock=clock, budget=WindowBudget(limit=1000, window_s=1)),
            clock=clock,
        ) as session:
            yield session
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other without the wait between them."""
    monkeypatch.setattr("syncd.core.retry.FIRST_DELAY", 0)


async def called(shop: Shop, prepared: Prepared) -> Any:
    async with open_shop(shop) as session:
        return (await call(session, prepared)).body


async def walked(shop: Shop, name: str, **values: Any) -> list[Any]:
    async with open_shop(shop) as session:
        return [answer.body async for answer in pages(session, THINGS, THINGS[name], values, {})]


@pytest.mark.parametrize("trouble", ["lost", 500, 503, 429])
@pytest.mark.parametrize("prepared", [ready("by-rows"), ready("by-search"), ready("delete-thing", id="x")], ids=lambda each: each.row.name)
async def test_what_does_no_harm_twice_is_called_again(prepared: Prepared, trouble: Any) -> None:
    """Reads, also those by POST, and writes that may be replayed."""
    shop = Shop(trouble, trouble, {"ok": 1})

    assert {"ok": 1} == await called(shop, prepared)
    assert 3 == len(shop.asked)


@pytest.mark.parametrize(("trouble", "times"), [("lost", 1), (500, 1), (429, 2)])
async def test_a_doubtful_write_is_not_called_again(trouble: Any, times: int) -> None:
    """Unless it certainly had no effect."""
    shop = Shop(trouble, {"ok": 1})
    try:
        await called(shop, ready("make-thing", name="Lamp"))
    except ConnectorError as error:
        assert Effect.MAYBE is error.effect
        assert "may have taken effect" in error.hint

    assert times == len(shop.asked)


async def test_a_replay_that_finds_nothing_says_why_that_may_be() -> None:
    """The attempt whose answer was lost may have deleted it."""
    with pytest.raises(Rejected) as caught:
        await called(Shop("lost", 404), ready("delete-thing", id="x"))

    assert "may have taken effect" in caught.value.hint


async def test_attempts_end() -> None:
    """A vendor that is down stays down."""
    shop = Shop(*[503] * 20)
    with pytest.raises(Unavailable):
        await called(shop, ready("by-rows"))

    assert calling.ATTEMPTS_MAX == len(shop.asked)


async def test_a_file_is_bytes_and_silence_is_none() -> None:
    """Where an operation may answer with anything, it does; elsewhere that is an error."""
    assert b"hello" == await called(Shop(b"hello"), ready("file"))
    assert None is await called(Shop(b""), ready("file"))
    assert {"ok": 1} == await called(Shop({"ok": 1}), ready("file"))
    with pytest.raises(Unavailable):
        await called(Shop(*[b"hello"] * 9), ready("by-rows"))


async def test_pages_by_the_number_of_rows() -> None:
    """From where one began, by as many as came, until none come; a full page is not the end and a short one neither."""
    shop = Shop({"things": [1, 2]}, {"things": [3]}, {"things": [4, 5]}, {"things": []})
    seen = await walked(shop, "by-rows", skip="10", limit=2)

    assert [[1, 2], [3], [4, 5], []] == [page["things"] for page in seen]
    assert ["10", "12", "13", "15"] == [query["skip"] for _, query, _ in shop.asked]
    assert {"2"} == {query["limit"] for _, query, _ in shop.asked}


async def test_a_total_ends_a_listing_that_began_at_its_beginning() -> None:
    """And saves the empty page; a count is not believed, for it may be the page's."""
    assert 2 == len(await walked(Shop({"things": [1], "total": 2}, {"things": [2], "total": 2}), "by-rows"))
    assert 3 == len(await walked(Shop({"things": [1], "count": 1}, {"things": [2], "count": 1}, {"things": []}), "by-rows"))


async def test_pages_by_what_the_answer_holds() -> None:
    """The last row's own mark before the answer's, as long as the answer says that there is more."""
    shop = Shop({"things": [{"at": "a"}], "cursor": "z", "more": True}, {"things": [{}], "cursor": "b", "more": True}, {"things": [{"at": "c"}], "more": False})

    assert 3 == len(await walked(shop, "by-cursor"))
    assert [None, "a", "b"] == [query.get("after") for _, query, _ in shop.asked]


async def test_pages_in_a_body_drop_what_fits_the_first_alone() -> None:
    """A mark keeps its form, and the page's number goes."""
    shop = Shop({"things": [1], "cursor": [1, "x"]}, {"things": [2]})
    await walked(shop, "by-search", page=1)

    assert [{"page": 1}, {"after": [1, "x"]}] == [body for _, _, body in shop.asked]


async def test_a_listing_that_does_not_get_on_is_an_error() -> None:
    """The same page again, or more rows than shown and nothing to go on from: never a silent end."""
    with pytest.raises(Rejected, match="same page"):
        await walked(Shop({"things": [1]}, {"things": [1]}, {"things": [1]}), "by-rows")
    with pytest.raises(Rejected, match="1 of 5"):
        await walked(Shop({"things": [{}], "total": 5, "more": True}), "by-cursor")
