"""Where a running daemon can be reached: at the address for webhooks and nowhere else; and what a browser sent there by others can do: nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from syncd.store import control, inbox, journal
from syncd.store.visiting import reading
from tests.cli.world import World, wait_for

MORE = """
[automations.morning]
schedule = "daily 07:00 Europe/London"
do = [ { alert = { text = "good morning" } } ]

[alerts]
command = ["/bin/true"]

"""
LISTENS, ACCEPTS = "0A", 0x10000
"""TCP's state, and the flag of a Unix socket, of one that takes connections."""
LOOPBACK = "0100007F"
PATHS = ("/", "/hooks", "/hooks/ghl", "/hooks/ghl/guess", "/hooks/nobody", "/livez", "/readyz", "/metrics", "/status", "/admin", "/favicon.ico", "/../state/syncd.db")
ELSEWHERE = {"Host": "evil.example", "Origin": "https://evil.example", "Referer": "https://evil.example/page", "Cookie": "a=b", "X-Forwarded-Host": "evil.example"}
HOSTS = ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "[::1]", "")


@pytest.fixture
def full(world: World) -> World:
    """A world of every kind of section, for which nothing waits."""
    world.edit_config('first_run = "review"', 'first_run = "auto"')
    world.edit_config("[daemon]\n", MORE + "[daemon]\n")
    return world


def sockets(pid: int) -> set[str]:
    """The inodes of the sockets that a process has open."""
    try:
        links, held = list(Path(f"/proc/{pid}/fd").iterdir()), []
    except PermissionError:
        pytest.skip("the process is closed to its own user, and only root sees what it has open")
    for each in links:
        with suppress(FileNotFoundError):
            held.append(each.readlink().name)
    return {each.removeprefix("socket:[").removesuffix("]") for each in held if each.startswith("socket:[")}


def table(pid: int, name: str) -> Iterator[list[str]]:
    """The rows of one of the kernel's tables, of the process's own network."""
    yield from (line.split() for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:])


def reachable(pid: int) -> dict[str, list[str]]:
    """What the process can be reached at, by kind."""
    own = sockets(pid)
    found: dict[str, list[str]] = {name: [row[1] for row in table(pid, name) if row[9] in own and row[3] == LISTENS] for name in ("tcp", "tcp6")}
    found |= {name: [row[1] for row in table(pid, name) if row[9] in own] for name in ("udp", "udp6", "raw", "raw6")}
    found["unix"] = [" ".join(row) for row in table(pid, "unix") if row[6] in own and int(row[3], 16) & ACCEPTS]
    return {name: each for name, each in found.items() if each}


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "off"])
def test_it_is_reached_at_one_address_or_none(full: World, listen: str) -> None:
    """At work, with calls open to both vendors: one TCP socket that listens, where the configuration says, and no other of any kind."""
    full.edit_config('listen = "127.0.0.1:0"', f'listen = "{listen}"')
    with full.daemon() as daemon:
        wait_for(lambda: full.here("status", "--json").json["syncs"]["contacts"]["links"].get("live", 0) > 3)
        found = reachable(daemon.process.pid)
        told = [each["port"] for each in daemon.said("listen.started")]

    assert {"tcp": [f"{LOOPBACK}:{port:04X}" for port in told]} == found if told else {} == found
    assert (listen == "off") is (told == [])


def answered(port: int, method: str, path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[Any, ...]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in ({**headers, "Content-Length": str(len(body))} if body else headers).items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        told = {name.lower(): value for name, value in answer.getheaders() if name.lower() != "date"}
        return answer.status, told, answer.read()
    finally:
        connection.close()


def state(world: World) -> tuple[Any, ...]:
    """All that a request could have changed."""
    with reading(world.database) as read:
        held = read(lambda tx: (journal.last_number(tx), inbox.count_waiting(tx), control.newest_request(tx, "resume"), len(control.open_requests(tx))))
    return (*held, *world.do(lambda sandbox: (len(sandbox.ghl.truth), len(sandbox.octopus.truth))))


def test_looking_does_nothing_wherever_one_comes_from(full: World) -> None:
    """Every address and every safe method, with another site's name as host and origin or without: the same answer, no leave for that site, no
    cookie, and nothing done; what can be learnt is whether it lives.
    """
    with full.daemon() as daemon:
        assert 0 == full.syncd("reconcile").code
        (port,) = [each["port"] for each in daemon.said("listen.started")]
        before, answers = state(full), {}
        for method in ("GET", "HEAD", "OPTIONS", "DELETE", "PUT"):
            for path in PATHS:
                answers[method, path] = answered(port, method, path, {})
                assert answers[method, path] == answered(port, method, path, ELSEWHERE), (method, path)
        for host in HOSTS:
            assert answers["GET", "/readyz"] == answered(port, "GET", "/readyz", {"Host": host}), host
        forged = [answered(port, "POST", "/hooks/ghl", {"Content-Type": "application/json", **more}, b"{}") for more in ({}, ELSEWHERE)]
        form = answered(port, "POST", "/hooks/ghl", {"Content-Type": "text/plain", **ELSEWHERE}, b"{}")
        after = state(full)

    assert before == after
    assert {("GET", "/livez"): b"alive\n", ("GET", "/readyz"): b"ready\n"} == {key: body for key, (status, _, body) in answers.items() if status == 200}
    assert {404, 405} == {status for status, _, _ in answers.values() if status != 200}
    assert [] == [each for _, headers, _ in answers.values() for each in headers if each.startswith(("access-control", "set-cookie", "server"))]
    assert (401, 415) == (forged[0][0], form[0])
    assert forged[0] == forged[1]


def test_the_tables_tell_of_a_listener(tmp_path: Path) -> None:
    """The test's own eyes: a process with another listening socket, TCP or Unix, is seen to have it."""
    with socket.create_server(("127.0.0.1", 0)) as line, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "admin"))
        local.listen()
        found = reachable(os.getpid())

        assert f"{LOOPBACK}:{line.getsockname()[1]:04X}" in found["tcp"]
        assert any(str(tmp_path / "admin") in each for each in found["unix"])
