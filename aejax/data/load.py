"""Loading: from a name or a path to the splits of a data set, as arrays in host memory."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from aejax.cache import memory_bytes
from aejax.config import NonNegativeInt, PositiveFloat, PositiveInt
from aejax.data import pixels, vectors
from aejax.data.checked import check_arrays, images_of
from aejax.data.classes import Classes, choose_classes
from aejax.data.demand import Kind, preprocessing_demand
from aejax.data.on_demand import OnDemand, blocks, cached_fact, change, choose, open_images
from aejax.data.sources.base import Contents, SourceConfig
from aejax.data.sources.zoo import find_source
from aejax.errors import DataError

SPLITS = ("train", "validation", "test")
SPLIT_SEED = 0  # Which images are in which split never depends on a run's seed.
ALWAYS_RESIDENT = 2**28  # Bytes of images that no device lacks.
OWN = "own"  # In evaluation.transfer and evaluation.outliers, the name of the data that are trained on.


def _class(value: object) -> int | str:
    if isinstance(value, str) or (type(value) is int and value >= 0):
        return value
    raise PydanticCustomError("class", "A class should be named by its label: an integer of at least 0, or a text")


def _distinct(classes: tuple[int | str, ...]) -> tuple[int | str, ...]:
    texts = list(map(str, classes))
    twice = [text for text in texts if texts.count(text) > 1]
    if twice:
        raise PydanticCustomError("twice", "Classes should be named once, not twice as {value}", {"value": twice[0]})
    return classes


ChosenClasses = Annotated[
    tuple[Annotated[int | str, PlainValidator(_class)], ...], Field(min_length=1), AfterValidator(_distinct)
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig(SourceConfig):
    """Which images, how they are read, and how they are split."""

    # The classes whose images are kept, in every split, by their labels in the data or their names, and counted from 0
    # in this order; images without a label are left out. None: all.
    classes: ChosenClasses | None = None
    # How many of the images left for training are used. Smaller parts lie within larger ones. None: all.
    train_size: PositiveInt | None = None
    # How many images are cut from the training split to select on. None: a tenth.
    validation_size: NonNegativeInt | None = None
    # How many are cut from data without a test split, before the validation images. None: a sixth. 0: none, so nothing
    # can be measured beside the losses.
    test_size: NonNegativeInt | None = None
    # What images go through before a model sees them. "standardize": each pixel gets mean 0 and variance 1 over the
    # training images. "per_image": each image, "per_channel": each of its channels. "global_contrast": each image gets
    # mean 0 and mean absolute deviation 1, then training images the range [0, 1]. "pca": whitened by the principal axes
    # of the training images. "zca": likewise, and rotated back, so that it still looks like an image. "mean_norm": all
    # are divided by one number, so that an image's squared norm is 1 on average over training images.
    preprocessing: Kind = "none"
    # How gray images become black and white. "threshold": at one half. "fixed": drawn once, each pixel white with its
    # intensity as the probability. "dynamic": likewise, but anew for each batch of training images. null: not at all.
    binarization: Literal["threshold", "fixed", "dynamic"] | None = None
    # How many gigabytes the images may take of a device's memory. What takes more stays where it is, and is read when
    # it is needed, which changes no result. None: half of what a device has.
    memory: PositiveFloat | None = None
    # How many processes then read the batches. 0: threads of the one that trains.
    workers: NonNegativeInt = 0

    def beside(self, own: "DataConfig") -> "DataConfig":
        """Returns the config of data that are evaluated beside the own ones, with what they take over from these."""
        directory, memory = self.directory or own.directory, self.memory or own.memory
        if self.name != OWN:
            return dataclasses.replace(self, directory=directory, memory=memory)
        source = {field.name: getattr(own, field.name) for field in dataclasses.fields(SourceConfig)}
        own_choices = {
            "directory": directory,
            "memory": memory,
            "binarization": self.binarization or own.binarization,
            "maximum": self.maximum or own.maximum,
            "label": self.label or own.label,
        }
        return dataclasses.replace(self, **(source | own_choices))

    @property
    def evaluated_binarization(self) -> str | None:
        """How images that are evaluated become black and white."""
        return "fixed" if self.binarization == "dynamic" else self.binarization

    def single_class(self, field: str) -> Iterator[str]:
        """Yields that there are no two classes to tell apart; `field` is its path in the whole config."""
        if self.classes is not None and len(self.classes) < 2:
            yield f"{field}.classes={list(self.classes)}: of a single class there is nothing to tell apart"

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields do not go together in the config of data that are trained on."""
        if self.binarization is not None and self.preprocessing != "none":
            yield (
                f"data.binarization={self.binarization} gives images that are black or white, and "
                f"data.preprocessing={self.preprocessing} undoes that; leave one of them out"
            )
        if self.name == OWN:
            yield f"data.name={OWN} is of evaluation.transfer and evaluation.outliers; name the images themselves"
        tested = config.evaluation.measures != () or config.evaluation.baselines != ()
        if self.test_size == 0 and (tested or config.generation != type(config.generation)()):
            yield (
                "data.test_size is 0, and measures, baselines and generation need test images: keep some, or set "
                "evaluation.measures=[], evaluation.baselines=[] and no generation.sampler"
            )

    def misfits(self, config: Any, dataset: "Dataset", others: "Mapping[str, Dataset]") -> Iterator[str]:
        """Yields that this machine cannot preprocess the images as this config says."""
        del config, others
        if dataset.vectors and self.preprocessing == "none":
            yield (
                f"data.preprocessing=none: {dataset.name} holds vectors, whose numbers may be of any size; set "
                "data.preprocessing=mean_norm, or standardize"
            )
        num_train, num_pixels = len(dataset.train.image), math.prod(dataset.train.image.shape[1:])
        needed, memory = preprocessing_demand(self.preprocessing, num_train, num_pixels).num_bytes, memory_bytes()
        if needed > memory:
            yield (
                f"data.preprocessing={self.preprocessing} of {num_train} images of {num_pixels} pixels takes "
                f"about {needed / 1e9:.3g} GB, and this machine has {memory / 1e9:.3g} GB of memory; use "
                "standardize, or fewer images (data.train_size) than pixels"
            )


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Images [N, H, W, C], uint8 or float32 in [0, 1] (vectors: of any size), and their labels, int32 [N], -1 where
    there is none, or None.

    The images are an array, or `OnDemand` where they are read when they are asked for. `factor` are the values of what
    an image was made from, int32 [N, factors], counted from 0, or None.
    """

    image: Any
    label: np.ndarray | None
    factor: np.ndarray | None = None
    row: np.ndarray | None = None  # The numbers that the images have in `part` of their source, int [N].
    part: str = "image"

    @functools.cached_property
    def labelled(self) -> np.ndarray:
        """The indices of the images that have a label, int32, in their order."""
        return np.flatnonzero([] if self.label is None else self.label >= 0).astype(np.int32)

    @property
    def known_label(self) -> np.ndarray:
        """The labels of these images alone."""
        return np.empty(0, np.int32) if self.label is None else self.label[self.labelled]


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """The splits of a data set. The fingerprint is 16 hexadecimal digits that name exactly these arrays.

    Labels of a single class tell nothing apart, and where a split has none nothing can be measured by the others' or
    chosen: then there are no labels, and `unlabelled` says why, to be read after the name.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    num_classes: int | None
    fingerprint: str
    intensity: Any = None  # Training images before binarization, where each batch draws them anew.
    factor_names: tuple[str, ...] = ()
    classes: Classes = Classes()
    pixels: str = ""  # What they were before they were stored, in words.
    notes: tuple[str, ...] = ()  # Sentences on how they were read: what was left out or converted.
    # What the source calls its images, by their part and number there; empty: it only numbers them.
    image_names: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    place: str = ""  # The path at which they lie, of names the folder with what is prepared; empty: with the project.
    found: str = ""  # What there is to say of where they were found, if that is not where the config says.
    unlabelled: str = "has no labels"
    vectors: bool = False  # Whether the images are vectors, [N, 1, 1, size] and without bounds.

    @property
    def splits(self) -> dict[str, Split]:
        """The splits by their names."""
        return {name: getattr(self, name) for name in SPLITS}

    @property
    def num_labelled(self) -> dict[str, int]:
        """How many images of each split have a label, where some have none; otherwise empty."""
        num = {name: len(split.labelled) for name, split in self.splits.items()}
        complete = all(num[name] == len(split.image) for name, split in self.splits.items())
        return {} if self.num_classes is None or complete else num


