"""Training on images that are not on the devices: window after window of them is placed there, while steps are taken.

Grain reads batches ahead (`aejax.data.reading`), a thread places the next window, and the program of
`aejax.training.windows` takes the steps of the one that is there. Nothing crosses inside a program.
"""

import concurrent.futures
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from aejax.data.batches import num_batches
from aejax.data.reading import Batches, Position, read_ahead
from aejax.data.resident import ResidentData
from aejax.data.streamed import StreamedImages, images_memory
from aejax.training import windows
from aejax.training.population import Members
from aejax.training.state import Status, TrainState
from aejax.training.step import Task, batch_size, init_state
from aejax.training.windows import UnfinishedEpoch, Window

MOST_WINDOW_BYTES = 2**26  # Of a device. Larger windows would only take longer to fill.

Pause = Callable[[int, UnfinishedEpoch], None]


def streamed_images(task: Task, data: ResidentData) -> StreamedImages | None:
    """Returns the images that a task's batches are read from; None where what it is trained on is on the devices."""
    if task.prepare_data is not None:  # It is trained on codes.
        return None
    own = jax.eval_shape(task.select, data)
    return own.trained_on if own.image and isinstance(own.trained_on, StreamedImages) else None


def unfinished_shapes(
    members: Members, make_task: Callable[[Any], Task], data: ResidentData, num: int
) -> UnfinishedEpoch:
    """Returns the shapes and types of an epoch in progress of so many members, arrays [num, ...]."""

    def begun(config: Any, data: ResidentData) -> UnfinishedEpoch:
        task = make_task(config)
        return _begin(task, init_state(task, data), data)

    shapes: UnfinishedEpoch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((num, *leaf.shape), leaf.dtype), members.eval_shape(begun, data)
    )
    return shapes


