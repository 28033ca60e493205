"""Loading: from a name or a path to the splits of a data set, as arrays in host memory."""

import dataclasses
import hashlib
import os
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from aejax.cache import cache_directory, cached_arrays, read_arrays
from aejax.config import NonNegativeInt, PositiveInt
from aejax.data import prepared
from aejax.data.embedded import is_embedded, prepare
from aejax.data.preprocessing import Kind
from aejax.errors import DataError

DECODING = (
    2  # To be raised when the same files come to be decoded or checked otherwise; old caches are then left alone.
)
SPLITS = ("train", "validation", "test")
SPLIT_SEED = 0  # Which images are in which split never depends on a run's seed.


def _distinct(classes: tuple[int, ...]) -> tuple[int, ...]:
    twice = sorted(number for number in set(classes) if classes.count(number) > 1)
    if twice:
        raise PydanticCustomError("twice", "Classes should be named once, not twice as {number}", {"number": twice[0]})
    return classes


Classes = Annotated[tuple[NonNegativeInt, ...], Field(min_length=1), AfterValidator(_distinct)]


def _well_formed(name: str) -> str:
    if "\0" in name or not (name.endswith(".npz") or re.fullmatch(r"\w+(/[\w.+-]+)?(:\d+\.\d+\.\d+)?", name)):
        raise PydanticCustomError(
            "name",
            "Input should be 'digits', 'aejax_sprites', the name of a TFDS data set (mnist, name/config, name:1.0.0) "
            "or a path ending in .npz",
        )
    return name


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which images, and how they are split."""

    # What comes with this project (digits, aejax_sprites, aejax_sprites/64x64), a data set that TFDS has prepared
    # (mnist, name/config, name:1.0.0), or a path ending in .npz.
    name: Annotated[str, AfterValidator(_well_formed)] = "digits"
    # Where prepared TFDS data sets lie. None: $TFDS_DATA_DIR, else ~/tensorflow_datasets. What comes with this project
    # is in the cache.
    directory: str | None = None
    # The classes whose images are kept, in every split, and counted from 0 in this order. None: all.
    classes: Classes | None = None
    # How many of the images left for training are used. Smaller parts lie within larger ones. None: all.
    train_size: PositiveInt | None = None
    # How many images are cut from the training split to select on. None: a tenth.
    validation_size: NonNegativeInt | None = None
    # How many are cut from data without a test split, before the validation images. None: a sixth.
    test_size: PositiveInt | None = None
    # What images go through before a model sees them; see `aejax.data.preprocessing`.
    preprocessing: Kind = "none"
    # How gray images become black and white. "threshold": at one half. "fixed": drawn once, each pixel white with its
    # intensity as the probability. "dynamic": likewise, but anew for each batch of training images. null: not at all.
    binarization: Literal["threshold", "fixed", "dynamic"] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images [N, H, W, C], uint8 or float32 in [0, 1], and their labels, int32 [N], or None.

    `factor` are the values of what an image was made from, int32 [N, factors], counted from 0, or None.
    """

    image: np.ndarray
    label: np.ndarray | None
    factor: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """The splits of a data set. The fingerprint is 16 hexadecimal digits that name exactly these arrays."""

    name: str
    train: Split
    validation: Split
    test: Split
    num_classes: int | None
    fingerprint: str
    intensity: np.ndarray | None = None  # Training images before binarization, where each batch draws them anew.
    factor_names: tuple[str, ...] = ()

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by their names."""
        return {name: getattr(self, name) for name in SPLITS}


def load(config: DataConfig) -> Dataset:
    """Returns the data set that the config names, split as it says.

    Raises:
      DataError: if the data are missing, unreadable, no images of one size, or too few.
    """
    arrays = _choose_classes(config, _read(config))
    gray = _cut(config, arrays)
    train, validation, test = gray if config.binarization is None else map(_binarize(config), gray, SPLITS)
    intensity = gray[0].image if config.binarization == "dynamic" else None
    return Dataset(
        name=config.name,
        train=train,
        validation=validation,
        test=test,
        num_classes=int(arrays["num_classes"]) if "label" in arrays else None,
        fingerprint=_fingerprint(train, validation, test, *([] if intensity is None else [gray[0]])),
        intensity=intensity,
        factor_names=tuple(map(str, arrays.get("factor_names", ()))),
    )


def _read(config: DataConfig) -> dict[str, np.ndarray]:
    if config.name.endswith(".npz"):
        return _read_file(config.name)
    if not is_embedded(config.name):
        return _read_prepared(prepared.find(config.name, config.directory))
    try:
        return _read_prepared(prepare(config.name, cache_directory() / "tensorflow_datasets"))
    except OSError:  # A cache that cannot be written.
        with tempfile.TemporaryDirectory() as temporary:
            return _read_prepared(prepare(config.name, pathlib.Path(temporary)))


def _read_file(name: str) -> dict[str, np.ndarray]:
    try:
        arrays = read_arrays(pathlib.Path(os.path.expanduser(name)))
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}; give data.name the path of an .npz file") from None
    except ValueError as error:
        raise DataError(
            f"{name} cannot be read: {error}; write it with numpy.savez(path, image=..., label=...)"
        ) from None
    parts = ("image", "label", "factor")
    unknown = [array for array in arrays if array.removeprefix("test_") not in parts]
    if unknown or "image" not in arrays:
        raise DataError(
            f"{name} holds the arrays {', '.join(arrays) or '(none)'}; it should hold 'image' and may hold 'label', "
            "'factor', 'test_image', 'test_label' and 'test_factor', and nothing else"
        )
    return _check(name, arrays)


def _read_prepared(path: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the checked arrays of the data set prepared at `path`, decoded once while its files stay as they are."""
    files = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(path.iterdir())]
    key = hashlib.sha256(repr((DECODING, str(path.resolve()), files)).encode()).hexdigest()[:16]
    return cached_arrays(f"{path.parent.name}-{key}", lambda: _check(str(path), prepared.decode(path)))


