"""A sampler of given codes, without an autoencoder or a study around it."""

import functools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from aejax.data.resident import ResidentData, training_arrays
from aejax.samplers.base import FITTED, CodeSpace, Sampler
from aejax.samplers.zoo import GenerationConfig, make_sampler
from aejax.training.config import TrainingConfig
from aejax.training.fit import Fitted, fit
from aejax.training.step import Stage, Task


def fit_sampler(
    config: GenerationConfig, code: Sequence[Any] | np.ndarray, *, seed: int = 0, num_categories: int | None = None
) -> Fitted:
    """Fits the sampler that a config names to codes, by the same steps as in a study.

    `apply("sample", num, key)` of what is returned draws codes, [num, size]; `map("log_density", code)` gives their log
    densities in nats, [n], if the sampler knows these.

    Args:
      config: with the sampler, and if that is learned, how.
      code: [examples, size]: float, or where there are categories, integers.
      seed: of initialisation, batches and noise.
      num_categories: how many values each index of a discrete code takes; None: codes are numbers.
    """
    code = np.asarray(code, np.float32 if num_categories is None else np.int32)
    sampler = make_sampler(config.sampler, CodeSpace(code.shape[1], num_categories))
    epochs = config.epochs if sampler.config.LEARNED else 0
    training = TrainingConfig(epochs=epochs, batch_size=config.batch_size)
    on_host = sampler.fit(code, seed) if sampler.config.ON_HOST else None
    prepare = functools.partial(_fit_at_once, sampler, seed, on_host)
    task = Task(sampler, config.optimizer, training, seed, (Stage(epochs),), prepare=prepare)
    return fit(task, training_arrays(code=jnp.asarray(code)))


def _fit_at_once(sampler: Sampler, seed: int, on_host: Any, variables: Any, data: ResidentData) -> Any:
    assert data.code is not None
    at_once = on_host if sampler.config.ON_HOST else sampler.fit(data.code["train"], seed)
    return variables | ({FITTED: dict(at_once)} if at_once else {})
