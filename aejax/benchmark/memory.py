"""What a member takes of a device's memory, and how many fit into it: asked of the compiler, and nothing is trained."""

from typing import Any

import jax

from aejax.benchmark.machine import FactsRunner
from aejax.benchmark.ours import make_problem
from aejax.cache import memory_bytes
from aejax.data.streamed import MEMORY_SHARE, device_memory
from aejax.training.population import Members
from aejax.training.setup import set_up_jax


def make_runner(sizes: tuple[int, int] = (16, 64), **arguments: Any) -> FactsRunner:
    """Returns a runner whose facts are those of training programs of two sizes, members side by side on each device.

    `mb_a_member` is by how much the larger one takes more, for each member more; `mb_beside` what is left of it, which
    does not grow with the members; `state_mb` what a member's parameters and moments take; `fit` how many members one
    device holds, of what `memory_mb` programs may use of it: on a CPU, of most of the host's memory.

    Args:
      sizes: of members on each device.
      **arguments: those of `make_problem`, without `members`.
    """
    set_up_jax()
    programs = []
    for size in sizes:
        problem = make_problem(members=size * jax.device_count(), **arguments)
        programs.append(problem.compile(Members(problem.configs, size)))
    small, large = programs
    each = (large.memory_bytes - small.memory_bytes) / (sizes[1] - sizes[0])
    beside = small.memory_bytes - sizes[0] * each
    usable = device_memory() or int(MEMORY_SHARE * memory_bytes())
    return FactsRunner(
        {
            "value": each / 1e6,
            "mb_a_member": each / 1e6,
            "mb_beside": beside / 1e6,
            "state_mb": small.member_bytes / sizes[0] / 1e6,
            "memory_mb": usable / 1e6,
            "fit": max(0, int((usable - beside) / each)),
            "compile_seconds": small.compile_seconds + large.compile_seconds,
        }
    )
