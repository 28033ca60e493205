"""A metric, a measure (a group of metrics that are computed together), and what a measure may need. Free of JAX."""

import dataclasses
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol


class Estimate(Protocol):
    """A mean with half the width of its interval, NaN where there is none."""

    @property
    def mean(self) -> float:
        """The mean."""

    @property
    def half_width(self) -> float:
        """Half the width of the interval."""


class Metric(NamedTuple):
    """A number that people read. `name` is without its split: the results hold `validation_<name>`, `test_<name>`.

    `constant` is the name by which the results know what is reached by naming the most frequent class for every image;
    see `aejax.data.balance.majority`. It is None of what is no accuracy.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    constant: Literal["accuracy", "balanced_accuracy"] | None = None

    @property
    def test(self) -> str:
        """The name in the results of the value that is reported."""
        return f"test_{self.name}"

    @property
    def validation(self) -> str:
        """The name in the results of the value that choices are made by."""
        return f"validation_{self.name}"

    @property
    def heading(self) -> str:
        """The title with the unit."""
        return f"{self.title} {self.unit}".strip()

    def value(self, number: float) -> float:
        """Returns a number of the results in this metric's unit."""
        return 100.0 * number if self.unit == "%" else number

    def better(self, left: float, right: float) -> bool:
        """Returns whether the left number is the better one."""
        return left > right if self.higher_is_better else left < right

    def show(self, interval: Estimate | None, *, seeded: bool = True) -> str:
        """Returns a mean with its interval as a person reads it, for instance `96.2 ± 0.9`."""
        if interval is None:
            return ""
        mean, half = self.value(interval.mean), self.value(interval.half_width)
        if not seeded:
            return three_digits(mean)
        if math.isnan(half):
            return f"{three_digits(mean)} (no interval)"
        if half == 0:
            return f"{mean:.3g} ± 0"
        num = _decimals(mean, half)
        return f"{mean:.{num}f} ± {half:.{num}f}"


MAX_DECIMALS = 8


def three_digits(value: float) -> str:
    """Returns a number with three significant digits, more where it has more before its decimal point."""
    return f"{value:.{max(0, min(2 - _magnitude(value), MAX_DECIMALS))}f}"


def _decimals(mean: float, half: float) -> int:
    """Returns how many decimals to show of a mean and half its interval.

    There are two significant digits of the half, but one where two would be more than three of the mean.
    """
    two, three = 1 - _magnitude(half), 2 - _magnitude(mean)
    return max(0, min(two, max(three, two - 1), MAX_DECIMALS))


def _magnitude(value: float) -> int:
    """Returns the power of ten of a number's first digit, after it is rounded to three."""
    return int(f"{value:.2e}".partition("e")[2]) if value and math.isfinite(value) else 2


def accuracy(name: str, title: str) -> Metric:
    """Returns the metric of an accuracy, in percent."""
    return Metric(name, title, "%", True, "accuracy")


def balanced_accuracy(name: str, title: str) -> Metric:
    """Returns the metric of a balanced accuracy, in percent; results have it where classes are unbalanced alone."""
    return Metric(name, f"{title}, balanced", "%", True, "balanced_accuracy")


class MemberAndData(NamedTuple):
    """One member and the data that it is measured on: the input of the phase `images`."""

    representation: Any  # See `aejax.evaluation.suite.Representation`.
    data: Any  # Its own ResidentData.
    others: Mapping[str, Any]  # Those of `evaluation.other_data`, by their use.
    evaluation: Any  # The EvaluationConfig.
    each_image: Mapping[str, Mapping[str, Any]]  # What `each_image` of all measures gave, [images], by split and name.
    # Of the own data by split, [images with a label, size]. A measure may add further ones.
    features: dict[str, Any]


class Features(NamedTuple):
    """The features of one member and what they should tell: the input of the phases `features` and `host`.

    Where some images have no label, these are of the others.
    """

    features: Mapping[str, Any]  # [n, d] by split, and what a measure has added in the phase `images`.
    target: Mapping[str, Any]  # By split: labels, int [n], or of measures that need factors these, int [n, K].
    num_classes: int | None  # Of the labels; None of factors.
    evaluation: Any  # The EvaluationConfig.
    wanted: Collection[str]  # The names of the measures that are wanted.
    unbalanced: bool = False  # Whether classes are, so that accuracies have balanced ones beside them.