def load(config: DataConfig, field: str = "data") -> Dataset:
    """Returns the data set that the config names, split as it says.

    Args:
      config: of the data.
      field: its path in the whole config, for messages.

    Raises:
      DataError: if the data are missing, unreadable, no images of one size, or too few.
    """
    contents = _read(config, field)
    arrays, read_as = dict(contents.arrays), contents.pixels
    for refused in vectors.refused_fields(config, field, config.name) if contents.vectors else ():
        raise DataError(refused)
    if read_as is None:
        store = vectors.store if contents.vectors else pixels.store
        stored, read_as = store(config.name, images_of(arrays), config.maximum, f"{field}.maximum")
        arrays |= stored
    classes = Classes(*(tuple(map(str, arrays.get(name, ()))) for name in ("class_values", "class_names")))
    num = len(arrays["image"])
    image_names = {"image": contents.names[:num], "test_image": contents.names[num:]} if contents.names else {}
    arrays |= {name.replace("image", "row"): np.arange(len(image)) for name, image in images_of(arrays).items()}
    if config.classes is not None:
        arrays, classes = choose_classes(config.name, arrays, classes, config.classes, f"{field}.classes")
    gray = _cut(config, field, arrays)
    splits = gray if config.binarization is None else tuple(map(binarize(config), gray, SPLITS))
    intensity = gray[0].image if config.binarization == "dynamic" else None
    fingerprint = _fingerprint(*splits, *([] if intensity is None else [gray[0]]))
    unlabelled = _why_unlabelled(classes, dict(zip(SPLITS, splits, strict=True)))
    num_classes = None if unlabelled else len(classes.values)
    train, validation, test = (split if num_classes else dataclasses.replace(split, label=None) for split in splits)
    return Dataset(
        name=config.name,
        train=train,
        validation=validation,
        test=test,
        num_classes=num_classes,
        fingerprint=fingerprint,
        intensity=intensity,
        factor_names=tuple(map(str, arrays.get("factor_names", ()))),
        classes=classes,
        pixels=read_as,
        notes=(*contents.notes, *([] if config.label is None else [f"labels are those named {config.label}"])),
        image_names=image_names,
        unlabelled=unlabelled,
        vectors=contents.vectors,
    )


