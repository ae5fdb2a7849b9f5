"""The configuration and the state are found where they are looked for, in that order."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.config import find_config
from syncd.config.places import default_state
from syncd.core.errors import UserError


def test_named_file(tmp_path: Path) -> None:
    """The file named on the command line comes first, then the environment's."""
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.touch()
    two.touch()

    assert one == find_config(str(one), {"SYNCD_CONFIG": str(two)})
    assert two == find_config(None, {"SYNCD_CONFIG": str(two)})


def test_named_file_that_is_not_there(tmp_path: Path) -> None:
    """Who names a file means that file: no other is taken in its place."""
    with pytest.raises(UserError, match=r"no configuration file .*typo.toml, which -c names"):
        find_config(tmp_path / "typo.toml", {})
    with pytest.raises(UserError, match=r"which \$SYNCD_CONFIG names"):
        find_config(None, {"SYNCD_CONFIG": str(tmp_path / "typo.toml")})


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "HOME"])
def test_own_configuration(tmp_path: Path, variable: str) -> None:
    """A user's own configuration lies where XDG says."""
    path = tmp_path / ("syncd/syncd.toml" if variable == "XDG_CONFIG_HOME" else ".config/syncd/syncd.toml")
    path.parent.mkdir(parents=True)
    path.touch()

    assert path == find_config(None, {variable: str(tmp_path)})


def test_the_one_that_lies_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `syncd init` has just written is found without a word, unless there is a configuration where it belongs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "syncd.toml").touch()

    assert tmp_path / "syncd.toml" == find_config(None, {"HOME": "/nowhere"})
    (tmp_path / ".config/syncd").mkdir(parents=True)
    (tmp_path / ".config/syncd/syncd.toml").touch()
    assert tmp_path / ".config/syncd/syncd.toml" == find_config(None, {"HOME": str(tmp_path)})


def test_none_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has none is told every place, and how to get one."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        find_config(None, {"HOME": str(tmp_path)})

    for place in ("-c FILE", "$SYNCD_CONFIG", "/etc/syncd/syncd.toml", f"{tmp_path}/.config/syncd/syncd.toml", f"{tmp_path}/syncd.toml"):
        assert place in caught.value.message
    assert "syncd init" in caught.value.hint


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"STATE_DIRECTORY": "/var/lib/syncd:/var/lib/other", "HOME": "/h"}, "/var/lib/syncd"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/syncd"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/syncd"),
        ({"HOME": "/h"}, "/h/.local/state/syncd"),
    ],
)
def test_state(environ: dict[str, str], path: str) -> None:
    """The state lies where systemd put it, else where XDG says."""
    assert Path(path) == default_state(Path("/h/here"), environ)


def test_the_service_s_state_is_found_by_hand() -> None:
    """With the system's own configuration, a command by hand looks where systemd keeps the service's state."""
    assert Path("/var/lib/syncd") == default_state(Path("/etc/syncd"), {"HOME": "/h"})
