"""Images that one trained member makes: drawn, reconstructed, on the way between others, or on a grid of its codes."""

import jax.numpy as jnp
import numpy as np

from aejax.cache import memory_bytes
from aejax.data.load import Dataset
from aejax.data.vectors import check_pictures
from aejax.errors import UserError
from aejax.explain import traversals
from aejax.progress import progress_bar
from aejax.samplers.generator import IMAGES_AT_ONCE
from aejax.trained.model import Trained

MEMORY_SHARE = 0.25  # Of the machine's memory, that images may take: they are compressed beside it.


def require_room(member: Trained, num: int) -> None:
    """Checks that the machine's memory holds so many images.

    Raises:
      UserError: if it does not, or if there is nothing to be shown.
    """
    described = member.trained_on
    check_pictures(described)
    needed = num * int(np.prod(described.image_shape)) * np.dtype(described.image_type).itemsize
    memory = int(MEMORY_SHARE * memory_bytes())
    if needed > memory:
        raise UserError(
            f"{num} images take {needed / 1e9:.3g} GB, and {memory / 1e9:.3g} GB of this machine's memory are for "
            f"them; ask for at most {memory * num // needed} (--num, --steps), and again with another --seed"
        )


def samples(member: Trained, num: int, seed: int, label: int | None = None) -> np.ndarray:
    """Returns images drawn from a generator, [num, height, width, channels], as those of the data are stored.

    They follow from study, member and seed; the first of them are the same however many are asked for. With a label
    they are of that class alone, which a conditional family is told.

    Raises:
      UserError: if the machine's memory does not hold so many.
    """
    require_room(member, num)
    images = np.empty((num, *member.trained_on.image_shape), member.trained_on.image_type)
    blocks = zip(range(0, num, IMAGES_AT_ONCE), member.sample_blocks(num, seed=seed, label=label), strict=True)
    with progress_bar(-(-num // IMAGES_AT_ONCE), "drawing", "block") as bar:
        for first, block in blocks:
            images[first : first + IMAGES_AT_ONCE] = member.to_stored(block)
            bar.update()
    return images


def test_images(dataset: Dataset, num: int | None, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns test images (all, if `num` is None) in an order by the seed, and their labels, if there are any."""
    split = dataset.test
    chosen = np.random.default_rng(seed).permutation(len(split.image))[:num]
    return split.image[chosen], None if split.label is None else split.label[chosen]


def class_direction(member: Trained, dataset: Dataset, source: int, target: int) -> np.ndarray:
    """The direction from one class to another in the latent space: the difference of their means, [size].

    Raises:
      UserError: if no training images are of one of the classes.
    """
    means = []
    for number in (source, target):
        image = dataset.train.image[dataset.train.label == number]
        if not len(image):
            raise UserError(f"{dataset.name} has no training images of class {dataset.classes.name(number)}")
        means.append(np.asarray(jnp.mean(jnp.asarray(member.encode(image)), axis=0)))
    return means[1] - means[0]


def find_class(dataset: Dataset, wanted: str) -> int:
    """Returns the number of a class of a data set, known by its label there or its name.

    Raises:
      UserError: if the data have no labels, or no such class.
    """
    if dataset.num_classes is None:
        raise UserError(f"{dataset.name} {dataset.unlabelled}, so no class can be asked for")
    number = dataset.classes.find(wanted)
    if number is None:
        raise UserError(f"{dataset.name} has no class {wanted}; its classes are {dataset.classes}")
    return number


def latent_grid(member: Trained, dataset: Dataset, side: int) -> np.ndarray:
    """Returns latents on a square grid among the codes of training images, [side · side, size]."""
    require_room(member, side * side)
    return np.asarray(traversals.latent_grid(member.encode(dataset.train.image), side))
