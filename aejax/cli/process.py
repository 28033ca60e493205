"""How a command runs as a process: it ends with one line and a status if that fails."""

import os
import signal
import sys
from collections.abc import Callable, Sequence

from aejax.errors import KEPT, UserError, is_out_of_memory, printable, refusal


def main(command: Callable[[Sequence[str]], int | None]) -> None:
    """Runs a command with the process's arguments, and exits with its status.

    A `UserError`, and what the operating system refuses (a full disk, no memory, a missing permission), is one line on
    stderr. What a terminal or a pipe cannot show is escaped; a reader who leaves early ends the command quietly.
    """
    _make_printable()
    try:
        status = command(sys.argv[1:])
        sys.stdout.flush()
    except UserError as error:
        _exit(f"error: {error}", error.exit_status)
    except BrokenPipeError:
        _exit("", 128 + signal.SIGPIPE)
    except OSError as error:
        _exit(f"error: {refusal(error)}", 1)
    except KeyboardInterrupt:
        _exit("interrupted; run the same command again: what was saved is kept", 130)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        _exit(printable(f"error: not enough memory: {error}".rstrip(": ") + KEPT), 1)
    else:
        sys.exit(status)


def _make_printable() -> None:
    """Lets printing never fail for a character, or because a stream is closed, nor end in a file in its place."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        getattr(sys, name).reconfigure(errors="backslashreplace")


def _exit(message: str, status: int) -> None:
    """Ends the process, whether or not somebody reads what it prints."""
    try:
        if message:
            print(message, file=sys.stderr, flush=True)
        sys.stdout.flush()
    except OSError:
        # What is still to be written would fail again at the very end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
    sys.exit(status)
