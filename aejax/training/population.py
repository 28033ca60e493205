"""Running a function of one member over many: the only file that knows about members and devices.

On a CPU the members are dealt out to the host's devices and run there one after another, so a member's result is
bitwise what it is alone. On GPU and TPU they run side by side under `vmap`, equal to a tolerance.
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
    """Returns all devices of this process as one row, along which members are dealt out."""
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
    """The members of one population, laid out over this process's devices."""

    def __init__(self, configs: Sequence[Any], members_at_once: int | None = None):
        """Lays out configs of one population (they differ in traced fields only), `members_at_once` on each device."""
        self.num = len(configs)
        num_devices = device_mesh().size
        per_device = -(-self.num // num_devices)
        self.at_once = min(members_at_once or default_members_at_once(jax.default_backend(), per_device), per_device)
        # Padded to whole rounds: a remainder would be a second, differently compiled body.
        self.padded = -(-per_device // self.at_once) * self.at_once * num_devices

        self._static = partition(configs[0])[0]
        rows = [partition(config)[1] for config in configs]
        rows += rows[-1:] * (self.padded - self.num)
        self._values = _deal({path: _stack([row[path] for row in rows]) for path in rows[0]})
        self._active = _deal(np.arange(self.padded) < self.num)

    def place(self, tree: Any) -> Any:
        """Returns arrays [num, ...] padded and dealt out to the devices."""
        pad = lambda x: np.concatenate([x, np.repeat(x[-1:], self.padded - self.num, axis=0)])  # noqa: E731
        return _deal(jax.tree.map(pad, tree))

    def fetch(self, tree: Any) -> Any:
        """Returns arrays of the real members, [num, ...], in host memory."""
        return jax.tree.map(lambda x: np.asarray(x)[: self.num], tree)

    def compile(self, function: Callable[..., Any], member: Any, shared: Any, *, donate: bool = False) -> "Program":
        """Returns the program that computes `function(config, member, shared)` for every member.

        Args:
          function: of one member: its config (traced fields are tracers), its part of `member`, and `shared`.
          member: arrays [padded, ...], one row for each member, as a program of these members returned them, or ().
          shared: arrays that all members read, as `share` placed them.
          donate: whether the program may overwrite `member`.
        """

        def one(row: Any, shared: Any) -> Any:
            active, values, member = row
            call = lambda: function(combine(self._static, values), member, shared)  # noqa: E731
            zeros = lambda: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(call))  # noqa: E731
            return jax.lax.cond(active, call, zeros)  # Padding costs nothing where members run one at a time.

        def on_device(active: Any, values: Any, member: Any, shared: Any) -> Any:
            rows = (active, values, member)
            # Not batch_size=1: that is a vmap of width one, and changes the bits.
            batch_size = None if self.at_once == 1 else self.at_once
            return jax.lax.map(lambda row: one(row, shared), rows, batch_size=batch_size)

        members, everyone = PartitionSpec(AXIS), PartitionSpec()
        mapped = jax.shard_map(
            on_device,
            mesh=device_mesh(),
            in_specs=(members, members, members, everyone),
            out_specs=members,
            check_vma=False,
        )
        jitted = jax.jit(mapped, donate_argnums=(2,) if donate else ())
        started = time.perf_counter()
        compiled = jitted.lower(self._active, self._values, member, shared).compile()
        return Program(compiled, self._active, self._values, time.perf_counter() - started)


class Program:
    """A compiled function of all members, what it took to compile, and the memory it needs on each device."""

    def __init__(self, compiled: Any, active: jax.Array, values: dict[str, jax.Array], compile_seconds: float):
        self.compile_seconds = compile_seconds
        memory = compiled.memory_analysis()
        self.memory_bytes = (
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes
        )
        self._call = lambda member, shared: compiled(active, values, member, shared)

    def __call__(self, member: Any, shared: Any) -> Any:
        """Returns what the function returned for each member, arrays [padded, ...]."""
        return self._call(member, shared)


def _deal(tree: Any) -> Any:
    return jax.device_put(tree, NamedSharding(device_mesh(), PartitionSpec(AXIS)))


def _stack(values: list[Any]) -> np.ndarray:
    return np.asarray(values, np.float32 if isinstance(values[0], float) else np.int32)