def _read(config: DataConfig, field: str) -> Contents:
    """Returns the checked content of a source, with all images in memory or, if these are too large, none."""
    source = find_source(config, field)
    if not source.may_exceed(int(config.memory * 1e9) if config.memory else ALWAYS_RESIDENT):
        return source.read()
    contents = source.on_demand()
    num_bytes = sum(math.prod(image.shape) * image.dtype.itemsize for image in images_of(contents.arrays).values())
    if config.memory is None and num_bytes <= ALWAYS_RESIDENT:
        return source.read()
    if config.memory is None:
        from aejax.data.streamed import images_memory  # It needs JAX, which nobody waits for who only looks at data.

        memory = images_memory()
    else:
        memory = int(config.memory * 1e9)
    if num_bytes <= memory:
        return source.read()
    arrays = dict(contents.arrays) | {name: open_images(image) for name, image in images_of(contents.arrays).items()}
    note = (
        f"{num_bytes / 1e9:.3g} GB of images are read when they are needed: {memory / 1e9:.3g} GB of a device's memory "
        f"are for them ({field}.memory)"
    )
    checked = check_arrays(config.name, arrays, vectors=contents.vectors)
    return dataclasses.replace(contents, arrays=checked, notes=(*contents.notes, note))


def _why_unlabelled(classes: Classes, splits: Mapping[str, Split]) -> str:
    """Returns why there are no labels to learn from and to measure by; empty if there are."""
    if not classes.names:
        return "has no labels"
    if len(classes.names) == 1:
        return f"has labels of one class only, '{classes.name(0)}'"
    without = [name for name, split in splits.items() if len(split.image) and not len(split.labelled)]
    return "".join(f"has labels on none of its {len(splits[name].image)} {name} images" for name in without[:1])


def of_arrays(train: Split, validation: Split, num_classes: int | None) -> Dataset:
    """Returns splits that the caller has in memory as a data set, which has no test images."""
    test = Split(train.image[:0], None if train.label is None else train.label[:0])
    fingerprint = _fingerprint(train, validation, test)
    return Dataset("arrays", train, validation, test, num_classes=num_classes, fingerprint=fingerprint)


