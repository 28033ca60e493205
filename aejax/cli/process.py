"""What every script does: set up its process, run a command, and end with one line and a status if that fails."""

import os
import sys
from collections.abc import Callable, Sequence

from aejax.cache import cache_directory
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


def set_up_jax() -> None:
    """Configures JAX for a whole process, before its first use: host devices and the compilation cache."""
    import jax

    # Members run one at a time on each host device, so every core wants one.
    jax.config.update(
        "jax_num_cpu_devices", len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    jax.config.update("jax_compilation_cache_dir", str(cache_directory() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
