"""Running a function of one member over many: the only file that knows about members and devices.

Members are dealt out in *rounds*, a round being as many as run at the same time: `members_at_once` on each device. One
compiled program serves all rounds. On a CPU each device runs one member at a time, so that a member's result is bitwise
what it is alone: it comes from the same program. On GPU and TPU a device runs its members side by side under `vmap`,
equal to a tolerance.

With `training.devices_per_member` above 1, "a device" is several that share a member's batches: devices are a mesh of
members x data. Along "data" `aejax.data.resident` deals out the examples, and XLA does the rest: every device has all
parameters, and gradients are added up. Members exchange nothing.
"""

import copy
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from aejax.config import combine, partition
from aejax.data.resident import EXAMPLES_AXIS
from aejax.errors import UserError
from aejax.training.compilation import NO_OPTIONS, Compiling, compile_in_background, result_of

AXIS = "members"
MEMORY_SHARE = 0.9  # Of a device's memory: the rest is for what no program's analysis counts.


@functools.cache
def device_mesh(num_members: int | None = None, devices_per_member: int = 1) -> jax.sharding.Mesh:
    """Returns devices as a mesh of members x examples, for as many members at the same time as there are, at most.

    Of several processes, all devices; of one, no more than the members need, but never a single one of several: XLA
    optimizes a program for one device in another way, so a member alone would have other bits than among others.

    Args:
      num_members: how many there are; None: more than devices.
      devices_per_member: along which the examples of its batches are dealt out.

    Raises:
      UserError: if the devices cannot be dealt out so.
    """
    devices = jax.devices()
    if len(devices) % devices_per_member:
        raise UserError(
            f"training.devices_per_member={devices_per_member} does not divide the {len(devices)} devices there are "
            "(JAX_NUM_CPU_DEVICES sets how many a CPU counts as)"
        )
    rows = np.array(devices).reshape(-1, devices_per_member)
    if num_members is not None and jax.process_count() == 1:
        rows = rows[: max(num_members, 2 // devices_per_member)]
    return jax.sharding.Mesh(rows, (AXIS, EXAMPLES_AXIS), axis_types=(AxisType.Auto,) * 2)


def is_leader() -> bool:
    """Returns whether this is the process that writes, of several that train the same population together."""
    return jax.process_index() == 0


def wait_for_all(what: str) -> None:
    """Returns once all processes have come here; `what` is the same for all of them."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


def agree(value: bool) -> bool:
    """The leader's value, in every process; each waits here for all others."""
    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.asarray(value)))


def to_host(tree: Any) -> Any:
    """Returns arrays in the memory of this host, whichever process's devices they lie on."""

    def fetch(leaf: Any) -> Any:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return multihost_utils.process_allgather(leaf, tiled=True)
        return leaf

    return jax.device_get(jax.tree.map(fetch, tree))


def _copy_to_host(array: Any, target: np.ndarray) -> None:
    """Copies the first rows of an array into one in host memory, device by device.

    `to_host` would leave a second copy with the array for as long as that is there.
    """
    if isinstance(array, jax.Array) and array.is_fully_addressable:
        for shard in array.addressable_shards:
            if shard.replica_id == 0:
                rows = shard.index[0] if shard.index else slice(None)
                part = target[rows]
                part[...] = np.asarray(shard.data)[: len(part)]
    else:
        target[...] = to_host(array)[: len(target)]


def share(tree: Any) -> Any:
    """Returns arrays placed once on every device, for all members of all populations to read."""
    return jax.device_put(tree, NamedSharding(device_mesh(), PartitionSpec()))


def default_members_at_once(backend: str, members_per_device: int) -> int:
    """Returns how many members a device of this backend runs side by side.

    On a CPU the weights and moments of several members would push each other out of the cache.
    """
    return 1 if backend == "cpu" else members_per_device


def device_memory() -> int | None:
    """Returns the bytes that programs may use of one device; None where the backend does not say, as on CPUs."""
    size = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    return None if size is None else int(MEMORY_SHARE * size)


def fit_members(
    configs: Sequence[Any],
    members_at_once: int | None,
    memory_of: Callable[["Members"], int],
    memory_limit: int | None = None,
) -> "Members":
    """Returns the members of one population, dealt out in rounds that fit into the devices' memory.

    Args:
      configs: of one population.
      members_at_once: for each device, at most; None: the backend's default.
      memory_of: the bytes that what is to be done with a round takes on each device.
      memory_limit: the bytes that a device has; None: what it says.
    """
    members = Members(configs, members_at_once, memory_limit)
    while members.at_once > 1 and members.memory_limit is not None:
        needed = memory_of(members)
        if needed <= members.memory_limit:
            break
        # Most of it grows with the members; what does not is why this may take more than one step.
        fewer = int(members.at_once * members.memory_limit / needed)
        members = Members(configs, max(1, min(fewer, members.at_once - 1)), memory_limit)
    return members


