"""The command that makes images: from its flags to a picture and an .npz file."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import flags

from aejax.cli.arguments import define_member, read_one_study
from aejax.errors import ConfigError, UserError
from aejax.methods.zoo import GENERATOR, SUBJECT
from aejax.store.directory import StudyDirectory
from aejax.store.files import write_arrays, write_atomically

KINDS = ("samples", "reconstructions", "interpolations", "arithmetic", "grid")
MOST_IN_PICTURE = 1024


def generate(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Makes images by a trained member of a study: a picture (.png) and the arrays (.npz), in <study>/generated/.

        aejax generate runs/generation                                      # drawn by the best generator
        aejax generate runs/generation --member=1f3a --num=10000 --seed=7   # by another, and more of them
        aejax generate runs/conditional --label=3                           # of one class, by a conditional family
        aejax generate runs/quickstart --kind=reconstructions --num=32
        aejax generate runs/quickstart --kind=interpolations --num=8 --path=linear
        aejax generate runs/quickstart --kind=arithmetic --source_class=3 --target_class=8 --num=8
        aejax generate runs/quickstart --kind=grid --num=225

    Drawing needs a study that was trained with a sampler of codes (--set generation.sampler=mixture); everything else
    takes the autoencoder alone. A conditional family (--set autoencoder.condition=label) draws the class that
    --label names; without it samples are of all classes, and images are reconstructed with their own labels. The same
    study, member, label and seed give the same images, to the last bit.
    """
    values = _define_flags()
    path = read_one_study(values, arguments, generate)
    if path is None:
        return
    classes = {"source_class": values.source_class, "target_class": values.target_class}
    missing = [name for name, number in classes.items() if number is None]
    if values.kind == "arithmetic" and missing:
        raise ConfigError(f"--kind=arithmetic makes images of one class those of another: give --{missing[0]}")
    directory = StudyDirectory(path)
    images, arrays, columns, name = _make(values, directory, say)
    if values.output:
        stem = pathlib.Path(values.output)
    else:
        stem = directory.path / "generated" / f"{values.kind}-{name}-{values.seed}"
    _write(stem, images, arrays, columns)
    shown = min(len(images), MOST_IN_PICTURE)
    say(f"{stem}.png: {shown} images; {stem}.npz: {', '.join(f'{key} {value.shape}' for key, value in arrays.items())}")


