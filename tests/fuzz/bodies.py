"""Deliveries to throw at the listener, each from its own seed: good ones, and what goes wrong with good ones, or was never good.

`Thrower.make` gives a whole request with the answers it may get, and whether it brings an event that is to be stored.
The rule that keeps it true: what is signed is signed with the real keys, and what may be answered is known before it is sent.
It must not know: the listener.
"""

from __future__ import annotations

import gzip
import zlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

import orjson

from tests.flow.doors import JSON, KEY, PATH_SECRET, from_ghl, from_octopus, signed

GHL, OCTOPUS, TRAIL = "/hooks/ghl", "/hooks/octopus", f"/hooks/trail/{PATH_SECRET}"
BOMB = gzip.compress(b"[" + b" " * 50_000_000 + b"]", 9)
DEFLATED = zlib.compress(b"[" + b" " * 5_000_000 + b"]", 9)
OVERSIZED = b"[" + b" " * (1 << 20) + b"]"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

Made = tuple[dict[str, str], bytes]


@dataclass(frozen=True)
class Throw:
    """One request, the statuses it may be answered with (None: silence or an end), and how many new events it brings."""

    kind: str
    raw: bytes
    statuses: frozenset[int | None]
    events: int = 0


def request(path: str, headers: dict[str, str] | list[tuple[str, str]], body: bytes, *, method: str = "POST", length: int | None = None) -> bytes:
    """One whole HTTP request, its values as they are."""
    pairs = headers.items() if isinstance(headers, dict) else headers
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in pairs)]
    lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def chunked(path: str, headers: dict[str, str], parts: list[bytes], *, end: bytes = b"0\r\n\r\n") -> bytes:
    """The same in chunks."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + end


class Thrower:
    """Makes requests. Two with the same seed make the same, but for signatures' keys and the moment."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.number = 0
        self.taken: list[tuple[str, Made]] = []

    def make(self) -> Throw:
        """The next one."""
        self.number += 1
        names, weights = zip(*WEIGHTS.items(), strict=True)
        (name,) = self.random.choices(names, weights)
        throw: Throw = getattr(self, name)()
        return Throw(name, throw.raw, throw.statuses, throw.events)

    def good(self) -> tuple[str, Made, int]:
        """A genuine delivery that was never sent, where it goes, and how many events are in it."""
        if self.random.random() < 0.5:
            return GHL, from_ghl(self.number), 1
        count = self.random.randint(1, 5)
        return OCTOPUS, from_octopus(*(self.number * 10 + each for each in range(count))), count

    # ---- what must be taken

    def valid(self) -> Throw:
        path, made, count = self.good()
        if len(self.taken) < 500:
            self.taken.append((path, made))
        return _throw(request(path, *made), 200, events=count)

    def hint(self) -> Throw:
        body = orjson.dumps({"contact_id": self.number, "x": "\0" * self.random.randint(0, 3)})
        return _throw(request(TRAIL, JSON, body), 200, events=1)

    def valid_in_chunks(self) -> Throw:
        path, (headers, body), count = self.good()
        cuts = sorted(self.random.randint(0, len(body)) for _ in range(self.random.randint(0, 5)))
        parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        return _throw(chunked(path, headers, parts), 200, events=count)

    def replayed(self) -> Throw:
        return _throw(request(self.old()[0], *self.old()[1]), 200, 401) if not self.taken else _throw(_whole(self.random.choice(self.taken)), 200)

    def nothing_new(self) -> Throw:
        return _throw(request(OCTOPUS, *signed(self.random.choice([b"[]", b'[{"type":"contact.opened"}]', b'[{"type":null},7,"x",[]]']))), 200)

    # ---- what is not genuine

    def old(self) -> tuple[str, Made]:
        return self.random.choice(self.taken) if self.taken else (GHL, (dict(JSON), b"{}"))

    def flipped_body(self) -> Throw:
        path, (headers, body), _ = self.good()
        return _throw(request(path, headers, self._flipped(body)), 401)

    def cut_body(self) -> Throw:
        path, (headers, body), _ = self.good()
        return _throw(request(path, headers, body[: self.random.randrange(len(body))]), 401)

    def rewritten(self) -> Throw:
        path, (headers, body), _ = self.good()
        again = self.random.choice([orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2), body + b" ", b" " + body, body + b"\n", b"\xef\xbb\xbf" + body])
        return _throw(request(path, headers, again), 401)

    def flipped_signature(self) -> Throw:
        path, (headers, body), _ = self.good()
        name = _signature(headers)
        place = self.random.randrange(len(headers[name]))
        other = self.random.choice([each for each in BASE64 if each != headers[name][place]])
        return _throw(request(path, {**headers, name: headers[name][:place] + other + headers[name][place + 1 :]}, body), 401)

    def odd_signature(self) -> Throw:
        path, (headers, body), _ = self.good()
        name, value = _signature(headers), headers[_signature(headers)]
        junk = "".join(chr(self.random.choice([*range(0x21, 0x7F), *range(0xA1, 0x2FF)])) for _ in range(self.random.randint(1, 50)))
        odd = [
            "", "N/A", value[: self.random.randrange(len(value))], value + "=", value + value, f"{value}, {value}", value.swapcase(), junk, "sha256=" + junk,
            "sha256=", "sha512=" + value, "v1," + value, "v1a," + value, value.replace("sha256=", ""), f'"{value}"', "=" * 88, "A" * 86 + "==", "\udcff\udcfe", "%00",
        ]  # fmt: skip
        return _throw(request(path, {**headers, name: self.random.choice([each for each in odd if each != value])}, body), 401)

    def doubled_signature(self) -> Throw:
        path, (headers, body), _ = self.good()
        name = _signature(headers)
        return _throw(request(path, [*headers.items(), (name, self.random.choice([headers[name], "x", ""]))], body), 401)

    def other_names(self) -> Throw:
        path, (headers, body), _ = self.good()
        other = self.random.choice(["X-WH-Signature", "Webhook-Signature", "Authorization", "X-Signature", "X-Syncd-Secret", "X-GHL-Signature2"])
        return _throw(request(path, {**JSON, other: headers[_signature(headers)]}, body), 401)

    def elsewhere_bound(self) -> Throw:
        path, made, _ = self.good()
        return _throw(request({GHL: OCTOPUS, OCTOPUS: GHL}[path], *made), 401)

    def out_of_time(self) -> Throw:
        at = datetime.now(UTC) + self.random.choice([timedelta(seconds=330), timedelta(days=400), -timedelta(days=4, minutes=1), -timedelta(days=4_000)])
        return _throw(request(GHL, *from_ghl(self.number, timestamp=at.isoformat())), 401)

    def wrong_secret(self) -> Throw:
        guess = self.random.choice([PATH_SECRET[:-1], PATH_SECRET + "0", PATH_SECRET.upper(), "%00", "..", "", PATH_SECRET[::-1], "%C3%A9", "x" * 1_000])
        return _throw(request(f"/hooks/trail/{guess}", JSON, b'{"contact_id": 1}'), 401, 404)

    def another_account(self) -> Throw:
        return _throw(request(GHL, *from_ghl(self.number, locationId=self.random.choice(["OTHER", "", None, 7, [], {}]))), 403)

    # ---- what is genuine and no delivery

    def signed_nonsense(self) -> Throw:
        body = self.random.choice([self._junk, self._deep, self._wide, self._long, self._number])()
        if self.random.random() < 0.5:
            return _throw(request(OCTOPUS, *signed(body)), 400)
        return _throw(request(GHL, {**JSON, "X-GHL-Signature": b64encode(KEY.sign(body)).decode()}, body), 400)

    def signed_wrong_ids(self) -> Throw:
        odd = self.random.choice(["../../etc/passwd", "a/b", "", " ", "x" * 65, "é", "a\n", "%2e", None, 7, [], {}, True])
        if self.random.random() < 0.5:
            return _throw(request(OCTOPUS, *from_octopus(self.number, contact_id=odd)), 400)
        return _throw(request(GHL, *from_ghl(self.number, id=odd)), 400)

    # ---- what is not even looked at

    def oversized(self) -> Throw:
        if self.random.random() < 0.1:
            return _throw(request(OCTOPUS, *signed(OVERSIZED)), 413)
        return _throw(request(self.random.choice([GHL, OCTOPUS, TRAIL]), JSON, b"", length=self.random.choice([1 << 21, 1 << 40, (1 << 63) - 1])), 413)

    def compressed(self) -> Throw:
        path, (headers, body), _ = self.good()
        coding, packed = self.random.choice([("gzip", gzip.compress(body, 1)), ("gzip", BOMB), ("deflate", DEFLATED), ("br", b"\x8b"), ("zstd", body), ("x", body), ("gzip, identity", body)])
        return _throw(request(path, {**headers, "Content-Encoding": coding}, packed), 415)

    def another_type(self) -> Throw:
        path, (headers, body), _ = self.good()
        other = self.random.choice(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", "", "json", "*/*", "text/html"])
        return _throw(request(path, {**headers, "Content-Type": other}, body), 415)

    def another_method(self) -> Throw:
        path, made, _ = self.good()
        return _throw(request(path, *made, method=self.random.choice(["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])), 405)

    def nowhere(self) -> Throw:
        path = self.random.choice(["/", "/hooks", "/hooks/", "/hooks/ghl/x/y", "/hooks/nobody", "/HOOKS/ghl", "/hooks//ghl", "/.env", "/hooks/ghl%00", "/hooks/%2e%2e/ghl", "/a" * 500])
        return _throw(request(path, *from_ghl(self.number)), 404)

    def broken_chunks(self) -> Throw:
        path, (headers, body), _ = self.good()
        end = self.random.choice([b"zz\r\n", b"-1\r\n\r\n", b"0x5\r\nabcde\r\n", b"5\r\nabcdefgh\r\n", b"ffffffffffffffffff\r\n", b"5 \r\nabcde\r\n0\r\n\r\n", b"\r\n\r\n"])
        return _throw(chunked(path, headers, [body], end=end), 400)

    def mutated(self) -> Throw:
        """Anything anywhere of one that was taken before: whatever it is now, it brings nothing new."""
        raw = bytearray(_whole(self.old()))
        for _ in range(self.random.randint(1, 5)):
            match self.random.randrange(3):
                case 0:
                    raw[self.random.randrange(len(raw))] = self.random.randrange(256)
                case 1:
                    del raw[self.random.randrange(len(raw))]
                case _:
                    raw.insert(self.random.randrange(len(raw)), self.random.randrange(256))
        return _throw(bytes(raw), None, 200, 400, 401, 403, 404, 405, 408, 413, 415)

    def noise(self) -> Throw:
        return _throw(self.random.randbytes(self.random.randint(1, 300)) + b"\r\n\r\n", None, 400, 404, 405)

    # ---- parts

    def _flipped(self, body: bytes) -> bytes:
        place, bit = self.random.randrange(len(body)), 1 << self.random.randrange(8)
        return body[:place] + bytes([body[place] ^ bit]) + body[place + 1 :]

    def _junk(self) -> bytes:
        return self.random.choice([b"", b"{", b"nul", b"[1,]", b"\xff\xfe[]", b"[NaN]", b"[1e999]", b'["\\ud800"]', b'"x"', b"7", b"null", b"true", b"[" * 9_999, self.random.randbytes(50)])

    def _deep(self) -> bytes:
        depth = self.random.choice([33, 100, 1_000, 5_000])
        return self.random.choice([b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth])

    def _wide(self) -> bytes:
        return orjson.dumps(self.random.choice([{f"{n}": n for n in range(2_001)}, {"a": [0] * 2_001}, [[{f"{n}": 0 for n in range(2_001)}]]]))

    def _long(self) -> bytes:
        return orjson.dumps({"a": "x" * 600_000} if self.random.random() < 0.1 else {"x" * 600_000: 1})

    def _number(self) -> bytes:
        return b'[{"type": %b}]' % self.random.choice([b"9007199254740993", b"-1e300", b"1" * 400])


WEIGHTS = {
    "valid": 20, "hint": 3, "valid_in_chunks": 5, "replayed": 8, "nothing_new": 2, "flipped_body": 8, "cut_body": 4, "rewritten": 4, "flipped_signature": 8,
    "odd_signature": 8, "doubled_signature": 3, "other_names": 3, "elsewhere_bound": 3, "out_of_time": 3, "wrong_secret": 4, "another_account": 3, "signed_nonsense": 4,
    "signed_wrong_ids": 4, "oversized": 1, "compressed": 2, "another_type": 3, "another_method": 3, "nowhere": 3, "broken_chunks": 2, "mutated": 3, "noise": 1,
}  # fmt: skip


def _throw(raw: bytes, *statuses: int | None, events: int = 0) -> Throw:
    return Throw("", raw, frozenset(statuses), events)


def _whole(taken: tuple[str, Made]) -> bytes:
    path, made = taken
    return request(path, *made)


def _signature(headers: dict[str, str]) -> str:
    return next(name for name in headers if name.endswith("Signature"))