class EncodedImages(NamedTuple):
    """Images with labels and what encodes them: the input of the phase `blocks`."""

    representation: Any  # See `aejax.evaluation.suite.Representation`.
    data: Any  # ResidentData, of images that have a label alone.
    evaluation: Any  # The EvaluationConfig.
    wanted: Collection[str]  # The names of the measures that are wanted of this phase.


Compared = Literal["labels", "factors", "outliers"]  # What a measure compares features with.
FITTED = ("train", "validation")  # The splits that classifiers are fitted to, the first alone or both.
# Features of more numbers than this are wide: they are not held, where a matrix of all pairs of them is smaller.
WIDE = 4096


def _nothing(*_: Any) -> Iterator[str]:
    return iter(())


@dataclasses.dataclass(frozen=True)
class Need:
    """A condition that several measures have: the reasons why a config, or its data, do not meet it.

    `conflicts` takes the name of a measure that is wanted and the whole config, `misfits` the data set too.
    """

    conflicts: Callable[[str, Any], Iterator[str]] = _nothing
    misfits: Callable[[str, Any, Any], Iterator[str]] = _nothing


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measure:
    """A group of metrics that are computed together.

    Its functions are its phases; a measure has one of them or several, and a function that several measures share is
    called once. Metrics are returned with their split first (`test_mse`).

      each_image  (representation, stored images, their labels, -1 where there is none, or None) -> values [images] by
                  name; the result is their mean over each split
      images      `MemberAndData` -> scalars: in one compiled program for each member
      features    `Features` -> scalars: likewise, of the own data, of layers and of other data alike
      blocks      `EncodedImages` -> scalars: likewise, but features of all images are not held; see `in_blocks`
      host        `Features` -> floats: numpy, for one member at a time; codes and factors if it needs `FACTORS`;
                  features of outliers beside the own, and no labels, if it needs `OTHER_KINDS`
      members     codes of validation and test images of all members that differ in their seed alone, by split -> values
                  [members] by name

    A function imports what it computes with when it is called: whoever reads a study needs the rest, and no JAX.
    """

    name: str
    metrics: tuple[Metric, ...] = ()  # In all tables and charts, in this order.
    details: tuple[Metric, ...] = ()  # In a section of their own.
    needs: tuple[Need, ...] = ()
    note: str = ""  # The sentence that a table with its metrics prints below itself.
    by_default: bool = False  # Whether it is measured where `evaluation.measures` is null.
    # Whether it is measured, by the EvaluationConfig; None: where `evaluation.measures` has its name.
    asked: Callable[[Any], bool] | None = None

    each_image: Callable[[Any, Any, Any], dict[str, Any]] | None = None
    images: Callable[[MemberAndData], dict[str, Any]] | None = None
    features: Callable[[Features], dict[str, Any]] | None = None
    blocks: Callable[[EncodedImages], dict[str, Any]] | None = None
    host: Callable[[Features], dict[str, float]] | None = None
    members: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]] | None = None

    conflicts: Callable[[Any], Iterator[str]] = _nothing  # Why fields of the whole config do not go together.
    misfits: Callable[[Any, Any, Mapping[str, Any]], Iterator[str]] = _nothing  # (config, data set, other data sets).

    by_axes: bool = False  # Whether it computes the principal axes of the features.
    by_pairs: bool = False  # Whether it computes the distances of all images to all others.
    further_features: Callable[[Mapping[str, int]], int] = lambda sizes: 0  # Their number, by the sizes of the splits.

    @property
    def of_labels(self) -> bool:
        """Whether it measures how well features tell labels: of the own data, of layers and of `transfer`."""
        return LABELS in self.needs

    @property
    def of_factors(self) -> bool:
        """Whether it compares codes with the factors that images were made from."""
        return FACTORS in self.needs

    @property
    def of_outliers(self) -> bool:
        """Whether it measures how well features tell outliers, and sees no label."""
        return OTHER_KINDS in self.needs

    @property
    def compared(self) -> Compared:
        """What it compares features with, on the host."""
        return "factors" if self.of_factors else "outliers" if self.of_outliers else "labels"

    @property
    def reads_features(self) -> bool:
        """Whether it wants the features of the own data."""
        return self.of_labels or self.features is not None

    def in_blocks(self, evaluation: Any, num_fitted: int, size: int) -> bool:
        """Whether its function `blocks` measures features, and `features` does not.

        It does so if there is no other; if scores are averaged over views of an image; and if features are wide and
        there are more examples to fit to, so that a matrix of all pairs of these would not be smaller.

        Args:
          evaluation: the EvaluationConfig.
          num_fitted: the number of training and validation images that have a label.
          size: the number of features.
        """
        if self.blocks is None:
            return False
        return self.features is None or evaluation.views.num > 1 or WIDE < size < num_fitted

    def functions(self) -> list[Any]:
        """Returns its functions of all phases."""
        phases = (self.each_image, self.images, self.features, self.blocks, self.host, self.members)
        return [function for function in phases if function is not None]

    def is_wanted(self, evaluation: Any) -> bool:
        """Returns whether a config asks for it, by name or by default."""
        if self.asked is not None:
            return self.asked(evaluation)
        if self.name in evaluation.where_possible:
            return True
        return self.by_default if evaluation.measures is None else self.name in evaluation.measures


