"""What every script does: run a command, and end with one line and a status if that fails."""

import sys
from collections.abc import Callable, Sequence

from aejax.errors import UserError


def main(command: Callable[[Sequence[str]], int | None]) -> None:
    """Runs a command with the process's arguments, as a script does, and exits with its status.

    A `UserError`, and what the operating system refuses (a full disk, a missing permission), is one line on stderr.
    """
    try:
        status = command(sys.argv[1:])
    except UserError as error:
        _exit(f"error: {error}", error.exit_status)
    except OSError as error:
        hint = "; put that right and run the same command again: what was saved is kept"
        _exit(f"error: {error.strerror or error}: {error.filename or ''}".rstrip(": ") + hint, 1)
    except KeyboardInterrupt:
        _exit("interrupted; run the same command again: what was saved is kept", 130)
    else:
        sys.exit(status)


def _exit(message: str, status: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)
