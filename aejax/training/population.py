"""Running a function of one member over many: the only file that knows about members and devices.

Members are dealt out in *rounds*, a round being as many as run at the same time: `members_at_once` on each device. One
compiled program serves all rounds. On a CPU each device runs one member at a time, so that a member's result is bitwise
what it is alone: it comes from the very same program. On GPU and TPU a device runs its members side by side under
`vmap`, equal to a tolerance.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from aejax.config import combine, partition

AXIS = "members"


@functools.cache
def device_mesh() -> jax.sharding.Mesh:
    """Returns all devices of this process as one row, along which the members of a round are dealt out."""
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def share(tree: Any) -> Any:
    """Returns arrays placed once on every device, for all members to read."""
    return jax.device_put(tree, NamedSharding(device_mesh(), PartitionSpec()))


def default_members_at_once(backend: str, members_per_device: int) -> int:
    """Returns how many members a device of this backend runs side by side.

    On a CPU the weights and moments of several members would push each other out of the cache.
    """
    return 1 if backend == "cpu" else members_per_device


class Members:
    """The members of one population, dealt out to this process's devices in rounds.

    What belongs to the members is a list with an entry for each round, of arrays [round_size, ...].
    """

    def __init__(self, configs: Sequence[Any], members_at_once: int | None = None):
        """Deals out configs of one population (they differ in traced fields only), `members_at_once` to each device."""
        self.num = len(configs)
        num_devices = device_mesh().size
        per_device = -(-self.num // num_devices)
        self._at_once = min(members_at_once or default_members_at_once(jax.default_backend(), per_device), per_device)
        self.round_size = self._at_once * num_devices
        self._static = partition(configs[0])[0]
        rows = [partition(config)[1] for config in configs]
        # The last round is filled up with members that are not computed: a smaller one would be another program.
        rows += rows[-1:] * (-self.num % self.round_size)
        self._rounds = [
            _deal((np.arange(start, start + self.round_size) < self.num, _stack(rows[start : start + self.round_size])))
            for start in range(0, self.num, self.round_size)
        ]

    @property
    def num_rounds(self) -> int:
        """The number of rounds."""
        return len(self._rounds)

    def fetch(self, rounds: Sequence[Any]) -> Any:
        """Returns what the rounds gave as arrays [num, ...] in host memory."""
        return jax.tree.map(lambda *parts: np.concatenate(parts)[: self.num], *jax.device_get(list(rounds)))

    def fetch_round(self, index: int, tree: Any) -> Any:
        """Returns what the round at `index` gave as arrays [members of that round, ...] in host memory."""
        first, after = self.span(index)
        return jax.tree.map(lambda x: x[: after - first], jax.device_get(tree))

    def span(self, index: int) -> tuple[int, int]:
        """Returns the first member of the round at `index`, and the one after its last."""
        return index * self.round_size, min((index + 1) * self.round_size, self.num)

    def deal(self, tree: Any) -> list[Any]:
        """Returns arrays [num, ...] in host memory as rounds on the devices: what `fetch` undoes."""
        spans = [self.span(index) for index in range(self.num_rounds)]
        return [_deal(jax.tree.map(lambda x: self._fill_up(x[first:after]), tree)) for first, after in spans]  # noqa: B023

    def _fill_up(self, rows: np.ndarray) -> np.ndarray:
        """Returns rows of a round with the last one repeated for the members that are not computed."""
        return np.concatenate([rows, np.repeat(rows[-1:], self.round_size - len(rows), axis=0)])

    def eval_shape(self, function: Callable[..., Any], shared: Any) -> Any:
        """Returns the shapes and types of what `function(config, shared)` gives for one member, computing nothing."""
        values = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), self._rounds[0][1])
        return jax.eval_shape(lambda values, shared: function(combine(self._static, values), shared), values, shared)

    def compile(self, function: Callable[..., Any], member: Any, shared: Any, *, donate: bool = False) -> "Program":
        """Returns the program that computes `function(config, member, shared)` for every member of a round.

        Args:
          function: of one member: its config (traced fields are tracers), its part of `member`, and `shared`.
          member: arrays [round_size, ...], a row for each member, as a program of these members returned them, or ().
          shared: arrays that all members read, as `share` placed them.
          donate: whether the program may overwrite `member`.
        """

        def one(row: Any, shared: Any) -> Any:
            (active, values), member = row
            # Jitted, so that asking for its shapes and calling it trace it once.
            call = jax.jit(lambda values, member, shared: function(combine(self._static, values), member, shared))
            shapes = jax.eval_shape(call, values, member, shared)
            zeros = lambda *_: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)  # noqa: E731
            return jax.lax.cond(active, call, zeros, values, member, shared)

        def on_device(dealt: Any, member: Any, shared: Any) -> Any:
            rows = (dealt, member)
            if self._at_once > 1:
                return jax.vmap(one, in_axes=(0, None))(rows, shared)
            # Not a vmap of width one, which would compute other bits.
            only = jax.tree.map(lambda x: x[0], rows)
            return jax.tree.map(lambda x: x[None], one(only, shared))

        members, everyone = PartitionSpec(AXIS), PartitionSpec()
        mapped = jax.shard_map(
            on_device, mesh=device_mesh(), in_specs=(members, members, everyone), out_specs=members, check_vma=False
        )
        jitted = jax.jit(mapped, donate_argnums=(1,) if donate else ())
        started = time.perf_counter()
        compiled = jitted.lower(self._rounds[0], member, shared).compile()
        return Program(compiled, self._rounds, time.perf_counter() - started)


class Program:
    """A compiled function of a round's members, what it took to compile, and the memory it needs on each device."""

    def __init__(self, compiled: Any, rounds: list[Any], compile_seconds: float):
        self._compiled, self._rounds = compiled, rounds
        self.compile_seconds = compile_seconds
        memory = compiled.memory_analysis()
        self.memory_bytes = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes
        )

    def __call__(self, index: int, member: Any, shared: Any) -> Any:
        """Returns what the function returned for the members of the round at `index`, arrays [round_size, ...]."""
        return self._compiled(self._rounds[index], member, shared)


def _deal(tree: Any) -> Any:
    return jax.device_put(tree, NamedSharding(device_mesh(), PartitionSpec(AXIS)))


def _stack(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Returns the traced values of several configs by path: integers as int32, numbers as float32."""
    return {
        path: np.asarray([row[path] for row in rows], np.float32 if isinstance(first, float) else np.int32)
        for path, first in rows[0].items()
    }