def _unlabelled(name: str, config: Any, dataset: Any) -> Iterator[str]:
    if dataset.num_classes is None and name in (config.evaluation.measures or ()):
        yield f"{dataset.name} {dataset.unlabelled}, and evaluation asks for '{name}', which needs them"


def _without_validation(name: str, config: Any) -> Iterator[str]:
    if config.data.validation_size == 0:
        yield (
            "data.validation_size is 0, and classifiers of features need some validation images: keep some, or set "
            'evaluation.measures=["reconstruction"]'
        )


def _without_posterior(name: str, config: Any) -> Iterator[str]:
    if not config.autoencoder.has_posterior:
        yield (
            f"evaluation.measures has '{name}', and autoencoder={config.autoencoder.title} has no posterior; leave it "
            "out, or choose a variational family, such as vae"
        )


def _without_indices(name: str, config: Any) -> Iterator[str]:
    if not config.autoencoder.has_indices:
        yield (
            f"evaluation.measures has '{name}', and the codes of autoencoder={config.autoencoder.title} are not "
            "discrete; leave it out, or choose a family with such codes, such as vq_vae"
        )


def _without_clusters(name: str, config: Any) -> Iterator[str]:
    if config.autoencoder.num_own_clusters is None:
        yield (
            f"evaluation.measures has '{name}', and autoencoder={config.autoencoder.title} has no clusters of its own; "
            "name 'clustering', which looks for clusters of its codes, or choose a family such as idec"
        )


def _without_numbers(name: str, config: Any) -> Iterator[str]:
    if config.autoencoder.has_indices:
        yield (
            f"evaluation.measures has '{name}', which is of codes of numbers, and autoencoder="
            f"{config.autoencoder.kind} has indices; leave it out"
        )


def _without_factors(name: str, config: Any, dataset: Any) -> Iterator[str]:
    if not dataset.factor_names:
        yield (
            f"evaluation.measures has '{name}', and {dataset.name} does not know what its images were made from; leave "
            "it out, or use data that do: aejax_sprites, dsprites, shapes3d, smallnorb, .npz with 'factor'"
        )


def _without_outliers(name: str, config: Any) -> Iterator[str]:
    if config.evaluation.outliers is None:
        yield (
            f"evaluation.measures has '{name}', and there are no outliers to tell; name them by evaluation.outliers, "
            "or leave it out"
        )


def _no_images(name: str, config: Any, dataset: Any) -> Iterator[str]:
    if dataset.vectors:
        yield f"evaluation.measures has '{name}', which is of images, and {dataset.name} holds vectors; leave it out"


LABELS = Need(misfits=_unlabelled)  # Where they are missing, what is measured by default alone is left out.
VALIDATION = Need(conflicts=_without_validation)  # Images to choose by.
POSTERIOR = Need(conflicts=_without_posterior)
INDICES = Need(conflicts=_without_indices)  # Discrete codes,
NUMBERS = Need(conflicts=_without_numbers)  # and codes that are not.
CLUSTERS = Need(conflicts=_without_clusters)  # Of the model's own.
IMAGES = Need(misfits=_no_images)
OTHER_KINDS = Need(conflicts=_without_outliers)  # Images of other kinds.
FACTORS = Need(misfits=_without_factors)


def labelled(dataset: Any, others: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the data sets whose labels features should tell, with their paths in the config; none without labels."""
    candidates = [
        ("data", dataset),
        *(("evaluation.transfer", data) for use, data in others.items() if use == "transfer"),
    ]
    yield from ((path, data) for path, data in candidates if data.num_classes is not None)