def _check(source: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays in the types and shapes of a `Split`, or raises if one is not what it should be."""
    checked = dict(arrays)
    for prefix in ("", "test_"):
        image = f"{prefix}image"
        if image in arrays:
            checked[image] = _check_image(f"{source}: '{image}'", arrays[image])
        for name, check in (("label", _check_label), ("factor", _check_factor)):
            part = f"{prefix}{name}"
            if part in arrays:
                if image not in arrays:
                    raise DataError(f"{source}: there is '{part}' but no '{image}'; add it or leave both out")
                checked[part] = check(f"{source}: '{part}'", arrays[part], len(arrays[image]))
    if "test_image" in arrays:
        for name in ("label", "factor"):
            if (name in arrays) != (f"test_{name}" in arrays):
                raise DataError(
                    f"{source}: only one of '{name}' and 'test_{name}' is there; add the other or leave both out"
                )
        train, test = checked["image"], checked["test_image"]
        if (train.shape[1:], train.dtype) != (test.shape[1:], test.dtype):
            raise DataError(
                f"{source}: training images are {train.dtype} {train.shape[1:]} and test images {test.dtype} "
                f"{test.shape[1:]}; make them alike"
            )
    if "label" in arrays and "num_classes" not in arrays:
        checked["num_classes"] = 1 + np.concatenate([checked[name] for name in checked if name.endswith("label")]).max()
    if "factor" in arrays:
        numbered = [f"factor_{index}" for index in range(checked["factor"].shape[1])]
        checked.setdefault("factor_names", np.array(numbered))
        if "test_factor" in arrays and checked["factor"].shape[1] != checked["test_factor"].shape[1]:
            raise DataError(
                f"{source}: 'factor' and 'test_factor' differ in how many factors they have; make them alike"
            )
    return checked


def _check_image(what: str, image: np.ndarray) -> np.ndarray:
    if image.ndim == 3:
        image = image[..., None]
    if image.ndim != 4 or 0 in image.shape:
        raise DataError(f"{what} has shape {image.shape}; it should be [N, H, W] or [N, H, W, C], and not empty")
    if image.dtype == np.uint8:
        return image
    if not np.issubdtype(image.dtype, np.floating):
        raise DataError(f"{what} is {image.dtype}; it should be uint8, or floats in [0, 1]")
    low, high = image.min(), image.max()  # Both NaN if any pixel is.
    if np.isnan(low):
        raise DataError(f"{what} has pixels that are NaN; remove or replace them")
    if low < 0 or high > 1:
        raise DataError(
            f"{what} ranges from {low:g} to {high:g}; floats should be in [0, 1], or save 0 to 255 as uint8"
        )
    return image.astype(np.float32)


def _check_label(what: str, label: np.ndarray, count: int) -> np.ndarray:
    if label.shape != (count,):
        raise DataError(f"{what} has shape {label.shape}; it should be ({count},), one for each image")
    return _check_counted(what, label, "classes")


def _check_factor(what: str, factor: np.ndarray, count: int) -> np.ndarray:
    if factor.ndim != 2 or len(factor) != count or not factor.shape[1]:
        raise DataError(f"{what} has shape {factor.shape}; it should be ({count}, factors), a row for each image")
    return _check_counted(what, factor, "values of factors")


def _check_counted(what: str, values: np.ndarray, kind: str) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.integer):
        raise DataError(f"{what} is {values.dtype}; it should hold integers, {kind} counted from 0")
    if values.min() < 0 or values.max() > np.iinfo(np.int32).max:
        raise DataError(f"{what} ranges from {values.min()} to {values.max()}; it should hold {kind} counted from 0")
    return values.astype(np.int32)


def _choose_classes(config: DataConfig, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the arrays with the images of the wanted classes alone, which are numbered anew."""
    if config.classes is None:
        return arrays
    if "label" not in arrays:
        raise DataError(f"data.classes={list(config.classes)}: {config.name} has no labels; leave it out")
    chosen = {name: array for name, array in arrays.items() if name == "factor_names"}
    chosen["num_classes"] = np.array(len(config.classes))
    for prefix in [prefix for prefix in ("", "test_") if f"{prefix}label" in arrays]:
        image, label = arrays[f"{prefix}image"], arrays[f"{prefix}label"]
        absent = sorted(set(config.classes) - set(label.tolist()))
        if absent:
            where = "test split" if prefix else "training split" if "test_label" in arrays else "data"
            raise DataError(
                f"data.classes names {absent[0]}, a class without images in the {where} of {config.name}; its classes "
                f"go from {label.min()} to {label.max()}"
            )
        number = np.full(label.max() + 1, -1, np.int32)
        number[list(config.classes)] = np.arange(len(config.classes))
        kept = number[label] >= 0
        chosen |= {f"{prefix}image": image[kept], f"{prefix}label": number[label[kept]]}
        if f"{prefix}factor" in arrays:
            chosen[f"{prefix}factor"] = arrays[f"{prefix}factor"][kept]
    return chosen


def _cut(config: DataConfig, arrays: dict[str, np.ndarray]) -> tuple[Split, Split, Split]:
    """Returns (train, validation, test).

    One permutation serves all cuts, test images first and training images last. So neither train_size nor
    validation_size moves an image into or out of the test images, and train_size leaves the validation images alone.
    """
    image = arrays["image"]
    has_test = "test_image" in arrays
    if has_test and config.test_size is not None:
        raise DataError(f"data.test_size={config.test_size}: {config.name} has a test split of its own; leave it out")
    num_test = 0 if has_test else config.test_size or max(1, len(image) // 6)
    num_validation = config.validation_size
    if num_validation is None:
        num_validation = max(1, (len(image) - num_test) // 10)
    num_train = len(image) - num_test - num_validation
    if num_train < 1:
        raise DataError(
            f"{config.name} has {len(image)} images to split, and {num_validation} for validation"
            + (" " if has_test else f" with {num_test} for the test ")
            + "leave none to train on; make data.validation_size"
            + (" smaller" if has_test else " or data.test_size smaller")
        )
    if config.train_size is not None and config.train_size > num_train:
        raise DataError(
            f"data.train_size={config.train_size} is more than the {num_train} images of {config.name} left to "
            "train on; make it or data.validation_size smaller"
        )

    def take(indices: np.ndarray) -> Split:
        label, factor = (arrays[name][indices] if name in arrays else None for name in ("label", "factor"))
        return Split(image[indices], label, factor)

    order = np.random.default_rng(SPLIT_SEED).permutation(len(image))
    test, validation, train = np.split(order, [num_test, num_test + num_validation])
    if not has_test:
        return take(train[: config.train_size]), take(validation), take(test)
    own_test = Split(arrays["test_image"], arrays.get("test_label"), arrays.get("test_factor"))
    return take(train[: config.train_size]), take(validation), own_test


def _binarize(config: DataConfig) -> Callable[[Split, str], Split]:
    """Returns the function that makes the images of a split, by its name, black (0) and white (255).

    What is drawn is the same for every run: the first of a split's images do not depend on how many there are.
    """

    def binarize(split: Split, name: str) -> Split:
        full = np.float32(255 if split.image.dtype == np.uint8 else 1)
        if config.binarization == "threshold":
            white = split.image >= full / 2
        else:
            generator = np.random.default_rng([SPLIT_SEED, SPLITS.index(name)])
            white = full * generator.random(split.image.shape, np.float32) < split.image
        return Split(np.where(white, np.uint8(255), np.uint8(0)), split.label, split.factor)

    return binarize


def _fingerprint(*splits: Split) -> str:
    digest = hashlib.sha256()
    factors = [split.factor for split in splits if split.factor is not None]  # None leaves older fingerprints alone.
    for array in (*(array for split in splits for array in (split.image, split.label)), *factors):
        if array is None:
            digest.update(b"none")
        else:
            digest.update(repr((array.shape, array.dtype.str)).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]
