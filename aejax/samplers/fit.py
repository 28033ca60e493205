"""A sampler of given codes: fit(codes) -> sample(key, num), without an autoencoder or a study around it."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data.preprocessing import Array, Preprocessing
from aejax.data.resident import ResidentData
from aejax.samplers.base import FITTED, CodeSpace, Sampler
from aejax.samplers.zoo import GenerationConfig, make_sampler
from aejax.training.loop import train_chunk
from aejax.training.step import Stage, Task, TrainingConfig, init_state


class FittedSampler(NamedTuple):
    """A sampler with what it learned."""

    sampler: Sampler
    variables: Any

    def sample(self, key: jax.Array, num: int) -> jax.Array:
        """Returns `num` codes, [num, size]."""
        return self._apply(lambda sampler, key: sampler.sample(num, key), key)

    def log_density(self, code: jax.Array) -> jax.Array:
        """Returns log p(code) in nats, [batch].

        Raises:
          NotImplementedError: if the sampler knows none.
        """
        return self._apply(lambda sampler, code: sampler.log_density(code), code)

    def _apply(self, method: Callable[..., Any], argument: Any) -> Any:
        return jax.jit(functools.partial(self.sampler.apply, method=method))(self.variables, argument)


def fit(
    config: GenerationConfig, code: Sequence[Any] | np.ndarray, *, seed: int = 0, num_categories: int | None = None
) -> FittedSampler:
    """Returns the sampler that a config names, fitted to codes by the same steps as in a study.

    Args:
      config: with the sampler, and if that is learned, how.
      code: [examples, size]: float, or where there are categories, integers.
      seed: of initialisation, batches and noise.
      num_categories: how many values each index of a discrete code takes; None: codes are numbers.
    """
    code = np.asarray(code, np.float32 if num_categories is None else np.int32)
    sampler = make_sampler(config.sampler, CodeSpace(code.shape[1], num_categories))
    blank: dict[str, Array] = {"train": np.zeros((len(code), 1, 1, 1), np.uint8)}
    blank["validation"] = blank["train"][:0]
    data = ResidentData(blank, {}, Preprocessing(kind="none"), code={"train": jnp.asarray(code)})
    epochs = config.epochs if sampler.config.LEARNED else 0
    training = TrainingConfig(epochs=epochs, batch_size=config.batch_size)
    fitted = sampler.fit(code, seed) if sampler.config.ON_HOST else None
    prepare = functools.partial(_begin, sampler, seed, fitted)
    task = Task(sampler, config.optimizer, training, seed, (Stage(epochs),), prepare=prepare)

    @jax.jit
    def run(data: ResidentData) -> Any:
        state = init_state(task, data)
        return (train_chunk(task, state, data, epochs)[0] if epochs else state).evaluated_variables()

    return FittedSampler(sampler, run(data))


def _begin(sampler: Sampler, seed: int, fitted: Any, variables: Any, data: ResidentData) -> Any:
    assert data.code is not None
    found = fitted if sampler.config.ON_HOST else sampler.fit(data.code["train"], seed)
    return variables | ({FITTED: dict(found)} if found else {})