def _cut(config: DataConfig, field: str, arrays: dict[str, np.ndarray]) -> tuple[Split, Split, Split]:
    """Returns (train, validation, test).

    One permutation serves all cuts, test images first and training images last. So neither train_size nor
    validation_size moves an image into or out of the test images, and train_size leaves the validation images alone.
    """
    image = arrays["image"]
    has_test = "test_image" in arrays
    if has_test and config.test_size is not None:
        raise DataError(
            f"{field}.test_size={config.test_size}: {config.name} has a test split of its own; leave it out"
        )
    num_test = 0 if has_test else config.test_size
    if num_test is None:
        num_test = max(1, len(image) // 6)
    num_validation = config.validation_size
    if num_validation is None:
        num_validation = max(1, (len(image) - num_test) // 10)
    num_train = len(image) - num_test - num_validation
    if num_train < 1:
        raise DataError(
            f"{config.name} has {len(image)} images to split, and {num_validation} for validation"
            + (" " if has_test else f" with {num_test} for the test ")
            + f"leave none to train on; make {field}.validation_size"
            + (" smaller" if has_test else f" or {field}.test_size smaller")
        )
    if config.train_size is not None and config.train_size > num_train:
        raise DataError(
            f"{field}.train_size={config.train_size} is more than the {num_train} images of {config.name} left to "
            f"train on; make it or {field}.validation_size smaller"
        )

    def take(indices: np.ndarray) -> Split:
        label, factor = (arrays[name][indices] if name in arrays else None for name in ("label", "factor"))
        return Split(choose(image, indices), label, factor, arrays["row"][indices])

    order = np.random.default_rng(SPLIT_SEED).permutation(len(image))
    test, validation, train = np.split(order, [num_test, num_test + num_validation])
    if not has_test:
        return take(train[: config.train_size]), take(validation), take(test)
    label, factor = arrays.get("test_label"), arrays.get("test_factor")
    own_test = Split(arrays["test_image"], label, factor, arrays["test_row"], "test_image")
    return take(train[: config.train_size]), take(validation), own_test


def binarize(config: DataConfig) -> Callable[[Split, str], Split]:
    """Returns the function that makes the images of a split, by its name, black (0) and white (255).

    What is drawn is the same for every run: the first of a split's images do not depend on how many there are.
    """

    def of_split(split: Split, name: str) -> Split:
        function = _Binarization(config.binarization == "threshold", SPLITS.index(name))
        return dataclasses.replace(split, image=change(split.image, function))

    return of_split


@dataclasses.dataclass(frozen=True)
class _Binarization:
    """From gray images of a split to black and white ones."""

    by_threshold: bool
    split: int

    def __call__(self, image: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Returns the images at rows of the split, black and white."""
        full = np.float32(255 if image.dtype == np.uint8 else 1)
        white = image >= full / 2 if self.by_threshold else full * self._draw(image.shape, rows) < image
        return np.where(white, np.uint8(255), np.uint8(0))

    def _draw(self, shape: tuple[int, ...], rows: np.ndarray) -> np.ndarray:
        """Returns numbers in [0, 1) for rows in any order: those that all rows from the first on would be given."""
        generator = np.random.default_rng([SPLIT_SEED, self.split])
        if np.array_equal(rows, np.arange(len(rows))):
            return generator.random(shape, np.float32)
        drawn, size = np.empty(shape, np.float32), math.prod(shape[1:])
        for target, first in zip(drawn, (rows * size).tolist(), strict=True):
            bits = np.random.PCG64([SPLIT_SEED, self.split])  # Those of `default_rng`.
            bits.advance(first // 2)  # A draw of the generator gives two of these numbers.
            target[...] = np.random.Generator(bits).random(size + first % 2, np.float32)[first % 2 :].reshape(shape[1:])
        return drawn


def _fingerprint(*splits: Split) -> str:
    images = [split.image for split in splits]
    if all(isinstance(image, OnDemand) for image in images):
        rest = [part for split in splits for part in (split.label, split.factor)]
        facts = [None if part is None else hashlib.sha256(part.tobytes()).hexdigest() for part in rest]
        name = hashlib.sha256(repr(facts).encode()).hexdigest()[:16]
        return cached_fact(f"fingerprint-{name}", images, lambda: _digest(splits))
    return _digest(splits)


def _digest(splits: Sequence[Split]) -> str:
    digest = hashlib.sha256()
    factors = [split.factor for split in splits if split.factor is not None]  # None leaves older fingerprints alone.
    for array in (*(array for split in splits for array in (split.image, split.label)), *factors):
        if array is None:
            digest.update(b"none")
        else:
            digest.update(repr((array.shape, array.dtype.str)).encode())
            for block in blocks(array):
                digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()[:16]