def _make(
    values: flags.FlagValues, directory: StudyDirectory, say: Callable[[str], None]
) -> tuple[np.ndarray, dict[str, np.ndarray], int, str]:
    """Returns images for the picture, arrays for the file, the picture's columns, and the member's id."""
    import jax.numpy as jnp

    from aejax.explain.paths import interpolate
    from aejax.trained import generate as by
    from aejax.trained.opening import open_member

    kind, num, seed = values.kind, values.num, values.seed
    opener, member = open_member(directory, GENERATOR if kind == "samples" else SUBJECT, values.member, say)
    member.check_decoder()
    name = member.id if values.label is None else f"{member.id}-{values.label}"
    label = _check_label(values, opener, member)
    if kind == "samples":
        images = by.samples(member, num, seed, label)
        return images, {"image": images}, 16, name
    dataset = opener.source(member).dataset

    def decode(latent: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
        labels = own if label is None else np.full(len(latent), label)
        return member.to_stored(member.decode(latent, labels))

    if kind == "grid":
        side = max(2, round(num**0.5))
        latent = by.latent_grid(member, dataset, side)
        images = decode(latent)
        return images, {"image": images, "latent": latent}, side, name
    if kind == "interpolations":
        image, _ = by.test_images(dataset, 2 * num, seed)
        if len(image) < 2:
            raise UserError(
                f"{dataset.name} has a single test image, and a way goes from one to another; ask for another --kind"
            )
        by.require_room(member, len(image) * values.steps)
        start, end = image[: len(image) // 2], image[len(image) // 2 :][: len(image) // 2]
        first, last = (jnp.asarray(member.encode(images)) for images in (start, end))
        ways = np.asarray(interpolate(first, last, values.steps, values.path))
        between = decode(ways.reshape(-1, ways.shape[-1])).reshape(len(start), values.steps, *image.shape[1:])
        arrays = {"start": start, "end": end, "image": between, "latent": ways}
        return _rows(start[:, None], between, end[:, None]), arrays, values.steps + 2, name
    image, own_label = by.test_images(dataset, None if kind == "arithmetic" else num, seed)
    if kind == "reconstructions":
        told = member.config.autoencoder.condition is not None
        again = decode(member.encode(image), own_label if told else None)
        pairs = [np.concatenate(pair) for pair in zip(_chunks(image, 16), _chunks(again, 16), strict=True)]
        return np.concatenate(pairs), {"image": image, "reconstruction": again}, min(16, len(image)), name
    source, target = (by.find_class(dataset, wanted) for wanted in (values.source_class, values.target_class))
    direction = by.class_direction(member, dataset, source, target)
    image = image[own_label == source][:num]
    if not len(image):
        raise UserError(f"{dataset.name} has no test image of class {values.source_class}")
    by.require_room(member, len(image) * values.steps)
    latent = member.encode(image)[:, None] + np.linspace(0, 1, values.steps)[None, :, None] * direction[None, None]
    changed = decode(latent.reshape(-1, latent.shape[-1])).reshape(len(image), values.steps, *image.shape[1:])
    arrays = {"image": image, "changed": changed, "direction": direction}
    return _rows(image[:, None], changed), arrays, values.steps + 1, name


def _check_label(values: flags.FlagValues, opener: Any, member: Any) -> int | None:
    """Returns the number of the class that was asked for; None if none was.

    Raises:
      ConfigError: if the family takes no label, or needs one and none is given.
      UserError: if the data have no such class.
    """
    from aejax.trained.generate import find_class

    family = member.config.autoencoder
    if values.label is not None and family.condition is None:
        raise ConfigError(f"--label: autoencoder={family.title} takes no label; leave it out")
    if values.label is not None:
        return find_class(opener.source(member).dataset, values.label)
    if family.condition is not None and values.kind not in ("samples", "reconstructions"):
        raise ConfigError(
            f"--kind={values.kind} decodes codes, and autoencoder={family.title} decodes with a label: give --label"
        )
    return None


def _rows(*parts: np.ndarray) -> np.ndarray:
    """Returns images [n, ?, ...] beside each other, row after row: [n · all, ...]."""
    rows = np.concatenate(parts, axis=1)
    return rows.reshape(-1, *rows.shape[2:])


def _chunks(image: np.ndarray, size: int) -> list[np.ndarray]:
    return [image[first : first + size] for first in range(0, len(image), size)]


def _write(stem: pathlib.Path, images: np.ndarray, arrays: dict[str, np.ndarray], columns: int) -> None:
    from aejax.data.pixels import to_bytes
    from aejax.report.html import on_canvas, to_png

    stem.parent.mkdir(parents=True, exist_ok=True)
    shown = to_bytes(images[:MOST_IN_PICTURE])
    write_atomically(stem.with_name(stem.name + ".png"), to_png(on_canvas(shown, columns)))
    write_arrays(stem.with_name(stem.name + ".npz"), arrays, compressed=True)


def _define_flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_enum("kind", "samples", KINDS, "What to make.", flag_values=values)
    define_member(values)
    flags.DEFINE_integer(
        "num", 64, "How many images; of interpolations, how many ways.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer("seed", 0, "Of what is drawn or chosen.", lower_bound=0, flag_values=values)
    flags.DEFINE_enum(
        "path", "spherical", ("linear", "spherical"), "How interpolations go from latent to latent.", flag_values=values
    )
    flags.DEFINE_integer("steps", 8, "Images on each way, or to another class.", lower_bound=2, flag_values=values)
    flags.DEFINE_string(
        "label",
        None,
        "Of conditional families: the class that images are made of, by its label in the data or its name.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "source_class",
        None,
        "Of arithmetic: the class whose images are changed, by its label in the data or its name.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "target_class", None, "Of arithmetic: the class that they become, likewise.", flag_values=values
    )
    flags.DEFINE_string(
        "output",
        None,
        "Where to write, without .png and .npz; default: generated/<kind>-<member>-<seed> in the study.",
        flag_values=values,
    )
    return values
