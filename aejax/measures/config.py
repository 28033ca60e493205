"""The fields of the config that single measures read, a part for each measure that has some. Free of JAX."""

import dataclasses
from collections.abc import Collection, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from aejax.config import PositiveFloat, PositiveInt, Share
from aejax.moved import moved, moved_paths

# On MNIST .1 is best for 100 images, .001 for the pixels of 60,000; few features want less than many.
STRENGTHS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003, 0.0001)
FEW_LABELS_STRENGTHS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003)  # The fewer labels, the stronger.
NUM_DRAWS = 10  # One draw of ten labels says little.
# Of ridge regression and Gaussian classes, as shares of the mean eigenvalue of the matrix that they are added to.
SHARES = (1.0, 0.1, 0.01, 0.001, 0.0001)
Strengths = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
Flip = Literal["none", "test", "both"]
# Detectors of outliers by their names, with their titles.
DETECTORS = {"svm": "one-class SVM", "forest": "isolation forest", "density": "kernel density"}
DetectorName = Literal["svm", "forest", "density"]
LabelCounts = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """The linear probe, also of "calibration" and "robustness"."""

    strengths: tuple[PositiveFloat, ...] = moved(STRENGTHS, "probe_strengths")  # Of L2; validation chooses one.

    def conflicts(self) -> Iterator[str]:
        """Yields that there is nothing to choose from."""
        if not self.strengths:
            yield "evaluation.probe.strengths is empty; give at least one L2 strength"


@dataclasses.dataclass(frozen=True, kw_only=True)
class RidgeConfig:
    """Ridge regression."""

    strengths: Strengths = SHARES  # As shares of the mean variance of a feature; validation chooses one.


@dataclasses.dataclass(frozen=True, kw_only=True)
class SvmConfig:
    """The linear support-vector machines of "svm"."""

    # Of L2, beside the mean loss: 1 / (images · C) in scikit-learn's terms; validation chooses one.
    strengths: Strengths = (0.1, 0.03, 0.01, 0.003, 0.001)


@dataclasses.dataclass(frozen=True, kw_only=True)
class NeighborsConfig:
    """The nearest neighbors, of all measures that have them."""

    num_neighbors: PositiveInt = moved(5, "num_neighbors")
    temperature: PositiveFloat = moved(0.07, "neighbor_temperature")  # Of "weighted_neighbors".
    num_components: PositiveInt = moved(64, "num_components")  # Of the features, which "component_neighbors" looks at.


@dataclasses.dataclass(frozen=True, kw_only=True)
class FewLabelsConfig:
    """The probe of few labels."""

    labels_per_class: LabelCounts = moved((1, 10, 100), "labels_per_class")
    num_draws: PositiveInt = NUM_DRAWS  # Of the labelled images; the mean over them counts.
    strengths: Strengths = FEW_LABELS_STRENGTHS  # Of L2; as many further images of each class choose one.


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClusteringConfig:
    """The principal components of features that are clustered."""

    num_components: PositiveInt = moved(36, "cluster_components")  # A mixture takes the square of their number in time.
    whiten: bool = moved(False, "whiten_clusters")  # Whether each has unit variance, as the neighbors have it.
    normalize: bool = moved(False, "normalize_clusters")  # Whether each image's are then scaled to length 1.


@dataclasses.dataclass(frozen=True, kw_only=True)
class LikelihoodConfig:
    """The importance samples by which "likelihood" bounds how likely an image is."""

    num_samples: PositiveInt = moved(1000, "likelihood_samples")  # Of each image,
    num_images: PositiveInt | None = moved(None, "likelihood_images")  # of the first so many of a split; null: of all.


@dataclasses.dataclass(frozen=True, kw_only=True)
class DetectorsConfig:
    """The detectors of "detectors", fitted to features of training images; the outliers choose nothing."""

    kinds: Annotated[tuple[DetectorName, ...], Field(min_length=1)] = ("svm", "forest", "density")
    variance: Share = 0.95  # Of the features' variance, which the principal components keep that detectors are given.
    num_images: PositiveInt | None = 2000  # The training images that "svm" and "density" are fitted to; null: all.
    nu: Share = 0.1  # Of "svm": at most this share of these lies outside.
    num_trees: PositiveInt = 100  # Of "forest".
    # Of "density", times the mean deviation of a component; the likelihood of training images left out chooses one.
    bandwidths: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (0.25, 0.35, 0.5, 0.71, 1.0, 1.41, 2.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossRecoveredConfig:
    """The linear classifier of "loss_recovered", whose strengths are those of the probe."""

    # What stands for no input: the mean of the training images, or 0 as for language models.
    ablation: Literal["mean", "zero"] = "mean"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuresConfig:
    """The parts of `evaluation` that single measures read."""

    probe: ProbeConfig = ProbeConfig()
    ridge: RidgeConfig = RidgeConfig()
    svm: SvmConfig = SvmConfig()
    neighbors: NeighborsConfig = NeighborsConfig()
    few_labels: FewLabelsConfig = FewLabelsConfig()
    clustering: ClusteringConfig = ClusteringConfig()
    likelihood: LikelihoodConfig = LikelihoodConfig()
    detectors: DetectorsConfig = DetectorsConfig()
    loss_recovered: LossRecoveredConfig = LossRecoveredConfig()

    def linear_strengths(self, names: Collection[str]) -> dict[str, tuple[float, ...]]:
        """Returns the strengths that linear classifiers choose from, of those that are named."""
        strengths = {"probe": self.probe.strengths, "ridge": self.ridge.strengths, "svm": self.svm.strengths}
        return {name: of for name, of in strengths.items() if name in names}


def rename_fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Returns fields that an earlier version recorded, by dotted path, under the paths that they have now."""
    paths = {f"evaluation.{old}": f"evaluation.{new}" for old, new in moved_paths(MeasuresConfig).items()}
    return {paths.get(path, path): value for path, value in fields.items()}
