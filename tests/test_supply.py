"""What syncd is made of: every package by its hash, none with a hole that is known to matter here, and a wrong hash installs nothing."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCK = (ROOT / "requirements.lock").read_text()
AIOHTTP_MIN = (3, 13, 4)
"""Before it: bodies past their bound, chunks in quadratic time, two Host headers (CVE-2025-69228, -69229, CVE-2026-22815, -34525)."""


def test_every_package_is_locked_by_hash() -> None:
    """Each requirement names one release and at least one sum of it; the gate installs by nothing else."""
    entries = re.split(r"\n(?=\S)", LOCK.split("\n", 1)[1].replace("\\\n", " ").strip())
    packages = [each for each in entries if each.strip() and not each.startswith("#")]

    assert len(packages) > 20
    assert [] == [each[:60] for each in packages if not re.match(r"[\w.-]+==[\w.]+\s(.*--hash=sha256:[0-9a-f]{64})+", each)]
    assert "--require-hashes --only-binary=:all: -r requirements.lock" in (ROOT / ".ci" / "run").read_text()


def test_aiohttp_has_no_known_hole() -> None:
    """The locked release and the one these tests run with."""
    (locked,) = re.findall(r"^aiohttp==(\S+)", LOCK, re.MULTILINE)

    for version in (locked, importlib.metadata.version("aiohttp")):
        assert tuple(int(each) for each in version.split(".")[:3]) >= AIOHTTP_MIN


def wheel(folder: Path) -> Path:
    """A package with nothing in it."""
    path = folder / "nothing_at_all-1.0-py3-none-any.whl"
    told = {"nothing_at_all-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: nothing-at-all\nVersion: 1.0\n",
            "nothing_at_all-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    sums = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}" for name, text in told.items()]
    with zipfile.ZipFile(path, "w") as made:
        for name, text in told.items():
            made.writestr(name, text)
        made.writestr("nothing_at_all-1.0.dist-info/RECORD", "\n".join([*sums, "nothing_at_all-1.0.dist-info/RECORD,,"]))
    return path


def build(folder: Path, *, mask: int, at: int) -> Path:
    """The wheel of this checkout, built in a folder of its own: its files made in another order, at other times, for other people to read."""
    here = ["pyproject.toml", "README.md", "LICENSE", *(str(each.relative_to(ROOT)) for each in (ROOT / "syncd").rglob("*") if each.is_file())]
    sources = [each for each in here if "__pycache__" not in each]
    for name in sorted(sources, reverse=bool(mask)):
        copy = folder / "tree" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
        copy.chmod(0o666 & ~mask)
        os.utime(copy, (at, at))
    (folder / "tree" / "syncd" / "__pycache__").mkdir()
    (folder / "tree" / "syncd" / "__pycache__" / "left.cpython-311.pyc").write_bytes(bytes(at % 251))
    environ = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "made")]
    done = subprocess.run(command, cwd=folder / "tree", env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = (folder / "made").iterdir()
    return made


def test_a_wheel_can_be_made_again(tmp_path: Path) -> None:
    """Byte for byte, wherever, whenever and by whomever it is built; and it holds syncd, all of it and nothing else."""
    pytest.importorskip("hatchling", reason="what builds the package is not installed here")
    one, two = build(tmp_path / "one", mask=0, at=1_000_000_000), build(tmp_path / "other" / "two", mask=0o077, at=1_700_000_123)
    with zipfile.ZipFile(one) as opened:
        held = {name for name in opened.namelist() if ".dist-info/" not in name}

    assert hashlib.sha256(one.read_bytes()).hexdigest() == hashlib.sha256(two.read_bytes()).hexdigest()
    assert one.name == two.name
    assert {str(each.relative_to(ROOT)) for each in (ROOT / "syncd").rglob("*") if each.is_file() and "__pycache__" not in each.parts} == held


@pytest.mark.parametrize("tampered", [False, True])
def test_a_wrong_hash_installs_nothing(tmp_path: Path, *, tampered: bool) -> None:
    """With the very options of the gate: one digit that differs, and nothing is installed."""
    digest = hashlib.sha256(wheel(tmp_path).read_bytes()).hexdigest()
    other = ("0" if digest[0] != "0" else "1") + digest[1:]
    (tmp_path / "lock").write_text(f"nothing-at-all==1.0 --hash=sha256:{other if tampered else digest}\n")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--find-links", str(tmp_path), "--target", str(tmp_path / "to"),
               "--require-hashes", "--only-binary=:all:", "-r", str(tmp_path / "lock")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if "No module named pip" in done.stderr:
        pytest.skip("there is no pip here")

    assert (done.returncode != 0) is tampered, done.stderr
    assert (tmp_path / "to").exists() is not tampered
    assert ("HASHES" in done.stderr) is tampered
