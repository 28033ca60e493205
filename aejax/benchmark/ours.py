"""aejax as a contender: training as a study does it, and large matrix products as the measure of the machine."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.base import Autoencoder
from aejax.benchmark.networks import IMAGE_SHAPES, make_model
from aejax.data.load import Dataset, Split
from aejax.data.resident import make_resident
from aejax.experiment import Config
from aejax.networks.convolution import Method
from aejax.training.flops import step_flops
from aejax.training.loop import train_chunk
from aejax.training.population import Members, share
from aejax.training.setup import DETERMINISTIC, add_xla_options, set_up_jax
from aejax.training.step import Precision, Stage, Task, TrainingConfig, init_state

MATMUL_SIZE = {"cpu": 2048}  # Large enough that a larger one is no faster; on accelerators 8192.


def random_images(shape: tuple[int, ...], count: int) -> np.ndarray:
    """Returns uint8 images [count, *shape] that any process makes alike."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def make_runner(network: str, devices: int | None = None, deterministic: bool = False, **arguments: Any) -> Any:
    """Returns a runner of training, or of large matrix products for the network "matmul".

    `devices` are host devices on a CPU; None: one for each core. `deterministic` is what scripts/train.py means by it.
    """
    if deterministic:
        add_xla_options(DETERMINISTIC)
    set_up_jax()
    if devices is not None:
        jax.config.update("jax_num_cpu_devices", devices)
    return _Matmul(**arguments) if network == "matmul" else _Training(network, **arguments)


class _Training:
    """Every member trains for an epoch of a number of random images."""

    def __init__(
        self,
        network: str,
        batch_size: int,
        num_images: int,
        members: int = 1,
        members_at_once: int | None = None,
        method: Method | None = None,
        precision: Precision = "float32",
        image_shape: Sequence[int] | None = None,
        width: int = 256,
    ):
        training = TrainingConfig(batch_size=batch_size, epochs=1_000_000, precision=precision)
        configs = [Config(seed=seed, training=training) for seed in range(members)]
        shape = tuple(image_shape or IMAGE_SHAPES.get(network, IMAGE_SHAPES["dense"]))
        images = random_images(shape, num_images)
        none = Split(image=images[:0], label=None)
        dataset = Dataset(
            name="random",
            train=Split(image=images, label=None),
            validation=none,
            test=none,
            num_classes=None,
            fingerprint="",
        )
        data = share(make_resident(dataset, "none"))
        model = make_model(network, shape, method, width)
        opponents = model.config.OPPONENTS if isinstance(model, Autoencoder) else ()
        stages = (Stage(training.epochs, opponents=opponents),)
        task = lambda config: Task(model, config.optimizer, config.training, config.seed, stages)  # noqa: E731
        population = Members(configs, members_at_once)
        init = population.compile(lambda config, _, data: init_state(task(config), data), (), data)
        self._states = [init(index, (), data) for index in range(population.num_rounds)]
        self._chunk = population.compile(
            lambda config, state, data: train_chunk(task(config), state, data, 1), self._states[0], data, donate=True
        )
        self._data = data
        self._images = members * (num_images // batch_size) * batch_size
        self._flops = step_flops(task(configs[0]), stages[0], data) / batch_size

    def run(self) -> float:
        self._states = [self._chunk(index, state, self._data)[0] for index, state in enumerate(self._states)]
        jax.block_until_ready(self._states)
        return self._images

    def facts(self) -> dict[str, Any]:
        return _device_memory() | {"flops_per_image": self._flops, "program_mb": self._chunk.memory_bytes / 1e6}


class _Matmul:
    """A product of two large matrices; what it returns is counted in GFLOP."""

    def __init__(self) -> None:
        size = MATMUL_SIZE.get(jax.default_backend(), 8192)
        self._matrix = jax.random.normal(jax.random.key(0), (size, size))
        self._product = jax.jit(jnp.matmul)
        self._repeats = 10

    def run(self) -> float:
        for _ in range(self._repeats):
            result = self._product(self._matrix, self._matrix)
        result.block_until_ready()
        return self._repeats * 2 * self._matrix.shape[0] ** 3 / 1e9

    def facts(self) -> dict[str, Any]:
        return {}


def _device_memory() -> dict[str, Any]:
    statistics = jax.local_devices()[0].memory_stats() or {}
    return {"memory_mb": statistics["peak_bytes_in_use"] / 1e6} if "peak_bytes_in_use" in statistics else {}
