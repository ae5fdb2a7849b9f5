"""Where calls may go: the vendor's own hosts, by certificates that hold, to addresses of the internet; and what comes back is bounded."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from syncd.connectors import wire
from syncd.connectors.address import check_base_url, is_reachable
from syncd.connectors.registry import KINDS
from syncd.core.errors import Effect, Unavailable, UserError
from tests.connectors.test_http import READ, WRITE, answering, failure, session

INSIDE = [
    "127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_no_inner_address_is_reachable_for_a_vendors_name(address):
    """In none of the dresses that it may come in."""
    assert not is_reachable(address, "api.example.com")


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_reachable(address):
    """For a vendor's name, and never for a name of this machine."""
    assert is_reachable(address, "api.example.com")
    assert not is_reachable(address, "localhost")


@pytest.mark.parametrize("address", [each for each in INSIDE if "%" not in each and not ip_address(each).is_loopback])
def test_no_inner_address_can_be_configured(address):
    """Not even with https."""
    with pytest.raises(UserError):
        check_base_url(f"https://{f'[{address}]' if ':' in address else address}")


@pytest.mark.parametrize("kind", ["gohighlevel", "emailoctopus", "activetrail"])
@pytest.mark.parametrize("host", ["evil.example.com", "services.leadconnectorhq.com.evil.example.com", "leadconnectorhq.com", "8.8.8.8"])
def test_a_credential_goes_to_the_vendors_own_hosts_only(kind, host):
    """Any other host is refused where it is written; the vendor's own and an emulator on this machine are taken."""
    options = {"gohighlevel": {"location_id": "L", "token": "t"}, "emailoctopus": {"api_key": "k"}, "activetrail": {"token": "t"}}[kind]
    settings = KINDS[kind].settings
    with pytest.raises(ValidationError, match="is not the vendor's"):
        settings(**options, base_url=f"https://{host}")

    assert check_base_url(settings(**options).base_url).host in settings.HOSTS
    assert "http://127.0.0.1:8080" == settings(**options, base_url="http://127.0.0.1:8080").base_url


@pytest.fixture
def names(monkeypatch):
    """Names that lead where a test says; each is what the next look-up finds, the last for ever."""
    told: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def look_up(host, port, *arguments, **options):
        if host not in told:
            return real(host, port, *arguments, **options)
        found = told[host].pop(0) if len(told[host]) > 1 else told[host][0]
        family = socket.AF_INET6 if ":" in found else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (found, port, 0, 0) if ":" in found else (found, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return told


@asynccontextmanager
async def listened(context: ssl.SSLContext | None = None):
    """A server that counts who connects; gives its port and the count."""
    seen = []

    async def take(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "fd00::1"])
async def test_a_name_that_leads_inside_is_not_followed(names, address):
    """Nothing is connected to, so that nothing can have happened; and it is said what is wrong."""
    names["api.example.com"] = [address]
    async with listened() as (port, seen), session(f"https://api.example.com:{port}", timeout_s=5) as opened:
        with pytest.raises(Unavailable) as caught:
            await opened.call(WRITE)

    assert (Effect.NONE, []) == (caught.value.effect, seen)
    assert "private network" in caught.value.hint


async def test_a_name_that_flips_is_judged_as_it_is_connected_to(names):
    """Whatever it led to when somebody looked before."""
    names["api.example.com"] = ["8.8.8.8", "127.0.0.1"]
    async with listened() as (port, seen), session(f"https://api.example.com:{port}", timeout_s=5) as opened:
        assert "8.8.8.8" == socket.getaddrinfo("api.example.com", port)[0][4][0]
        with pytest.raises(Unavailable) as caught:
            await opened.call(WRITE)

    assert [] == seen
    assert "private network" in caught.value.hint


@pytest.mark.parametrize("host", ["2130706433", "127.1", "10.1", "0177.0.0.1"])
def test_a_number_is_no_name(host):
    """An address in another spelling would be connected to without being looked up, so it is refused where it is written."""
    with pytest.raises(UserError):
        check_base_url(f"https://{host}")


def certificate(folder, *, host="localhost", issuer=None, days=(-1, 1)):
    """A certificate and its key in one file; made out by itself or by `issuer`. Gives the path, the certificate and the key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[1].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .sign(issuer[2] if issuer else key, SHA256())
    )
    path = folder / f"{host}{days[1]}{issuer is None}.pem"
    path.write_bytes(made.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path, made, key


@pytest.mark.parametrize("what", ["good", "expired", "not yet", "self-signed", "of another host", "too old a protocol"])
async def test_only_a_certificate_that_holds_is_believed(tmp_path, monkeypatch, what):
    """All else fails closed, before anything is sent."""
    authority = certificate(tmp_path, host="authority")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    wire._trust.cache_clear()
    path, _, _ = certificate(
        tmp_path,
        host="elsewhere.example.com" if what == "of another host" else "localhost",
        issuer=None if what == "self-signed" else authority,
        days={"expired": (-9, -2), "not yet": (2, 9)}.get(what, (-1, 1)),
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    if what == "too old a protocol":
        with pytest.warns(DeprecationWarning):
            context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    try:
        async with listened(context) as (port, seen), session(f"https://localhost:{port}", timeout_s=5) as opened:
            if what == "good":
                assert {} == (await opened.call(WRITE)).body
            else:
                with pytest.raises(Unavailable) as caught:
                    await opened.call(WRITE)
                assert (Effect.NONE, []) == (caught.value.effect, seen)
    finally:
        wire._trust.cache_clear()


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "application/xml", "image/png", "multipart/form-data"])
async def test_a_page_is_no_answer_even_if_it_reads_like_one(kind):
    """A success of another type was not the vendor speaking; a write may have happened."""
    error = await failure(answering(200, b"{}", **{"Content-Type": kind}), WRITE)

    assert (Unavailable, Effect.MAYBE) == (type(error), error.effect)


@pytest.mark.parametrize("body", [b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 5_000 + b"]" * 5_000])
async def test_an_answer_is_not_endlessly_deep(body):
    """Deeper than any honest one, it is not looked at."""
    assert Unavailable is type(await failure(answering(200, body), READ))


async def test_a_head_without_end_is_given_up():
    """A head is bounded in size and in time, like a body."""

    async def endless(_reader, writer):
        writer.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                writer.write(b"X: " + b"a" * 4_000 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with server, session(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=5) as opened:
        with pytest.raises(Unavailable):
            await asyncio.wait_for(opened.call(READ), 20)
