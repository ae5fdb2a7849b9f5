"""A world whose GoHighLevel is let into by OAuth, and a person with a browser."""

from __future__ import annotations

import socket
import subprocess
import sys
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, build_opener, urlopen

from tests.cli.world import Result, World

OAUTH = """\
client_id = "{client_id}"
client_secret = {{ file = "client-secret" }}
redirect_uri = "{redirect_uri}"
authorize_url = "{authorize_url}"
"""


def use_oauth(world: World) -> None:
    """Rewrites the configuration: an app in place of the private token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def register(sandbox):
        sandbox.ghl.oauth.redirect_uri = f"http://127.0.0.1:{port}/oauth/callback"
        oauth = sandbox.ghl.oauth
        return oauth.client_secret, OAUTH.format(
            client_id=oauth.client_id, redirect_uri=oauth.redirect_uri, authorize_url=sandbox.ghl.base_url + "/v2/oauth/chooselocation"
        )

    secret, section = world.do(register)
    (world.folder / "client-secret").write_text(secret + "\n")
    (world.folder / "client-secret").chmod(0o600)
    world.edit_config('token = { file = "ghl-token" }\n', section)
    world.edit_config('first_run = "review"', 'first_run = "auto"')


@dataclass
class Asking:
    """A running `syncd auth`, and the address it shows."""

    process: subprocess.Popen[str]
    url: str
    said: str

    def end(self) -> Result:
        out, err = self.process.communicate(timeout=30)
        return Result(self.process.returncode, out, self.said + err)


def ask(world: World, *arguments: str) -> Asking:
    """Starts `syncd auth` and reads until it shows where to agree."""
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", "auth", "ghl", *arguments], cwd=world.folder, env=world.environ(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    said = ""
    while "chooselocation" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    return Asking(process, said.splitlines()[-1].strip(), said)


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_arguments):
        return None


def agree(url: str) -> str:
    """A person agrees; where the vendor sends him."""
    try:
        build_opener(_Stay).open(url, timeout=5)
    except HTTPError as answer:
        assert 302 == answer.code
        return answer.headers["Location"]
    raise AssertionError("the vendor sent nobody anywhere")


def visit(url: str) -> tuple[int, str]:
    """What a browser is answered."""
    try:
        with urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def let_in(world: World, *arguments: str) -> Result:
    """The whole of it."""
    asking = ask(world, *arguments)
    status, _page = visit(agree(asking.url))
    assert 200 == status
    return asking.end()
