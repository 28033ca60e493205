"""Images that one trained member makes: drawn, reconstructed, on the way between others, or on a grid of its codes."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tqdm

from aejax.cache import memory_bytes
from aejax.errors import UserError
from aejax.explain import traversals
from aejax.samplers.drawing import draw_block, generated, sampling_key
from aejax.samplers.generator import IMAGES_AT_ONCE
from aejax.study.members import Member

MEMORY_SHARE = 0.25  # Of the machine's memory, that images may take: they are compressed beside it.


def require_room(member: Member, num: int) -> None:
    """Checks that the machine's memory holds so many images.

    Raises:
      UserError: if it does not.
    """
    example = member.data.image["train"]
    needed = num * int(np.prod(example.shape[1:])) * example.dtype.itemsize
    memory = int(MEMORY_SHARE * memory_bytes())
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
      UserError: if no training images are of one of the classes.
    """
    dataset, means = member.work.dataset, []
    for number in (source, target):
        image = dataset.train.image[dataset.train.label == number]
        if not len(image):
            raise UserError(f"{dataset.name} has no training images of class {dataset.classes.name(number)}")
        means.append(jnp.mean(member.encode(image), axis=0))
    return means[1] - means[0]


def find_class(member: Member, wanted: str) -> int:
    """Returns the number of a class of the member's data, known by its label there or its name.

    Raises:
      UserError: if the data have no labels, or no such class.
    """
    dataset = member.work.dataset
    if dataset.num_classes is None:
        raise UserError(f"{dataset.name} {dataset.unlabelled}, so no class can be made another")
    number = dataset.classes.find(wanted)
    if number is None:
        raise UserError(f"{dataset.name} has no class {wanted}; its classes are {dataset.classes}")
    return number


def latent_grid(member: Member, side: int) -> jax.Array:
    """Returns latents on a square grid among the codes of training images, [side · side, size]."""
    require_room(member, side * side)
    latent = member.encode(member.work.dataset.train.image)
    return jnp.asarray(traversals.latent_grid(np.asarray(latent), side))
