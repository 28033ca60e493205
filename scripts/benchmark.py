"""Measures how fast autoencoders train: aejax beside the peers that are installed, alternating in one run.

Examples:

  All suites, five repetitions:
    python scripts/benchmark.py

  One suite, and a record of it:
    python scripts/benchmark.py --suite=dense --json=experiments/results/speed/dense.json

Every contender trains the same network (784-256-784, ReLU, sigmoid, mean squared error, Adam) on the same 60,000 random
images of 28x28 for an epoch at a time, in a process of its own that rests while the others run. Compilation and one
epoch are left out. Compare ratios within one run, never numbers between machines. Peers: pip install 'aejax[bench]'.
"""

import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from absl import app, flags
from tqdm import tqdm

NUM_IMAGES, HEIGHT, WIDTH, HIDDEN = 60_000, 28, 28, 256

# suite -> contender -> (what must be installed, arguments of its worker)
SUITES = {
    "dense": {
        "aejax": ("aejax", {"batch_size": 32}),
        "keras fit": ("keras", {"batch_size": 32}),
        "torch, tensors in memory": ("torch", {"batch_size": 32, "loader": False}),
        "torch, DataLoader": ("torch", {"batch_size": 32, "loader": True}),
    },
    "dense-128": {
        "aejax": ("aejax", {"batch_size": 128}),
        "keras fit": ("keras", {"batch_size": 128}),
        "torch, tensors in memory": ("torch", {"batch_size": 128, "loader": False}),
        "torch, DataLoader": ("torch", {"batch_size": 128, "loader": True}),
    },
    "population": {
        "1 member": ("aejax", {"batch_size": 32}),
        "8 members": ("aejax", {"batch_size": 32, "members": 8}),
        "8 members, vmapped": ("aejax", {"batch_size": 32, "members": 8, "members_at_once": 8}),
    },
}

_SUITE = flags.DEFINE_enum("suite", None, list(SUITES), "Run only this one.")
_REPETITIONS = flags.DEFINE_integer("repetitions", 5, "Epochs measured for each contender.", lower_bound=1)
_JSON = flags.DEFINE_string("json", None, "Also write a record of the run to this file.")
_WORKER = flags.DEFINE_string("worker", None, "Internal: run as this contender's process.")


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (NUM_IMAGES, HEIGHT, WIDTH, 1), np.uint8)


