"""A process that crashes leaves nothing of what it knew on the disk or on its error stream."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest

CANARY = "canary-8d1f27c4"
CRASH = """
import os, resource
from syncd.cli.seal import seal_process
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if {sealed}:
    seal_process()
def hold(secret):
    os.abort()
hold("-".join(["canary", "8d1f27c4"]))
"""


def crash(folder: Path, *, sealed: bool) -> tuple[int, bytes]:
    """A process with a secret in a local variable is ended by a signal that dumps it; its exit code and everything that it left."""
    done = subprocess.run([sys.executable, "-c", CRASH.format(sealed=sealed)], cwd=folder, capture_output=True, timeout=60, check=False)
    left = b"".join(each.read_bytes() for each in folder.iterdir())
    return done.returncode, left + done.stdout + done.stderr


def test_a_crash_leaves_no_core(tmp_path: Path) -> None:
    """Neither the file that the kernel writes nor a traceback holds a secret; without the seal, where the kernel writes such files here, it does."""
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() != "core":
        pytest.skip("this kernel does not write core files into the working directory, so nothing would be seen")
    if resource.getrlimit(resource.RLIMIT_CORE)[1] != resource.RLIM_INFINITY:
        pytest.skip("core files are forbidden here from outside, so nothing would be seen")
    for name in ("open", "sealed"):
        (tmp_path / name).mkdir()

    assert CANARY.encode() in crash(tmp_path / "open", sealed=False)[1]
    assert (-6, b"") == crash(tmp_path / "sealed", sealed=True)
