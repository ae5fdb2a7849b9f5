"""`syncd sandbox` as a process: what it prints, that it answers, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import typer

from syncd.cli.sandbox import _checked

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def sandbox(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, running for the length of the block."""
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", "sandbox", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def stop(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def ask(url: str, token: str, **headers: str) -> tuple[int, dict]:
    request = Request(url, headers={"Authorization": f"Bearer {token}", **headers})
    try:
        with urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, {}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_line_tells_all(number: signal.Signals) -> None:
    """One JSON line says how to connect; both vendors answer there; a signal ends it with 0 and no further word."""
    with sandbox("--json", "--people", "8") as process:
        assert process.stdout is not None
        described = json.loads(process.stdout.readline())
        ghl, octopus = described["gohighlevel"], described["emailoctopus"]
        location = ask(f"{ghl['base_url']}/locations/{ghl['location_id']}", ghl["token"], Version="2021-07-28")
        contacts = ask(f"{octopus['base_url']}/lists/{octopus['list_id']}/contacts", octopus["api_key"])
        refused = ask(f"{octopus['base_url']}/lists", "not the key")
        ended = stop(process, number)

    assert (200, 200, 401) == (location[0], contacts[0], refused[0])
    assert octopus["contacts"] == len(contacts[1]["data"])
    assert ghl["webhook_public_key_pem"].startswith("-----BEGIN PUBLIC KEY-----")
    assert (None, "sandbox-webhook-secret") == (octopus["webhooks_to"], octopus["webhook_secret"])
    assert (0, "", "") == ended


def test_the_snippet_is_a_configuration(tmp_path: Path) -> None:
    """What it says to put into a configuration is read as it stands by `syncd check`, with the list it names."""
    with sandbox("--json", "--webhooks-to", "http://127.0.0.1:8787/") as process:
        assert process.stdout is not None
        described = json.loads(process.stdout.readline())
    ghl, octopus = described["gohighlevel"], described["emailoctopus"]
    for name, secret in (("ghl-token", ghl["token"]), ("octopus-key", octopus["api_key"]),
                         ("octopus-webhook-secret", octopus["webhook_secret"])):
        (tmp_path / name).write_text(secret)
        (tmp_path / name).chmod(stat.S_IRUSR)
    config = tmp_path / "syncd.toml"
    config.write_text(f"""{described["config"]}
[syncs.contacts]
match = ["email"]
source_of_truth = "ghl"
[syncs.contacts.members]
ghl = {{ collection = "contacts", when = {{ field = "email", op = "exists" }} }}
octopus = {{ collection = "contacts", list = "{octopus["list_id"]}", archive = {{ status = "unsubscribed" }} }}
[syncs.contacts.fields]
email = {{ type = "email", ghl = "email", octopus = "email_address" }}
""")
    checked = subprocess.run(
        [sys.executable, "-m", "syncd", "check", "-c", str(config)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT, check=False,
    )

    assert "http://127.0.0.1:8787/hooks/ghl" == ghl["webhooks_to"]
    assert "http://127.0.0.1:8787/hooks/octopus" == octopus["webhooks_to"]
    assert {"ghl", "octopus"} == set(tomllib.loads(described["config"])["systems"])
    assert 0 == checked.returncode, checked.stdout + checked.stderr


def test_a_person_is_shown_the_same() -> None:
    """Without `--json` the same is told in lines, with a snippet for the configuration."""
    with sandbox("--people", "0") as process:
        assert process.stdout is not None
        lines = []
        while not any("# The list" in line for line in lines):
            lines.append(process.stdout.readline())
        code, _, err = stop(process, signal.SIGINT)

    assert (0, "") == (code, err)
    assert "[systems.ghl]\n" in lines
    assert 'token = { file = "ghl-token" }\n' in lines


def test_a_taken_port_is_told() -> None:
    """Two on one port: the second says so in words."""
    with sandbox("--json") as first:
        assert first.stdout is not None
        url = json.loads(first.stdout.readline())["gohighlevel"]["base_url"]
        with sandbox("--ghl-port", url.rsplit(":", 1)[1]) as second:
            _, err = second.communicate(timeout=20)

    assert 1 == second.returncode
    assert "cannot listen" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "http://10.0.0.1:8787", "http://127.0.0.1@example.com", "http://127.0.0.1.example.com", "ftp://127.0.0.1",
     "127.0.0.1:8787", "http://0.0.0.0:1", "http://127.0.0.1:8787/?x=1", "http://[::2]/", "http://127.0.0.1:99999", "http://"],
)
def test_webhooks_stay_on_this_machine(url: str) -> None:
    """Webhooks carry contacts, so they go to loopback addresses only."""
    with pytest.raises(typer.BadParameter):
        _checked(url)


def test_a_strange_address_is_wrong_usage() -> None:
    """It ends with 2 before anything listens."""
    with sandbox("--webhooks-to", "http://example.com") as process:
        out, err = process.communicate(timeout=20)

    assert (2, "") == (process.returncode, out)
    assert "to this machine" in err


@pytest.mark.parametrize("url", ["http://127.0.0.1:8787", "http://[::1]:8787/", "http://localhost:8787"])
def test_webhooks_may_go_to_loopback(url: str) -> None:
    """Every way to name this machine is fine, a last slash does not matter."""
    assert url.rstrip("/") == _checked(url)
