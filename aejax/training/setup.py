"""What a process does before it first uses JAX."""

import contextlib
import os
import warnings
from collections.abc import Iterable

from aejax.cache import cache_directory
from aejax.errors import UserError

# With which a GPU gives the same bits again: of operations whose result depends on which thread comes first, another
# implementation; and no kernel that is chosen by measuring which of several is the fastest today.
DETERMINISTIC = ("--xla_gpu_deterministic_ops=true", "--xla_gpu_autotune_level=0")


def add_xla_options(options: Iterable[str]) -> None:
    """Appends to XLA_FLAGS those options that it lacks. XLA reads it once, when a process first uses a device."""
    given = os.environ.get("XLA_FLAGS", "").split()
    missing = [option for option in options if option not in given]
    if missing:
        os.environ["XLA_FLAGS"] = " ".join([*given, *missing])


def num_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_up_jax() -> None:
    """Configures JAX for a whole process: host devices (`JAX_NUM_CPU_DEVICES` overrides) and the compilation cache.

    A cache that cannot be read or written is done without, as JAX does, but without a warning.

    Raises:
      RuntimeError: if the process has used JAX already; then nothing is changed.
    """
    import jax

    if "JAX_NUM_CPU_DEVICES" not in os.environ:
        # Members run one at a time on each host device, so every core wants one.
        jax.config.update("jax_num_cpu_devices", num_cores())
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry", UserWarning)
    jax.config.update("jax_compilation_cache_dir", str(cache_directory() / "jax"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def set_up_jax_if_unused() -> None:
    """Does `set_up_jax` in a process of the user's, unless that has used JAX, or set its devices or cache, already."""
    import jax

    values = jax.config.values
    if values["jax_num_cpu_devices"] < 1 and values["jax_compilation_cache_dir"] is None:
        with contextlib.suppress(RuntimeError):
            set_up_jax()


def join_processes(coordinator: str | None, num_processes: int | None, process: int | None) -> None:
    """Joins the processes that train together, their devices being one row: `jax.distributed`.

    Args:
      coordinator: host:port of the first of them; None: what the cluster (Slurm, TPU pods, ...) says, also of the rest.
      num_processes: how many there are.
      process: which of them this is, from 0 on.

    Raises:
      UserError: if they do not find each other.
    """
    import jax

    try:
        jax.distributed.initialize(coordinator, num_processes, process)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"the processes do not find each other: {' '.join(str(error).split())[:300]}") from None