def _aejax(batch_size: int, members: int = 1, members_at_once: int | None = None) -> Callable[[], int]:
    """Returns a function that trains every member for an epoch and returns the number of images seen."""
    import dataclasses

    import jax

    from aejax import cli
    from aejax.autoencoders.plain import Plain
    from aejax.data.load import Dataset, Split
    from aejax.data.resident import make_resident
    from aejax.experiment import Config
    from aejax.networks.dense import Dense
    from aejax.objectives.likelihoods import MeanSquaredError
    from aejax.study.methods import make_task
    from aejax.training.loop import train_chunk
    from aejax.training.population import Members, share
    from aejax.training.step import TrainingConfig, init_state

    cli.set_up_jax()
    family = Plain(encoder=Dense(widths=()), latent_size=HIDDEN, latent_activation="relu")
    config = Config(
        autoencoder=dataclasses.replace(family, likelihood=MeanSquaredError()),
        training=TrainingConfig(batch_size=batch_size, epochs=1_000_000),
    )
    images = _images()
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
    population = Members([dataclasses.replace(config, seed=seed) for seed in range(members)], members_at_once)
    task = make_task("autoencoder", images.shape[1:], None)
    init = population.compile(lambda config, _, data: init_state(task(config), data), (), data)
    rounds = range(population.num_rounds)
    states = [init(index, (), data) for index in rounds]
    chunk = population.compile(
        lambda config, state, data: train_chunk(task(config), state, data, 1), states[0], data, donate=True
    )

    def epoch() -> int:
        nonlocal states
        states, metrics = zip(*(chunk(index, states[index], data) for index in rounds), strict=True)
        jax.block_until_ready((states, metrics))
        return members * (NUM_IMAGES // batch_size) * batch_size

    return epoch


def _keras(batch_size: int) -> Callable[[], int]:
    """Returns the same for Keras on TensorFlow: `fit` on arrays in memory."""
    os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
    import keras

    model = keras.Sequential(
        [
            keras.Input((HEIGHT * WIDTH,)),
            keras.layers.Dense(HIDDEN, activation="relu"),
            keras.layers.Dense(HEIGHT * WIDTH, activation="sigmoid"),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    images = _images().reshape(NUM_IMAGES, -1).astype(np.float32) / 255

    def epoch() -> int:
        model.fit(images, images, batch_size=batch_size, epochs=1, verbose=0)
        return NUM_IMAGES

    return epoch


def _torch(batch_size: int, loader: bool) -> Callable[[], int]:
    """Returns the same for eager PyTorch, from a DataLoader or by indexing a tensor that holds all images."""
    import torch

    model = torch.nn.Sequential(
        torch.nn.Linear(HEIGHT * WIDTH, HIDDEN),
        torch.nn.ReLU(),
        torch.nn.Linear(HIDDEN, HEIGHT * WIDTH),
        torch.nn.Sigmoid(),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    images = torch.from_numpy(_images().reshape(NUM_IMAGES, -1).astype(np.float32) / 255)

    def batches():
        if loader:
            data = torch.utils.data.TensorDataset(images)
            return (x for (x,) in torch.utils.data.DataLoader(data, batch_size=batch_size, shuffle=True))
        return (images[index] for index in torch.randperm(NUM_IMAGES).split(batch_size))

    def epoch() -> int:
        for x in batches():
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x), x).backward()
            optimizer.step()
        return NUM_IMAGES

    return epoch


WORKERS = {"aejax": _aejax, "keras": _keras, "torch": _torch}


def _work(specification: str) -> None:
    """Runs as a contender: an epoch for every line on stdin, answered with its images per second on stdout."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What a library prints must not look like an answer.
    package, arguments = json.loads(specification)
    epoch = WORKERS[package](**arguments)
    epoch()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        images = epoch()
        print(images / (time.perf_counter() - started), file=answers, flush=True)


class _Contender:
    def __init__(self, name: str, package: str, arguments: dict[str, object]):
        command = [sys.executable, __file__, f"--worker={json.dumps([package, arguments])}"]
        self.name, self.rates = name, []
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if self._process.stdout.readline().strip() != "ready":
            raise app.UsageError(f"{name} does not run here; try: {' '.join(command[1:])}")

    def measure(self) -> None:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        self.rates.append(float(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def _run(suite: str, repetitions: int) -> dict[str, list[float]]:
    """Returns images per second of every repetition for each contender, in turns."""
    contenders = []
    for name, (package, arguments) in SUITES[suite].items():
        if importlib.util.find_spec(package) is None:
            print(f"{suite}: {name} left out; {package} is not installed (pip install 'aejax[bench]')")
            continue
        contenders.append(_Contender(name, package, arguments))
    for _ in tqdm(range(repetitions), desc=suite, disable=None):
        for contender in contenders:
            contender.measure()
    for contender in contenders:
        contender.close()
    return {contender.name: contender.rates for contender in contenders}


def _print_table(suite: str, rates: dict[str, list[float]]) -> None:
    first = statistics.median(next(iter(rates.values())))
    print(f"\n{suite:28} images/s  (lowest - highest)      first / this")
    for name, values in rates.items():
        median = statistics.median(values)
        print(f"  {name:26} {median:8,.0f}  ({min(values):,.0f} - {max(values):,.0f}){first / median:14.2f}")


def main(_: list[str]) -> None:
    """Runs the suites that the flags name, or one contender as a worker."""
    if _WORKER.value:
        _work(_WORKER.value)
        return
    suites = [_SUITE.value] if _SUITE.value else list(SUITES)
    results = {suite: _run(suite, _REPETITIONS.value) for suite in suites}
    for suite, rates in results.items():
        _print_table(suite, rates)
    if _JSON.value:
        packages = ("aejax", "jax", "keras", "tensorflow", "torch")
        record = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": {name: version(name) for name in packages if importlib.util.find_spec(name)},
            "images_per_second": results,
        }
        os.makedirs(os.path.dirname(os.path.abspath(_JSON.value)), exist_ok=True)
        with open(_JSON.value, "w") as file:
            json.dump(record, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    app.run(main)
