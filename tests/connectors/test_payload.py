"""Reading a verified body: what is within the bounds comes out whole, and nothing else comes out at all."""

from __future__ import annotations

import subprocess
import sys
import time

import orjson
import pytest

from syncd.connectors.payload import STRING_MAX, UNREADABLE, read

REFUSED = {
    "too deep": b"[" * 33 + b"]" * 33,
    "endlessly deep": b"[" * 100_000,
    "deep in objects": b'{"a":' * 40 + b"1" + b"}" * 40,
    "too wide": orjson.dumps(list(range(2_001))),
    "too many names": orjson.dumps({f"{n}": n for n in range(2_001)}),
    "too many in all": orjson.dumps([[0] * 2_000] * 101),
    "a string too long": orjson.dumps({"a": "x" * (STRING_MAX + 1)}),
    "a name too long": orjson.dumps({"x" * (STRING_MAX + 1): 1}),
    "a number too large": b"[9007199254740993]",
    "a number too small": b"[-9007199254740993]",
    "a number of many digits": b"[" + b"9" * 400 + b"]",
    "a fraction too large": b"[1e300]",
    "infinity": b"[1e999]",
    "no number": b"[NaN]",
    "half a pair": b'["\\ud800"]',
    "a byte order mark": b"\xef\xbb\xbf[]",
    "no UTF-8": b'["\xff"]',
    "UTF-16": "[]".encode("utf-16"),
    "a raw NUL": b'["\x00"]',
    "nothing": b"",
    "two": b"[][]",
    "a comment": b"[] // a",
    "a comma too many": b"[1,]",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_out_of_bounds_is_not_read(what):
    """None of it raises, and none takes long."""
    began = time.process_time()

    assert UNREADABLE is read(REFUSED[what])
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "value",
    [None, True, 2**53, -(2**53), 1.5, "", "é" * STRING_MAX, [], {}, {"a": [{"b": [1, "two", None]}]}, ["😀", "\u202e", "'; DROP TABLE"], list(range(2_000))],
)
def test_what_is_within_bounds_comes_out_whole(value):
    """Just within counts as within."""
    assert value == read(orjson.dumps(value))


def test_a_pair_of_halves_is_one_character():
    """As JSON writes what lies beyond the first plane."""
    assert ["😀"] == read(rb'["\ud83d\ude00"]')


def test_a_nul_is_taken_out_before_anything_reads_it():
    """In values and in names, however deep; what only looks like one stays."""
    body = rb'{"i\u0000d": "a\u0000b", "deep": [{"x": "\u0000"}], "looks": "\\u0000"}'

    assert {"id": "ab", "deep": [{"x": ""}], "looks": "\\u0000"} == read(body)


def test_a_larger_string_is_read_where_the_vendor_sends_such():
    """The bound on strings is the caller's to raise."""
    body = orjson.dumps(["x" * (STRING_MAX + 1)])

    assert (UNREADABLE, orjson.loads(body)) == (read(body), read(body, string_max=2 * STRING_MAX))


def test_want_of_memory_is_told_and_ends_nothing() -> None:
    """What decodes JSON ends the process where there is no room for what the body becomes: whether there is, is looked at before."""
    many = "import resource, sys; from syncd.connectors.payload import read; body = b'[' + b'{},' * 600_000 + b'1]'\n"
    many += "size = [int(line.split()[1]) * 1024 for line in open('/proc/self/status') if line.startswith('VmSize')][0]\n"
    many += "resource.setrlimit(resource.RLIMIT_AS, (size + 4_000_000, resource.RLIM_INFINITY))\n"
    many += "try: read(body)\nexcept MemoryError as error: sys.exit(f'told: {error}')\n"
    done = subprocess.run([sys.executable, "-c", many], capture_output=True, text=True, check=False)

    assert (1, "told: no room for a body of 1800003 bytes\n") == (done.returncode, done.stderr)
