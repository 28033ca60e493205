"""Images that one trained member makes: drawn, reconstructed, on the way between others, or on a grid of its codes."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from aejax.data import preprocessing
from aejax.data.resident import ResidentData, map_examples
from aejax.errors import UserError
from aejax.experiment import load_recorded
from aejax.explain import traversals
from aejax.samplers.generator import IMAGES_AT_ONCE
from aejax.study.directory import StudyDirectory
from aejax.study.execute import restore_trained
from aejax.study.generation import draw_block, generated, sampling_key, to_stored
from aejax.study.job import Options, Work
from aejax.study.plan import load_data
from aejax.study.record import require_record
from aejax.study.results import Row, read_rows
from aejax.study.status import read_statuses
from aejax.study.worker import Worker

GENERATOR = "generator"
MEMORY_SHARE = 0.25  # Of the machine's memory, that images may take: they are compressed beside it.


@dataclasses.dataclass(frozen=True)
class Member:
    """One trained member: its model with variables, and the data that it was trained on."""

    row: Row
    model: Any
    variables: Any
    work: Work

    @property
    def data(self) -> ResidentData:
        """The data on the devices."""
        return self.work.data

    def encode(self, stored: np.ndarray) -> jax.Array:
        """Returns the latents of images as they are stored, [n, size]."""

        @jax.jit
        def encode(variables: Any, stored: jax.Array) -> jax.Array:
            def block(indices: jax.Array) -> Any:
                seen = preprocessing.apply(self.data.preprocessing, stored[indices])
                return self.model.apply(variables, seen, method="encode")

            return map_examples(block, stored.shape[0])

        return encode(self.variables, jnp.asarray(stored))

    def decode(self, latent: jax.Array) -> np.ndarray:
        """Returns the expected images of latents [n, size], in the form in which those of the data are stored."""

        @jax.jit
        def decode(variables: Any, latent: jax.Array) -> jax.Array:
            def block(indices: jax.Array) -> jax.Array:
                output = self.model.apply(variables, latent[indices], method="decode")
                return to_stored(self.data, self.model.config.likelihood.mean(output))

            return map_examples(block, latent.shape[0])

        return np.asarray(decode(self.variables, latent))


def open_member(directory: StudyDirectory, method: str, name: str | None, say: Callable[[str], None]) -> Member:
    """Returns a member of a finished population.

    Args:
      directory: of the study.
      method: "autoencoder" or "generator".
      name: the first characters of its id; None: the one that validation images find best.
      say: told which it is.

    Raises:
      UserError: if there is no such member, or no checkpoint of it.
    """
    record = require_record(directory)
    row = _choose(directory, [row for row in read_rows(directory) if row["method"] == method], method, name)
    configs = [load_recorded(tree) for tree in record.configs]
    worker = Worker(configs, load_data(configs), directory, Options(say=say), record.lineage)
    status = next(s for s in read_statuses(directory).values() if s.method == method and row["id"] in s.members)
    job = worker.roster.job(method, status.members)
    work = Work(job, worker.place, directory, worker.options)
    if work.configs[0].data.preprocessing == "per_image":
        raise UserError(
            f"{directory.path}: data.preprocessing=per_image takes from each image what made ones do not have, its "
            "mean and contrast; train with another"
        )
    index = job.ids.index(row["id"])
    state = jax.tree.map(lambda leaf: leaf[index], restore_trained(work).state)
    model = work.task(work.configs[index]).model
    say(f"member {row['id']}: {describe(row)}")
    return Member(row, model, state.evaluated_variables(), work)


def describe(row: Row) -> str:
    """Returns what a person knows a member by: family, sampler and seed."""
    config = row["config"]
    parts = [config["autoencoder.kind"], config.get("generation.sampler.kind"), f"seed {config.get('seed')}"]
    return ", ".join(part for part in parts if part)


def _choose(directory: StudyDirectory, rows: list[Row], method: str, name: str | None) -> Row:
    if not rows and method == GENERATOR:
        raise UserError(
            f"{directory.path} has no generator, because its autoencoders have no sampler of codes; run its command "
            "again in another --workdir with --set generation.sampler=mixture, or ask for another --kind"
        )
    if not rows:
        raise UserError(f"{directory.path} has no trained autoencoder; run its command again")
    if name is not None:
        found = [row for row in rows if row["id"].startswith(name)]
        if len(found) != 1:
            known = "; ".join(f"{row['id']} ({describe(row)})" for row in rows[:6])
            more = f"; and {len(rows) - 6} more in results.csv" if len(rows) > 6 else ""
            what = "no member" if not found else f"{len(found)} members"
            raise UserError(f"{directory.path} has {what} '{name}' among its {method}s: choose of {known}{more}")
        return found[0]
    trained = [row for row in rows if row["status"] != "diverged"] or rows
    metric = "validation_frechet_distance" if method == GENERATOR else "validation_mse"
    return min(trained, key=lambda row: row["metrics"].get(metric, np.inf))


def require_room(member: Member, num: int) -> None:
    """Checks that the machine's memory holds so many images.

    Raises:
      UserError: if it does not.
    """
    example = member.data.image["train"]
    needed = num * int(np.prod(example.shape[1:])) * example.dtype.itemsize
    memory = int(MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    if needed > memory:
        raise UserError(
            f"{num} images take {needed / 1e9:.3g} GB, and {memory / 1e9:.3g} GB of this machine's memory are for "
            f"them; ask for at most {memory * num // needed} (--num, --steps), and again with another --seed"
        )


def samples(member: Member, num: int, seed: int) -> np.ndarray:
    """Returns images drawn from a generator, [num, height, width, channels], as those of the data are stored.

    They follow from study, member and seed; the first of them are the same however many are asked for.

    Raises:
      UserError: if the machine's memory does not hold so many.
    """
    require_room(member, num)
    data = member.data
    key = sampling_key(seed, "own")

    @jax.jit
    def draw(variables: Any, index: jax.Array) -> jax.Array:
        return draw_block(generated(member.model, variables, data), key, index)

    example = data.image["train"]
    images = np.empty((num, *example.shape[1:]), example.dtype)
    for first in tqdm.tqdm(range(0, num, IMAGES_AT_ONCE), desc="drawing", unit="block", disable=None):
        block = np.asarray(draw(member.variables, first // IMAGES_AT_ONCE))
        images[first : first + IMAGES_AT_ONCE] = block[: num - first]
    return images


def test_images(member: Member, num: int | None, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns test images (all, if `num` is None) in an order by the seed, and their labels, if there are any."""
    split = member.work.dataset.test
    chosen = np.random.default_rng(seed).permutation(len(split.image))[:num]
    return split.image[chosen], None if split.label is None else split.label[chosen]


def class_direction(member: Member, source: int, target: int) -> jax.Array:
    """Returns what to add to the latents of one class for those of another: the difference of their means, [size].

    Raises:
      UserError: if the data have no labels, or no such class.
    """
    split, means = member.work.dataset.train, []
    if split.label is None:
        raise UserError(f"{member.work.dataset.name} has no labels, so no class can be made another")
    for number in (source, target):
        if not np.any(split.label == number):
            raise UserError(f"{member.work.dataset.name} has no class {number}; it has 0 to {split.label.max()}")
        means.append(jnp.mean(member.encode(split.image[split.label == number]), axis=0))
    return means[1] - means[0]


def latent_grid(member: Member, side: int) -> jax.Array:
    """Returns latents on a square grid among the codes of training images, [side · side, size]."""
    require_room(member, side * side)
    latent = member.encode(member.work.dataset.train.image)
    return jnp.asarray(traversals.latent_grid(np.asarray(latent), side))
