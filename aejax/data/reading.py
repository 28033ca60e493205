"""Training batches read ahead by Grain: the same images in the same order as a device that has all of them takes."""

import multiprocessing
import threading
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import flags

from aejax.data.batches import batches, num_batches
from aejax.data.sources.base import Images
from aejax.errors import UserError

THREADS = 4  # That read at the same time, in each process: a file system answers several better than one.


class Position(NamedTuple):
    """Where a member stands: its seed, and the epoch that it is in, counted from 0."""

    seed: int
    epoch: int


class Batches:
    """The batches of some members' next epochs, as Grain takes them: an element for each step.

    An element is images, [members, batch, height, width, channels], and which they are, int32 [members, batch].
    """

    def __init__(self, images: Images, batch_size: int, members: Sequence[Position], num_epochs: int):
        """Takes training images, where the members stand, and how many epochs follow."""
        self._images, self._batch_size, self._members, self._num_epochs = images, batch_size, members, num_epochs
        self._steps = num_batches(len(images), batch_size)
        self._lock = threading.Lock()
        self._orders: dict[int, np.ndarray] = {}  # By epoch, [members, steps, batch].

    def __len__(self) -> int:
        return self._num_epochs * self._steps

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        epoch, step = divmod(int(step), self._steps)
        index = self._order(epoch)[:, step]
        image = self._images[index.ravel()]
        return image.reshape(*index.shape, *image.shape[1:]), index

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_lock": None, "_orders": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def _order(self, epoch: int) -> np.ndarray:
        """Returns the images of an epoch's batches, [members, steps, batch]."""
        with self._lock:
            if epoch not in self._orders:
                with jax.default_device(jax.local_devices(backend="cpu")[0]):
                    drawn = [
                        np.asarray(_batches(seed, first + epoch, len(self._images), self._batch_size))
                        for seed, first in self._members
                    ]
                # Threads that read ahead are in the next epoch already.
                self._orders = {old: self._orders[old] for old in self._orders if old == epoch - 1}
                self._orders[epoch] = np.stack(drawn)
            return self._orders[epoch]


_batches = jax.jit(batches, static_argnums=(2, 3))


def read_ahead(source: Batches, first: int, ahead: int, workers: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Returns an iterator of a source's elements, beginning with one of them; it reads ahead, and can be closed.

    Args:
      source: of batches.
      first: the step to begin with.
      ahead: the most elements that wait to be taken.
      workers: how many processes read; 0: threads of this one.

    Raises:
      UserError: if this is such a process, which has begun to do what its parent's script does.
    """
    if workers and getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UserError(
            f"data.workers={workers} starts processes that import your script: put what it does below "
            "if __name__ == '__main__': or leave data.workers out"
        )
    import grain

    threads = max(1, min(THREADS, ahead // max(workers, 1)))
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(1, ahead // max(workers, 1)))
    dataset = grain.MapDataset.source(source)[first:].to_iter_dataset(options)
    if workers:
        if not flags.FLAGS.is_parsed():  # Grain asks them how to debug its processes, and here they are read elsewhere.
            flags.FLAGS.mark_as_parsed()
        dataset = dataset.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers), _prepare_worker)
    return iter(dataset)


def _prepare_worker(worker: int, num_workers: int) -> None:
    """Keeps a process that reads from using the devices: it draws orders alone."""
    del worker, num_workers
    jax.config.update("jax_platforms", "cpu")
