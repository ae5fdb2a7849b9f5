"""Secrets come from where they are kept, and go nowhere else."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from syncd.config import Report, check, load
from syncd.config.secrets import UNREAD, SecretError, Secrets
from syncd.core.errors import UserError


@pytest.fixture
def secrets(tmp_path: Path, environ: dict[str, str]) -> Secrets:
    return Secrets(directory=tmp_path, environ=environ)


def test_from_a_credential(secrets: Secrets) -> None:
    """A credential is the file of that name in systemd's directory, without its last line end."""
    assert "crm-secret-text" == secrets.read({"credential": "crm-token"})


@pytest.mark.parametrize("name", ["mail.key", "~/mail.key", "{absolute}"])
def test_from_a_file(secrets: Secrets, tmp_path: Path, name: str) -> None:
    """A file is named by its path, relative to the configuration, or from the home directory."""
    assert "mail-secret-text" == secrets.read({"file": name.format(absolute=tmp_path / "mail.key")})


@pytest.mark.parametrize(("content", "text"), [("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a", "a")])
def test_one_line_end_is_taken_off(secrets: Secrets, tmp_path: Path, content: str, text: str) -> None:
    """The editor's last line end is no part of the secret; everything else is."""
    (tmp_path / "mail.key").write_bytes(content.encode())

    assert text == secrets.read({"file": "mail.key"})


@pytest.mark.parametrize(
    ("content", "mode", "what", "mend"),
    [
        ("text", 0o640, "is open to others (mode 0640)", "chmod 600 {path}"),
        ("text", 0o604, "is open to others (mode 0604)", "chmod 600 {path}"),
        ("text", 0o620, "is open to others (mode 0620)", "chmod 600 {path}"),
        ("", 0o600, "is empty", "write the secret into it"),
        (" \n", 0o600, "is empty", "write the secret into it"),
        ("x" * 70_000, 0o600, "is too large for a secret", "holds the secret and nothing else"),
    ],
)
def test_file_that_will_not_do(secrets: Secrets, tmp_path: Path, content: str, mode: int, what: str, mend: str) -> None:
    """A file others can read, an empty one and one that cannot be a secret are refused, with the way to mend it."""
    path = tmp_path / "mail.key"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(SecretError) as caught:
        secrets.read({"file": "mail.key"})

    assert what in caught.value.what
    assert mend.format(path=path) in caught.value.mend


def test_not_text(secrets: Secrets, tmp_path: Path) -> None:
    """A binary file is no secret, and its bytes are not shown."""
    (tmp_path / "mail.key").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretError, match="is not text"):
        secrets.read({"file": "mail.key"})


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_not_a_file(secrets: Secrets, tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A directory or a pipe is refused, without waiting for anybody to write into it."""
    make(tmp_path / "odd")
    with pytest.raises(SecretError, match=r"is not a file|cannot be read"):
        secrets.read({"file": "odd"})


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_somebody_elses_file(secrets: Secrets, tmp_path: Path) -> None:
    """A file of another user could be changed by them at any time."""
    os.chown(tmp_path / "mail.key", 12345, 12345)
    with pytest.raises(SecretError, match="belongs to someone else"):
        secrets.read({"file": "mail.key"})


def test_credentials_outside_systemd(tmp_path: Path) -> None:
    """Run by hand there are no credentials; the message says both ways out."""
    with pytest.raises(SecretError) as caught:
        Secrets(directory=tmp_path, environ={}).read({"credential": "crm-token"})

    assert "credential `crm-token` is not there: CREDENTIALS_DIRECTORY is not set" == caught.value.what
    assert "LoadCredential=crm-token:" in caught.value.mend
    assert "{ file = " in caught.value.mend


def test_not_looked_at(tmp_path: Path) -> None:
    """Where only the form matters nothing is read, and a wrong form is still wrong."""
    blind = Secrets(directory=tmp_path, environ={}, look=False)

    assert UNREAD == blind.read({"file": "nowhere"})
    with pytest.raises(SecretError):
        blind.read("pit-12345")


def test_missing_secrets_among_other_problems(good: str, checking: Callable[[str], Report]) -> None:
    """Each missing secret is a problem of its own, beside the rest."""
    text = good.replace("mail.key", "other.key").replace("crm-token", "other").replace("ABC123", "A")
    report = checking(text)

    assert [3, 4, 9] == [found.line for found in report.problems]
    assert "credential `other` is not in" in report.problems[1].what
    assert report.problems[2].mend.startswith("write the secret into it and make it yours alone: chmod 600")


def test_secrets_are_filled_in_and_never_shown(good: str, checking: Callable[[str], Report]) -> None:
    """The connector's options hold the secret; no repr of the settings does."""
    settings = checking(good).settings

    assert settings is not None
    assert "crm-secret-text" == settings.systems["crm"].options.token.get_secret_value()
    assert "secret-text" not in repr(settings)
    assert "secret-text" not in repr(settings.systems["crm"].options)


def test_check_without_secrets(good: str, tmp_path: Path, kinds) -> None:
    """A configuration can be checked on a machine that has none of its secrets."""
    path = tmp_path / "elsewhere.toml"
    path.write_text(good)
    report = check(path, kinds, environ={"HOME": "/nowhere"}, resolve_secrets=False)

    assert () == report.problems
    assert UNREAD == report.settings.systems["crm"].options.token.get_secret_value()


def test_a_secret_written_out_is_never_repeated(good: str, checking: Callable[[str], Report]) -> None:
    """Whatever way a secret was put into the file, no message shows it."""
    for written in ('"pit-12345"', '["pit-12345"]', '{ text = "pit-12345" }', '{ credential = "pit-12345", x = "pit-12345" }'):
        for key in ("token", "tokne"):
            report = checking(good.replace('token = { credential = "crm-token" }', f"{key} = {written}"))

            assert report.problems
            assert "pit-12345" not in "".join(map(str, report.problems))


def test_a_validator_cannot_give_a_secret_away(
    good: str, checking: Callable[[str], Report], kinds, environ, tmp_path: Path
) -> None:
    """Where a connector's own validator quotes the secret, the message still does not."""

    class Chatty(BaseModel):
        model_config = ConfigDict(extra="forbid")
        api_key: str

        @field_validator("api_key")
        @classmethod
        def _refuse(cls, value: str) -> str:
            raise ValueError(f"{value} is no key")

    from dataclasses import replace

    path = tmp_path / "syncd.toml"
    path.write_text(good)
    with pytest.raises(UserError) as caught:
        load(path, {**kinds, "mailer": replace(kinds["mailer"], settings=Chatty)}, environ=environ)

    assert (f"{path}:9: systems.mail.api_key: … is no key",) == caught.value.problems
