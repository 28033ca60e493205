"""Training on images that are streamed from a file: how fast, and in how much memory."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import jax
import numpy as np

from aejax.benchmark.machine import FactsRunner
from aejax.benchmark.ours import make_problem
from aejax.data.on_demand import open_images
from aejax.data.streamed import StreamedImages
from aejax.training.loop import compile_init
from aejax.training.population import Members
from aejax.training.setup import set_up_jax
from aejax.training.streaming import StreamedTraining

_AT_ONCE = 1000  # Images that are made together.
_POLL_SECONDS = 0.05


def make_runner(measure: str, **arguments: Any) -> Any:
    """Returns a runner of an epoch ("speed"), or one that finds the memory of a whole study ("memory")."""
    return _Epochs(**arguments) if measure == "speed" else FactsRunner(_peak(**arguments))


class _Epochs:
    """A member trains for an epoch on images that a file holds."""

    def __init__(self, share: float, **arguments: Any):
        """`share` is how much of the images the memory for them has room for; others as `make_problem` takes them."""
        set_up_jax()
        problem = make_problem(**arguments)
        image = np.asarray(problem.data.image["train"])
        self._folder = tempfile.TemporaryDirectory()
        path = pathlib.Path(self._folder.name) / "image.npy"
        np.save(path, image)
        streamed = StreamedImages(open_images(np.load(path, mmap_mode="r")), "benchmark")
        self._data = problem.data.replace(image=dict(problem.data.image) | {"train": streamed})
        configs = [
            dataclasses.replace(config, data=dataclasses.replace(config.data, memory=share * image.nbytes / 1e9))
            for config in problem.configs
        ]
        members = Members(configs, 1)
        init = compile_init(members, problem.make_task, self._data, {})
        self._state = init(0, {}, self._data)
        self._training = StreamedTraining(members, problem.make_task, self._data, self._state)
        self._images = len(configs) * len(image) // arguments["batch_size"] * arguments["batch_size"]

    def run(self) -> float:
        self._state, _ = self._training.epoch(0, self._state, self._data, lambda index, epoch: None)
        jax.block_until_ready(self._state)
        return self._images

    def facts(self) -> dict[str, Any]:
        return {}


def _peak(num_images: int, image_shape: tuple[int, ...], memory: float) -> dict[str, Any]:
    """Returns as `value` the most gigabytes that a study's processes had, on images that are made here.

    Counted is what all its processes have in memory together (RSS), several times a second.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "image.npy"
        _make(path, num_images, tuple(image_shape))
        settings = {
            "data.name": str(path),
            "data.memory": memory,
            "training.epochs": 1,
            "training.batch_size": 128,
            "autoencoder.encoder.widths": [64],
            "evaluation.measures": ["reconstruction"],
            "evaluation.baselines": [],
        }
        command = [
            sys.executable,
            "-m",
            "aejax",
            "train",
            "--config=quickstart",
            "--seeds=1",
            f"--workdir={folder}/run",
        ]
        command += [f"--set={name}={json.dumps(value)}" for name, value in settings.items()]
        started, peak = time.perf_counter(), 0
        with open(pathlib.Path(folder) / "output", "w+", encoding="utf-8") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            while process.poll() is None:
                peak = max(peak, _resident_bytes(process.pid))
                time.sleep(_POLL_SECONDS)
            output.seek(0)
            if process.returncode:
                raise RuntimeError(output.read()[-1000:])
        return {"value": peak / 1e9, "images_gb": path.stat().st_size / 1e9, "seconds": time.perf_counter() - started}


def _make(path: pathlib.Path, num_images: int, image_shape: tuple[int, ...]) -> None:
    """Writes random images, a few at a time."""
    generator = np.random.default_rng(0)
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (num_images, *image_shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for first in range(0, num_images, _AT_ONCE):
            count = min(_AT_ONCE, num_images - first)
            file.write(generator.integers(0, 256, (count, *image_shape), np.uint8).tobytes())


def _resident_bytes(root: int) -> int:
    """Returns the bytes that a process and those below it have in memory."""
    parents, pages = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # It has ended.
                parents[int(entry.name)] = int(
                    (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
                )
                pages[int(entry.name)] = int((entry / "statm").read_text(encoding="utf-8").split()[1])
    family = {root}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return sum(pages.get(member, 0) for member in family) * os.sysconf("SC_PAGE_SIZE")
