"""What several fits train, trained together: collected first, and handed out when the fits are called again.

So a search need not know what lies around an autoencoder, be it a pipeline or a threshold: what fits is always the
estimator itself, and of it only the training is done elsewhere. A fit whose training was not collected trains alone.
"""

import contextlib
import contextvars
import dataclasses
import hashlib
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from aejax.api.in_memory import train
from aejax.errors import UserError
from aejax.experiment import Config
from aejax.store.files import digest_of_bytes
from aejax.trained.model import Trained

_current: "contextvars.ContextVar[Together | None]" = contextvars.ContextVar("together", default=None)


def train_one(config: Config, image: np.ndarray) -> Trained:
    """Trains an autoencoder on images as they are stored, alone or as one of those that are trained together."""
    together = _current.get()
    found = None if together is None else together.find(config, image)
    return train([config], image)[0] if found is None else found


class _Work(NamedTuple):
    """What a fit trains: images are named by a digest. Another fit of a random seed asks for another seed."""

    config: Config
    images: str

    @property
    def unseeded(self) -> "_Work":
        """The same without a seed."""
        return self._replace(config=dataclasses.replace(self.config, seed=0))


class _Collected(BaseException):
    """Ends a fit whose training is collected; no estimator takes it for a failure of its own."""


class Together:
    """The training of several fits."""

    def __init__(self) -> None:
        self.seconds = 0.0  # That training took.
        self._collecting = False
        self._images: dict[str, np.ndarray] = {}
        self._works: dict[_Work, None] = {}
        self._trained: dict[_Work, dict[int, Trained]] = {}  # Of each without a seed, by seed.

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Gives a block in which fits only say what they train; then that is trained."""
        self._collecting = True
        try:
            yield
        finally:
            self._collecting = False
        started = time.perf_counter()
        self._train()
        self.seconds = time.perf_counter() - started

    def collect(self, fit: Callable[[], Any]) -> None:
        """Notes what a fit would train. If it fails, it fails again when it is really called, and says why."""
        with self.active(), warnings.catch_warnings(), contextlib.suppress(Exception, _Collected):
            warnings.simplefilter("ignore")
            fit()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Gives a block in which fits find what was trained."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def find(self, config: Config, image: np.ndarray) -> Trained | None:
        """The model that was trained of a config on images; of a random seed one that no other fit has; or None."""
        work = _Work(config, digest_of_bytes(repr((image.shape, image.dtype)).encode() + image.tobytes()))
        if self._collecting:
            self._images.setdefault(work.images, image)
            self._works[work] = None
            raise _Collected
        seeds = self._trained.get(work.unseeded, {})
        if config.seed in seeds:  # Fits that differ around the autoencoder ask for it again.
            return seeds[config.seed]
        return seeds.pop(next(iter(seeds))) if seeds else None

    def _train(self) -> None:
        """Trains all that was collected, images of one kind together."""
        kinds: dict[Any, dict[str, np.ndarray]] = {}
        for name, image in self._images.items():
            kinds.setdefault((image.shape[1:], image.dtype), {})[name] = image
        for images in kinds.values():
            distinct, rows = _merge(images)
            works = [work for work in self._works if work.images in images]
            # If one cannot be trained, none is: the fit that asks for it says why, and the others train alone.
            with contextlib.suppress(UserError):
                trained = train([work.config for work in works], distinct, rows=[rows[work.images] for work in works])
                for work, model in zip(works, trained, strict=True):
                    self._trained.setdefault(work.unseeded, {})[work.config.seed] = model
        self._images.clear()
        self._works.clear()


def _merge(images: Mapping[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Returns the images of several arrays, those that are the same once, and where the rows of each array are there.

    The training rows of folds are mostly the same images.
    """
    places: dict[bytes, int] = {}
    distinct: list[np.ndarray] = []
    rows = {}
    for name, array in images.items():
        own = np.empty(len(array), np.int32)
        for index, image in enumerate(array):
            own[index] = places.setdefault(hashlib.blake2b(image.tobytes(), digest_size=16).digest(), len(distinct))
            if own[index] == len(distinct):
                distinct.append(image)
        rows[name] = own
    return np.stack(distinct), rows
