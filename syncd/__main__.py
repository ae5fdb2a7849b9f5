"""`python -m syncd` and the `syncd` command: runs the command line and ends with the code that its errors stand for.

The rule that keeps it true: an error of ours is told in words and never as a traceback; one that nobody foresaw is.
It must not know: any command.
"""

from __future__ import annotations

import os
import sys

from syncd.cli import app
from syncd.cli.exits import Code, code_of, ours
from syncd.cli.screen import show_error
from syncd.core.errors import SyncdError


def main() -> int:
    """Runs the command that the arguments name; the exit code."""
    try:
        app()
    except KeyboardInterrupt:
        return Code.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing more may be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Code.OK
    except (SyncdError, BaseExceptionGroup) as error:
        known = ours(error)
        if known is None:
            raise
        show_error(known)
        return code_of(known)
    return Code.OK


if __name__ == "__main__":
    sys.exit(main())
