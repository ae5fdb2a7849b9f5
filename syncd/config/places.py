"""Where the configuration and the state are kept when nobody says.

The rule that keeps it true: the environment is an argument, and the same environment always gives the same answer.
It must not know: what the files hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from syncd.core.errors import UserError

SYSTEM_WIDE = Path("/etc/syncd")


def find_config(explicit: str | Path | None, environ: Mapping[str, str]) -> Path:
    """The configuration file: the one named, else ``$SYNCD_CONFIG``, else the system's, else the user's own, else the one that lies here.

    Raises UserError naming every place looked at. A file that was named is the only place.
    """
    if named := explicit or environ.get("SYNCD_CONFIG"):
        if (path := in_home(str(named), environ)).is_file():
            return path
        by = "-c" if explicit else "$SYNCD_CONFIG"
        raise UserError(f"there is no configuration file {path}, which {by} names", hint="`syncd init` writes a first one")
    places = (SYSTEM_WIDE / "syncd.toml", _xdg("XDG_CONFIG_HOME", ".config", environ) / "syncd" / "syncd.toml", Path("syncd.toml").absolute())
    for path in places:
        if path.is_file():
            return path
    looked = ", ".join(["-c FILE (not given)", "$SYNCD_CONFIG (not set)", *map(str, places)])
    raise UserError(f"no configuration file found; looked at {looked}", hint="`syncd init` writes a first one")


def default_state(directory: Path, environ: Mapping[str, str]) -> Path:
    """The state directory: the one systemd made for us, else the one it makes for the system's configuration, else the user's own."""
    if made := environ.get("STATE_DIRECTORY"):
        return Path(made.split(":", maxsplit=1)[0])
    if directory == SYSTEM_WIDE:
        # A command by hand finds what the service keeps.
        return Path("/var/lib/syncd")
    return _xdg("XDG_STATE_HOME", ".local/state", environ) / "syncd"


def in_home(written: str, environ: Mapping[str, str]) -> Path:
    """The path, with a leading ``~/`` meaning the home directory."""
    return _home(environ) / written[2:] if written.startswith("~/") else Path(written)


def _xdg(variable: str, default: str, environ: Mapping[str, str]) -> Path:
    """An XDG base directory; a relative one is to be ignored, as that specification says."""
    named = Path(environ.get(variable, ""))
    return named if named.is_absolute() else _home(environ) / default


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    return Path(home) if home else Path.home()
