"""What a process does before it first uses JAX."""

import os

from aejax.cache import cache_directory


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
