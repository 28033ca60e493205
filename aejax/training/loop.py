"""The host's side of training: compile, then chunk after chunk, writing and saving what each brought.

Nothing crosses between host and device inside a chunk. Where a chunk ends, and when the state is saved, changes no
result: stops are decided after every epoch, on the device, and a stopped member stays as it is.
"""

import collections
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from aejax.data.resident import ResidentData
from aejax.progress import progress_bar
from aejax.training.compilation import wait_for_compilations
from aejax.training.epoch import train_epoch
from aejax.training.population import Members, Program, agree, is_leader, to_host
from aejax.training.state import Status, TrainState
from aejax.training.step import Task, init_state, steps_per_epoch
from aejax.training.streaming import StreamedTraining, streamed_images
from aejax.training.windows import UnfinishedEpoch

STEPS_PER_CHUNK = 2000  # Enough that the host's part does not show, few enough for a lively progress bar.
ROUNDS_AHEAD = 2  # Dispatched before the host reads what an earlier one gave: devices need not wait for it.

MakeTask = Callable[[Any], Task]
Write = Callable[[int, dict[str, np.ndarray]], None]


class Cost(NamedTuple):
    """What training a whole population took so far."""

    train_seconds: float = 0.0  # Wall time, compilation and saving apart.
    compile_seconds: float = 0.0
    memory_bytes: int = 0  # Of the training program on one device: data, states and temporaries.


class Saver(Protocol):
    """What saves a population while it trains."""

    def due(self) -> bool:
        """Returns whether it is time to save."""

    def save(self, state: TrainState, cost: Cost, midway: "Midway | None" = None) -> None:
        """Saves the state of all members, arrays [members, ...] in host memory, and the cost so far.

        `midway` says how far a round came that is amid an epoch.
        """


class Midway(NamedTuple):
    """How far a round came in an epoch whose images are streamed; its members' states are those before the epoch."""

    first: int  # The first member of the round.
    epoch: UnfinishedEpoch  # Arrays [members of the round, ...].


class StartingPoint(NamedTuple):
    """What a `Saver` saved, to go on from."""

    state: TrainState
    cost: Cost
    midway: Midway | None = None


class TrainedPopulation(NamedTuple):
    """A trained population: its states on the device, an entry for each round of members, and what it cost."""

    states: list[TrainState]
    cost: Cost