class StreamedTraining:
    """Trains a round for an epoch, in the place of the program that does it where all images are on the devices.

    Use it as a context manager: it ends what reads ahead.
    """

    def __init__(self, members: Members, make_task: Callable[[Any], Task], data: ResidentData, state: TrainState):
        """Compiles what it runs; `state` are the shapes and types of a round's."""
        config, task = members.configs[0], make_task(members.configs[0])
        images = streamed_images(task, data)
        assert images is not None, "all images are on the devices"
        self._members, self._images = members, images
        self._last_epochs = [make_task(config).last_epoch for config in members.configs]
        self._batch_size = batch_size(task.training, jax.eval_shape(task.select, data))
        self._num_steps = num_batches(len(images), self._batch_size)
        self._tail = windows.tail_steps(self._num_steps)
        self._workers = config.data.workers
        memory = int(config.data.memory * 1e9) if config.data.memory else images_memory()
        step_bytes = members.at_once * self._batch_size * math.prod(images.shape[1:]) * images.dtype.itemsize
        # One is trained on, one is placed, one is filled, and as much again is read ahead.
        fitting = min(memory // 4, MOST_WINDOW_BYTES) // step_bytes
        self._window_steps = max(2, min(fitting, self._num_steps) // 2 * 2)
        self._window_bytes = self._window_steps * step_bytes
        self._compile(make_task, data, state)
        self._reading: tuple[Any, Iterator[Window]] | None = None
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "windows")

    def _compile(self, make_task: Callable[[Any], Task], data: ResidentData, state: TrainState) -> None:
        compile_, scalar = self._members.compile, np.int32(0)
        self._begin = compile_(
            lambda config, state, data: _begin(make_task(config), state, data),
            state,
            data,
            name="begin an epoch",
        )
        epoch = self._begin.result_shapes
        self._run = compile_(
            lambda config, given, shared: _run(make_task(config), *given, *shared),
            epoch,
            (data, scalar, scalar),
            donate=True,
            beside=self._shapes(self._window_steps),
            name="train some steps",
        )
        self._end = compile_(
            lambda config, given, shared: _end(make_task(config), *given, *shared),
            (state, epoch, self._shapes(self._tail)),
            (data, scalar),
            name="end an epoch",
        )
        self._programs = [self._begin, self._run, self._end]

    def _shapes(self, num_steps: int) -> Window:
        """The shapes and types of the windows of a round."""
        image, batch = (num_steps * self._batch_size, *self._images.shape[1:]), (num_steps, self._batch_size)
        shape = jax.ShapeDtypeStruct
        one = Window(shape(image, self._images.dtype), shape(batch, np.int32), shape(batch, np.int32))
        window: Window = self._members.abstract(one)
        return window

    @property
    def compile_seconds(self) -> float:
        """The seconds that compiling took."""
        return sum(program.compile_seconds for program in self._programs)

    @property
    def memory_bytes(self) -> int:
        """The bytes that programs take on each device, and the window that is placed meanwhile."""
        return max(program.memory_bytes for program in self._programs) + self._window_bytes

    @property
    def member_bytes(self) -> int:
        """The bytes of a device's members' states."""
        return self._begin.member_bytes

    def __enter__(self) -> "StreamedTraining":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_reading()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def epoch(
        self, index: int, state: TrainState, data: ResidentData, pause: Pause, unfinished: UnfinishedEpoch | None = None
    ) -> tuple[TrainState, Any]:
        """Returns the states of the round at `index` after an epoch, and its metrics, arrays [round_size, 1].

        Args:
          index: of a round in which a member trains.
          state: before the epoch.
          data: as `share` placed it.
          pause: is called after each window but the last, with what the epoch has brought so far.
          unfinished: how far an epoch came from which this one goes on.
        """
        status, epoch, step = self._members.fetch_round(index, (state.status, state.epoch, state.step))
        running = np.flatnonzero(status == Status.RUNNING).tolist()
        progress, done = self._begin(index, state, data) if unfinished is None else unfinished, 0
        if unfinished is not None:
            done = int((self._members.fetch_round(index, progress.state.step) - step)[running[0]])
        stream = self._windows(index, running, epoch, done)
        while done < self._num_steps - self._tail:
            count = min(self._window_steps, self._num_steps - self._tail - done)
            progress = self._run(index, progress, (data, np.int32(done), np.int32(count)), next(stream))
            jax.block_until_ready(progress)
            done += count
            if done < self._num_steps:
                pause(index, progress)
        ended: tuple[TrainState, Any] = self._end(index, (state, progress, next(stream)), (data, np.int32(done)))
        jax.block_until_ready(ended)
        return ended

    def _windows(self, index: int, running: Sequence[int], epoch: np.ndarray, done: int) -> Iterator[Window]:
        """Returns the windows of a round's next steps, from the reader that has read on, or from a new one."""
        first, _ = self._members.span(index)
        positions = {row: Position(int(self._members.configs[first + row].seed), int(epoch[row])) for row in running}
        left = max(self._last_epochs[first + row] - int(epoch[row]) for row in running)
        if self._reading is not None:
            (begun_index, begun, begun_epochs), stream = self._reading
            since = {position.epoch - begun[row].epoch for row, position in positions.items() if row in begun}
            if begun_index == index and begun.keys() == positions.keys() and since == {begun_epochs} and not done:
                self._reading = (index, begun, begun_epochs + 1), stream
                return stream
        self._stop_reading()
        stream = self._read(positions, left, done)
        self._reading = (index, positions, 1), stream
        return stream

    def _stop_reading(self) -> None:
        if self._reading is not None:
            self._reading[1].close()  # type: ignore[attr-defined]  # A generator.
        self._reading = None

    def _read(self, positions: dict[int, Position], num_epochs: int, done: int) -> Iterator[Window]:
        """Yields windows of a round's steps, `done` of whose first epoch are taken; the next is placed meanwhile."""
        source = Batches(self._images.images, self._batch_size, list(positions.values()), num_epochs)
        batches = read_ahead(source, done, self._window_steps, self._workers)
        place = lambda steps: self._thread.submit(self._place, batches, list(positions), steps)  # noqa: E731
        upcoming = None
        try:
            for steps in self._sizes(num_epochs, done):
                window, upcoming = upcoming, place(steps)
                if window is not None:
                    yield window.result()
            if upcoming is not None:
                yield upcoming.result()
        finally:
            if upcoming is not None:
                concurrent.futures.wait([upcoming])
            close = getattr(batches, "close", None)
            if close is not None:
                close()

    def _sizes(self, num_epochs: int, done: int) -> Iterator[tuple[int, int]]:
        """Yields of each window how many steps it holds, and for how many it has room."""
        for _ in range(num_epochs):
            looped = self._num_steps - self._tail
            for first in range(done, looped, self._window_steps):
                yield min(self._window_steps, looped - first), self._window_steps
            yield self._tail, self._tail
            done = 0

    def _place(
        self, batches: Iterator[tuple[np.ndarray, np.ndarray]], rows: Sequence[int], steps: tuple[int, int]
    ) -> Window:
        """Returns the next steps' batches on the devices; those of members that do not train are left empty."""
        count, room = steps
        shape = (self._members.round_size, room, self._batch_size)
        image = np.zeros((*shape, *self._images.shape[1:]), self._images.dtype)
        index = np.zeros(shape, np.int32)
        for step in range(count):
            read, drawn = next(batches)
            image[rows, step], index[rows, step] = read, drawn
        row = np.broadcast_to(np.arange(room * self._batch_size, dtype=np.int32).reshape(shape[1:]), shape)
        flat = image.reshape(shape[0], room * self._batch_size, *image.shape[3:])
        window: Window = self._members.place(Window(flat, row, index))
        return window


# Programs are given all data; a task selects its own from them.


def _begin(task: Task, state: TrainState, data: ResidentData) -> UnfinishedEpoch:
    return windows.begin(task, state, task.select(data))


def _run(
    task: Task, epoch: UnfinishedEpoch, window: Window, data: ResidentData, first: Any, count: Any
) -> UnfinishedEpoch:
    return windows.run(task, epoch, window, task.select(data), first, count)


def _end(
    task: Task, before: TrainState, epoch: UnfinishedEpoch, window: Window, data: ResidentData, first: Any
) -> tuple[TrainState, dict[str, jax.Array]]:
    after, metrics = windows.end(task, before, epoch, window, task.select(data), first)
    return after, {name: value[None] for name, value in metrics.items()}
