"""aejax as a contender: training as a study does it, and large matrix products as the measure of the machine."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.base import Autoencoder
from aejax.benchmark.networks import IMAGE_SHAPES, make_model
from aejax.data.resident import ResidentData, training_arrays
from aejax.data.streamed import device_memory
from aejax.experiment import Config
from aejax.networks.convolution import ConvolutionMethod
from aejax.store.files import digest_of_bytes
from aejax.training.config import Precision, TrainingConfig
from aejax.training.flops import step_flops, step_products
from aejax.training.loop import MakeTask, compile_chunk, compile_init
from aejax.training.population import Members, Program, fit_members, share, to_host
from aejax.training.setup import DETERMINISTIC, add_xla_options, set_up_jax
from aejax.training.step import Stage, Task

MATMUL_SIZE = {"cpu": 2048}  # Large enough that a larger one is no faster; on accelerators 8192.


def random_images(shape: tuple[int, ...], count: int) -> np.ndarray:
    """Returns uint8 images [count, *shape] that any process makes alike."""
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def make_runner(
    network: str, devices: int | None = None, deterministic: bool = False, products: bool = False, **arguments: Any
) -> Any:
    """Returns a runner of training, or of large matrix products for the network "matmul".

    `products`: nothing of a step but its matrix products. `devices` are host devices on a CPU; None: one for each core.
    `deterministic` is what `aejax train` means by it.
    """
    if deterministic:
        add_xla_options(DETERMINISTIC)
    set_up_jax()
    if devices is not None:
        jax.config.update("jax_num_cpu_devices", devices)
    if network == "matmul":
        return _Matmul(**arguments)
    return (_Products if products else _PopulationTraining)(network=network, **arguments)


class TrainingProblem(NamedTuple):
    """What a population trains: an epoch of a number of random images, each member from its own seed."""

    configs: list[Config]
    make_task: MakeTask
    data: ResidentData

    def compile(self, members: Members) -> Program:
        """Returns the program that trains a round of members for an epoch."""
        return compile_chunk(members, self.make_task, self.data, 1)


def make_problem(
    network: str,
    batch_size: int,
    num_images: int,
    members: int = 1,
    method: ConvolutionMethod | None = None,
    precision: Precision = "float32",
    image_shape: Sequence[int] | None = None,
    width: int = 256,
) -> TrainingProblem:
    """Returns the training of a number of members of a network (see `make_model`) on random images."""
    training = TrainingConfig(batch_size=batch_size, epochs=1_000_000, precision=precision)
    configs = [Config(seed=seed, training=training) for seed in range(members)]
    shape = tuple(image_shape or IMAGE_SHAPES.get(network, IMAGE_SHAPES["dense"]))
    model = make_model(network, shape, method, width)
    opponents = model.config.opponents() if isinstance(model, Autoencoder) else ()
    stages = (Stage(training.epochs, opponents=opponents),)
    return TrainingProblem(
        configs,
        lambda config: Task(model, config.optimizer, config.training, config.seed, stages),
        share(training_arrays(image=random_images(shape, num_images))),
    )


class _PopulationTraining:
    """Every member trains for an epoch, all of them as the memory of the devices allows it."""

    def __init__(self, members_at_once: int | None = None, bits: bool = False, **arguments: Any):
        """`bits`: whether facts say which parameters the first epoch ends with."""
        self._problem = make_problem(**arguments)
        configs, make_task, self._data = self._problem

        def memory(members: Members) -> int:
            program = self._problem.compile(members)
            return program.memory_bytes + (members.num_rounds - 1) * program.member_bytes

        population = fit_members(configs, members_at_once, memory)
        self._chunk = self._problem.compile(population)
        self._at_once, self._rounds = population.at_once, population.num_rounds
        init = compile_init(population, make_task, self._data, {})
        self._compile_seconds = self._chunk.compile_seconds + init.compile_seconds
        self._states = [init(index, {}, self._data) for index in range(population.num_rounds)]
        batch = configs[0].training.batch_size
        assert batch != "all"
        self._images = len(configs) * (self._data.size("train") // batch) * batch
        example = make_task(configs[0])
        self._flops = step_flops(example, example.stages[0], self._data) / batch
        self._wants_bits = bits
        self._bits: dict[str, str] = {}

    def run(self) -> float:
        self._states = [self._chunk(index, state, self._data)[0] for index, state in enumerate(self._states)]
        jax.block_until_ready(self._states)
        if self._wants_bits and not self._bits:
            leaves = jax.tree.leaves(to_host([state.params for state in self._states]))
            self._bits = {"bits": digest_of_bytes(b"".join(leaf.tobytes() for leaf in leaves))}
        return self._images

    def facts(self) -> dict[str, Any]:
        program = self._chunk.memory_bytes / 1e6
        of_device = {} if device_memory() is None else {"memory_mb": program}
        return of_device | {
            "flops_per_image": self._flops,
            "program_mb": program,
            "mb_a_member": program / self._at_once,
            "at_once": self._at_once,
            "rounds": self._rounds,
            "compile_seconds": self._compile_seconds,
            **self._bits,
        }


class _Products:
    """The matrix products of a member's steps in an epoch, of random numbers, and nothing else that a step does.

    How fast they are is the most that a network reaches here, whatever else were free.
    """

    def __init__(self, batch_size: int, num_images: int, **arguments: Any):
        configs, make_task, data = make_problem(batch_size=batch_size, num_images=num_images, **arguments)
        task = make_task(configs[0])
        products = step_products(task, task.stages[0], data)
        num_steps = num_images // batch_size

        def step(carry: Any, nothing: None) -> Any:
            operands, results = carry
            for index, (times, equation) in enumerate(products):
                for _ in range(times):
                    first, *others = operands[index]
                    results[index] = result = equation.primitive.bind(first, *others, **equation.params)
                    # Operands that a loop leaves as they are would be multiplied once, before it.
                    changed = first.ravel().at[0].set(result.ravel()[0]).reshape(first.shape)
                    operands[index] = [changed, *others]
            return (operands, results), None

        keys = iter(jax.random.split(jax.random.key(0), 2 * len(products)))
        equations = [equation for _, equation in products]
        draw = lambda variable: jax.random.normal(next(keys), variable.aval.shape, variable.aval.dtype)  # noqa: E731
        operands = [[draw(operand) for operand in equation.invars] for equation in equations]
        results = [jnp.zeros(equation.outvars[0].aval.shape, equation.outvars[0].aval.dtype) for equation in equations]
        self._carry = operands, results
        self._run = jax.jit(lambda carry: jax.lax.scan(step, carry, length=num_steps)[0])
        self._images = num_steps * batch_size

    def run(self) -> float:
        jax.block_until_ready(self._run(self._carry))
        return self._images

    def facts(self) -> dict[str, Any]:
        return {}


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