def epochs_per_chunk(task: Task, data: ResidentData) -> int:
    """Returns how many epochs the device runs before the host hears of them."""
    own = jax.eval_shape(task.select, data)
    return max(1, min(task.epochs, STEPS_PER_CHUNK // steps_per_epoch(task.training, own)))


def train_chunk(task: Task, state: TrainState, data: ResidentData, num_epochs: int) -> tuple[TrainState, Any]:
    """Returns one member's state after some epochs, and the metrics of each, arrays [num_epochs]."""
    own = task.see({"params": state.params, **state.collections}, data)
    return jax.lax.scan(lambda carry, _: train_epoch(task, carry, own), state, length=num_epochs)


def compile_chunk(members: Members, make_task: MakeTask, data: ResidentData, num_epochs: int) -> Program:
    """Returns the program that trains a round of members for some epochs."""
    shapes = members.eval_shape(lambda config, data: init_state(make_task(config), data), data)
    return members.compile(
        lambda config, state, data: train_chunk(make_task(config), state, data, num_epochs),
        members.abstract(shapes),
        data,
        donate=True,
        name=f"train {num_epochs} epochs",
    )


def compile_training(
    members: Members, make_task: MakeTask, data: ResidentData, num_epochs: int
) -> Program | StreamedTraining:
    """Returns the program that trains a round for some epochs; of streamed images, that of an epoch in parts."""
    if streamed_images(make_task(members.configs[0]), data) is None:
        return compile_chunk(members, make_task, data, num_epochs)
    shapes = members.eval_shape(lambda config, data: init_state(make_task(config), data), data)
    return StreamedTraining(members, make_task, data, members.abstract(shapes))


def compile_init(members: Members, make_task: MakeTask, data: ResidentData, initial: Any) -> Program:
    """Returns the program that makes the states of a round before the first step; `initial` is that of `init_state`."""
    return members.compile(
        lambda config, own, data: init_state(make_task(config), data, own), initial, data, name="initialize"
    )


def state_shapes(members: Members, make_task: MakeTask, data: ResidentData) -> TrainState:
    """Returns the shapes and types of the state of all members, arrays [members, ...], without computing any."""
    shapes = members.eval_shape(lambda config, data: init_state(make_task(config), data), data)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((members.num, *leaf.shape), leaf.dtype), shapes)


def train(
    members: Members,
    make_task: MakeTask,
    data: ResidentData,
    *,
    write: Write,
    description: str,
    saver: Saver | None = None,
    start: StartingPoint | None = None,
    initial: Sequence[Any] | None = None,
    initial_seconds: float = 0.0,
    chunk_epochs: int | None = None,
) -> TrainedPopulation:
    """Returns the members trained until every one of them has stopped.

    Args:
      members: the population.
      make_task: what a member trains, from its config.
      data: as `share` placed it.
      write: called with what a round's chunk brought: the index of its first member, and metrics, arrays [members of
        the round, epochs]; `epoch` is 0 where a member had stopped.
      description: stands before the progress bar.
      saver: saves when it is due, and once when all is done.
      start: where to go on from; None: from the beginning.
      initial: variables that members begin with, by round, where not those of their initialisation; see `init_state`.
      initial_seconds: what it took to find these, if that is a part of training.
      chunk_epochs: overrides `epochs_per_chunk`.
    """
    example = make_task(members.configs[0])  # In its stages, all are alike.
    num_epochs = chunk_epochs or epochs_per_chunk(example, data)
    last_epochs = np.array([make_task(config).last_epoch for config in members.configs])
    cost = Cost(initial_seconds) if start is None else start.cost
    if start is not None and np.all(start.state.status != Status.RUNNING):
        return TrainedPopulation(list(members.deal(start.state)), cost)
    if start is None and not last_epochs.any():  # Whatever is to be known, it begins with.
        states, cost, since = _initialize(members, make_task, data, initial, cost)
        jax.block_until_ready(states)
        cost = cost._replace(train_seconds=cost.train_seconds + time.perf_counter() - since)
        if saver is not None:
            saver.save(members.fetch(states), cost)
        return TrainedPopulation(states, cost)
    if start is None:  # While the other program is compiled.
        compile_init(members, make_task, data, initial[0] if initial else {})
    chunk = compile_training(members, make_task, data, num_epochs)
    cost = cost._replace(compile_seconds=cost.compile_seconds + chunk.compile_seconds, memory_bytes=chunk.memory_bytes)
    park, place = _where_states_wait(members, chunk)
    if start is None:
        states, cost, since = _initialize(members, make_task, data, initial, cost, park)
    else:
        since = time.perf_counter()
        states = [park(state) for state in members.deal(start.state)]
    rounds = _Rounds(members, states, cost, since, last_epochs, write=write, saver=saver, description=description)
    with rounds.bar:
        if isinstance(chunk, StreamedTraining):
            with chunk:
                _train_streamed(chunk, members, rounds, data, park, place, None if start is None else start.midway)
        else:
            while any(map(rounds.is_running, range(members.num_rounds))):
                for index in filter(rounds.is_running, range(members.num_rounds)):
                    state, metrics = chunk(index, place(states[index]), data)
                    states[index] = park(state)
                    del state  # Where they are saved, nothing else should hold them.
                    rounds.dispatched(index, metrics)
                rounds.settle()
    rounds.save()
    return TrainedPopulation(states, rounds.cost)


def _train_streamed(
    training: StreamedTraining,
    members: Members,
    rounds: "_Rounds",
    data: ResidentData,
    park: Callable[[TrainState], TrainState],
    place: Callable[[TrainState], TrainState],
    midway: Midway | None,
) -> None:
    """Trains round after round to its end: each reads images of its own. The first goes on from `midway`."""
    for index in range(members.num_rounds):
        first, after = members.span(index)
        unfinished = None
        if midway is not None and (midway.first, len(midway.epoch.state.step)) == (first, after - first):
            unfinished = members.deal_round(midway.epoch)
        while rounds.is_running(index):
            state, metrics = training.epoch(index, place(rounds.states[index]), data, rounds.pause, unfinished)
            rounds.states[index], unfinished = park(state), None
            del state
            rounds.dispatched(index, metrics)
            rounds.settle()


class _Rounds:
    """The rounds of a population that trains: their states, how far the host knows them to be, and what they took."""

    def __init__(
        self,
        members: Members,
        states: list[TrainState],
        cost: Cost,
        since: float,
        last_epochs: np.ndarray,
        *,
        write: Write,
        saver: Saver | None,
        description: str,
    ):
        self.states, self.cost = states, cost
        self._members, self._last_epochs, self._write, self._saver = members, last_epochs, write, saver
        self._since = since  # When the time began that `cost` lacks.
        # On the host, for all members: where each stands, and how many epochs it will not need any more.
        self._status, self._epoch = members.fetch([(state.status, state.epoch) for state in states])
        self._pending: collections.deque[tuple[int, Any, Any]] = collections.deque()
        total, done = int(last_epochs.sum()), self._epochs_behind()
        self.bar = progress_bar(total, description, "epoch", initial=done, shown=is_leader())

    def is_running(self, index: int) -> bool:
        """Whether any member of a round trains, as far as the host knows."""
        first, after = self._members.span(index)
        return bool(np.any(self._status[first:after] == Status.RUNNING))

    def dispatched(self, index: int, metrics: Any) -> None:
        """Notes that a round's next chunk runs; hears of earlier ones, and saves where it is time to."""
        self._pending.append((index, (self.states[index].status, self.states[index].epoch), metrics))
        self.settle(ahead=ROUNDS_AHEAD)
        if self._saver is not None and agree(self._saver.due()):
            self.save()

    def settle(self, ahead: int = 0) -> None:
        """Hears of the rounds that have waited longest, until so many are left."""
        while len(self._pending) > ahead:
            index, standing, metrics = self._pending.popleft()
            first, after = self._members.span(index)
            self._status[first:after], self._epoch[first:after] = self._members.fetch_round(index, standing)
            self._write(first, self._members.fetch_round(index, metrics))
            self.bar.update(self._epochs_behind() - self.bar.n)

    def pause(self, index: int, epoch: UnfinishedEpoch) -> None:
        """Saves amid an epoch of a round where it is time to."""
        if self._saver is not None and agree(self._saver.due()):
            self.save(Midway(self._members.span(index)[0], self._members.fetch_round(index, epoch)))

    def save(self, midway: Midway | None = None) -> None:
        """Hears of all rounds, adds the time since, and saves the states where somebody wants them."""
        self.settle()
        seconds = time.perf_counter() - self._since
        self.cost = self.cost._replace(train_seconds=self.cost.train_seconds + seconds)
        if self._saver is not None:
            in_host_memory = self._members.memory_limit is None  # As it is of a CPU's devices.
            on_host = self._members.fetch(self.states)
            if in_host_memory:  # Once is enough of it while files are written.
                self.states.clear()
            self._saver.save(on_host, self.cost, midway)
            self.states.extend(self._members.deal(on_host) if in_host_memory else ())
        self._since = time.perf_counter()

    def _epochs_behind(self) -> int:
        """How many epochs of all members need no more work, those that a stopped member leaves out among them."""
        return int(np.where(self._status == Status.RUNNING, self._epoch, self._last_epochs).sum())


def _where_states_wait(
    members: Members, chunk: Program | StreamedTraining
) -> tuple[Callable[[TrainState], TrainState], Callable[[TrainState], TrainState]]:
    """Returns two functions: one puts a round's state where it waits for its turn, one back onto the devices.

    Rounds that do not fit into the devices' memory together wait in the host's.
    """
    waiting_bytes = (members.num_rounds - 1) * chunk.member_bytes
    if members.memory_limit is not None and chunk.memory_bytes + waiting_bytes > members.memory_limit:
        return to_host, members.place
    return lambda state: state, lambda state: state


def _initialize(
    members: Members,
    make_task: MakeTask,
    data: ResidentData,
    initial: Sequence[Any] | None,
    cost: Cost,
    park: Callable[[TrainState], TrainState] = lambda state: state,
) -> tuple[list[TrainState], Cost, float]:
    """Returns the states before the first step, by round; the cost with what compiling took; and when that ended."""
    given = initial or [{}] * members.num_rounds
    init = compile_init(members, make_task, data, given[0])
    wait_for_compilations()
    compile_seconds = init.compile_seconds
    since = time.perf_counter()  # A head may begin with a probe, which is training too.
    states = [park(init(index, given[index], data)) for index in range(members.num_rounds)]
    return states, cost._replace(compile_seconds=cost.compile_seconds + compile_seconds), since