def shapes_of_member(tree: Any) -> Any:
    """Returns the shapes and types of one member's part of arrays [members, ...]; `Members.abstract` undoes it."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), tree)


class Members:
    """The members of one population, dealt out to this process's devices in rounds.

    What belongs to the members is a list with an entry for each round, of arrays [round_size, ...].
    """

    def __init__(self, configs: Sequence[Any], members_at_once: int | None = None, memory_limit: int | None = None):
        """Deals out configs of one population (they differ in traced fields only), `members_at_once` to each device.

        `memory_limit` is what programs may use of a device, in bytes; None: most of what the device says it has.
        """
        self.num = len(configs)
        self.configs = configs
        self.memory_limit = memory_limit or device_memory()
        self._mesh = device_mesh(self.num, configs[0].training.devices_per_member)
        num_rows = self._mesh.shape[AXIS]
        per_device = -(-self.num // num_rows)
        self.at_once = min(members_at_once or default_members_at_once(jax.default_backend(), per_device), per_device)
        self.round_size = self.at_once * num_rows
        self._static = partition(configs[0])[0]
        self._programs: dict[Any, Program] = {}  # By name, and the shapes of what they read of the members.
        rows = [partition(config)[1] for config in configs]
        # The last round is filled up with members that are not computed: a smaller one would be another program.
        rows += rows[-1:] * (-self.num % self.round_size)
        self.rounds = [
            self.place((np.arange(first, after) < self.num, _stack(rows[first:after])))
            for first in range(0, self.num, self.round_size)
            for after in [first + self.round_size]
        ]

    @property
    def num_rounds(self) -> int:
        """The number of rounds."""
        return len(self.rounds)

    def take_programs(self, other: "Members") -> None:
        """Takes over the programs that have names, of members that are compiled for the same."""
        self._programs = {key: program.of(self) for key, program in other._programs.items()}

    def fetch(self, rounds: Sequence[Any]) -> Any:
        """The results of all rounds as arrays [num, ...] in host memory: one copy, made leaf by leaf."""

        def gather(*parts: Any) -> np.ndarray:
            gathered = np.empty((self.num, *parts[0].shape[1:]), parts[0].dtype)
            for index, part in enumerate(parts):
                first, after = self.span(index)
                _copy_to_host(part, gathered[first:after])
            return gathered

        return jax.tree.map(gather, *rounds)

    def fetch_round(self, index: int, tree: Any) -> Any:
        """The results of the round at `index` as arrays [members of that round, ...] in host memory."""
        first, after = self.span(index)
        return jax.tree.map(lambda x: x[: after - first], to_host(tree))

    def span(self, index: int) -> tuple[int, int]:
        """Returns the first member of the round at `index`, and the one after its last."""
        return index * self.round_size, min((index + 1) * self.round_size, self.num)

    def deal(self, tree: Any) -> Iterator[Any]:
        """Yields arrays [num, ...] in host memory as rounds on the devices: what `fetch` undoes."""
        for index in range(self.num_rounds):
            first, after = self.span(index)
            yield self.place(jax.tree.map(lambda x: self._fill_up(x[first:after]), tree))  # noqa: B023

    def place(self, tree: Any) -> Any:
        """Returns arrays [round_size, ...] of one round on the devices."""
        return jax.device_put(tree, self._sharding)

    def view(self, shared: Any) -> Any:
        """Returns arrays that `share` placed, of the devices of these members alone; nothing is copied."""
        return jax.device_put(shared, NamedSharding(self._mesh, PartitionSpec()))

    def abstract(self, member: Any) -> Any:
        """Returns shapes and types of one round, to compile for, from those of one member."""
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((self.round_size, *leaf.shape), leaf.dtype, sharding=self._sharding),
            member,
        )

    @property
    def _sharding(self) -> NamedSharding:
        return NamedSharding(self._mesh, PartitionSpec(AXIS))

    def _fill_up(self, rows: np.ndarray) -> np.ndarray:
        """Returns rows of a round with the last one repeated for the members that are not computed."""
        return np.concatenate([rows, np.repeat(rows[-1:], self.round_size - len(rows), axis=0)])

    def eval_shape(self, function: Callable[..., Any], shared: Any) -> Any:
        """Returns the shapes and types of what `function(config, shared)` gives for one member, computing nothing."""
        values = shapes_of_member(self.rounds[0][1])
        return jax.eval_shape(lambda values, shared: function(combine(self._static, values), shared), values, shared)

    def compile(
        self,
        function: Callable[..., Any],
        member: Any,
        shared: Any,
        *,
        donate: bool = False,
        name: str | None = None,
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> "Program":
        """Returns the program that computes `function(config, member, shared)` for every member of a round.

        It is compiled in another thread: whoever first needs it waits. Of `member` and `shared` only shapes and types
        matter.

        Args:
          function: of one member: its config (traced fields are tracers), its part of `member`, and `shared`.
          member: arrays [round_size, ...], a row for each member, as a program of these members returned them, or ().
          shared: arrays that all members read, as `share` placed them.
          donate: whether the program may overwrite `member`.
          name: of the function, where these members may be asked for the same program again; it is kept for them.
          options: of XLA's compiler; what XLA_FLAGS says counts more.
        """
        key = (name, str(jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), member)))
        if key not in self._programs:
            program = self._compile(function, member, shared, donate=donate, options=options)
            if name is None:
                return program
            self._programs[key] = program
        return self._programs[key]

    def _compile(
        self, function: Callable[..., Any], member: Any, shared: Any, *, donate: bool, options: Mapping[str, Any]
    ) -> "Program":
        def one(row: Any, shared: Any) -> Any:
            (active, values), member = row
            # Jitted, so that asking for its shapes and calling it trace it once.
            call = jax.jit(lambda values, member, shared: function(combine(self._static, values), member, shared))
            shapes = jax.eval_shape(call, values, member, shared)
            zeros = lambda *_: jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)  # noqa: E731
            return jax.lax.cond(active, call, zeros, values, member, shared)

        def on_device(dealt: Any, member: Any, shared: Any) -> Any:
            rows = (dealt, member)
            if self.at_once > 1:
                return jax.vmap(one, in_axes=(0, None))(rows, shared)
            # Not a vmap of width one, which would compute other bits.
            only = jax.tree.map(lambda x: x[0], rows)
            return jax.tree.map(lambda x: x[None], one(only, shared))

        members, everyone = PartitionSpec(AXIS), PartitionSpec()
        # XLA deals out along an axis of several devices that is not named here.
        by_hand = {name for name, size in self._mesh.shape.items() if name == AXIS or size == 1}
        mapped = jax.shard_map(
            on_device,
            mesh=self._mesh,
            in_specs=(members, members, everyone),
            out_specs=members,
            axis_names=by_hand,
            check_vma=False,
        )
        jitted = jax.jit(mapped, donate_argnums=(1,) if donate else (), out_shardings=self._sharding)
        started = time.perf_counter()
        lowered = jitted.lower(self.rounds[0], member, self.view(shared))
        compiling, is_new = compile_in_background(lowered, options)
        results = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=self._sharding), lowered.out_info
        )
        return Program(self, compiling, time.perf_counter() - started, is_new, results, member)


class Program:
    """A compiled function of a round's members, what it took to compile, and the memory it needs on each device.

    `memory_bytes` are those of arguments, results and temporaries; `member_bytes` those of the members' part alone.
    """

    def __init__(
        self, members: Members, compiling: Compiling, seconds: float, is_new: bool, result_shapes: Any, member: Any
    ):
        self._members, self._compiling = members, compiling
        self._seconds, self._is_new = seconds, is_new
        self.result_shapes = result_shapes  # Of a round.
        num_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(member))
        self.member_bytes = num_bytes * members.at_once // members.round_size

    def of(self, members: Members) -> "Program":
        """The same program, for other members; it is compiled already."""
        own = copy.copy(self)
        own._members, own._seconds, own._is_new = members, 0.0, False
        return own

    @property
    def compiled(self) -> Any:
        """What XLA made of it, once that is done."""
        return result_of(self._compiling).program

    @property
    def compile_seconds(self) -> float:
        """What tracing took, and compiling beside other programs, if no other call had begun that."""
        return self._seconds + (result_of(self._compiling).seconds if self._is_new else 0.0)

    @functools.cached_property
    def memory_bytes(self) -> int:
        """The bytes of arguments, results and temporaries on each device."""
        memory = self.compiled.memory_analysis()
        return int(
            memory.argument_size_in_bytes
            + memory.output_size_in_bytes
            + memory.temp_size_in_bytes
            - memory.alias_size_in_bytes
        )

    def __call__(self, index: int, member: Any, shared: Any) -> Any:
        """Runs the program for the members of the round at `index`; returns arrays [round_size, ...]."""
        result = self.compiled(self._members.rounds[index], member, self._members.view(shared))
        if jax.default_backend() == "cpu":
            # Of two programs at a time, of which one finds no memory, XLA's CPU client may never end the other. A host
            # that is ahead gains nothing here: it computes on the same cores.
            jax.block_until_ready(result)
        return result


def _stack(rows: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Returns the traced values of several configs by path: integers as int32, numbers as float32."""
    return {
        path: np.asarray([row[path] for row in rows], np.float32 if isinstance(first, float) else np.int32)
        for path, first in rows[0].items()
    }
