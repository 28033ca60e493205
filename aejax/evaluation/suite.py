"""What is measured of one member: reconstruction on every split, and what its features are worth to a classifier."""

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from pydantic import Field

from aejax.config import PositiveFloat, PositiveInt, optional_part
from aejax.data import preprocessing
from aejax.data.load import OWN, DataConfig
from aejax.data.resident import EXAMPLES_AT_ONCE, ResidentData, map_examples
from aejax.evaluation import image_metrics, robustness
from aejax.evaluation.anomaly import anomaly_metrics
from aejax.evaluation.closed_form import CLOSED_FORMS, closed_form_accuracies
from aejax.evaluation.codebook import Codes, codebook_metrics
from aejax.evaluation.few_labels import few_labels_accuracies
from aejax.evaluation.generalization import generalization_gap
from aejax.evaluation.likelihood import Density, likelihood_metrics, posterior_metrics
from aejax.evaluation.neighbors import neighbors_accuracy
from aejax.evaluation.pca import whiten
from aejax.evaluation.probe import STRENGTHS, linear_probe
from aejax.evaluation.retrieval import retrieval_precision

Measure = Literal[
    "reconstruction",
    "probe",
    "calibration",  # Of the probe.
    "neighbors",
    "weighted_neighbors",
    "component_neighbors",
    "ridge",
    "gaussian",
    "class_mean",
    "few_labels",
    "retrieval",
    "clustering",
    "robustness",
    "posterior",  # Of families that have one, likewise below.
    "likelihood",
    "codebook",  # Of families whose codes are discrete.
    "disentanglement",  # Of data that know what their images were made from.
]
# What transfer reads from other data; robustness has its own way.
OF_FEATURES: tuple[Measure, ...] = (
    "probe",
    "calibration",
    "neighbors",
    "weighted_neighbors",
    "component_neighbors",
    "ridge",
    "gaussian",
    "class_mean",
    "few_labels",
    "retrieval",
    "clustering",
)
NEED_LABELS = OF_FEATURES

MAX_POOLED = 4  # Height and width of the maps of a layer that classifiers are given.
Features = dict[str, jax.Array]  # [examples, size] of every split, and perhaps those of corrupted test images.


LabelCounts = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What to measure, and beside which baselines."""

    # null: "reconstruction", and where there are labels "probe" and "neighbors"; the others have to be named. A name
    # that the data do not allow is an error.
    measures: tuple[Measure, ...] | None = None
    baselines: tuple[str, ...] | None = None  # null: all that the data allow, likewise.
    # Whether what was measured on test images is told. What a search trains is chosen, so it is not.
    tell_test: bool = True
    # Whether features of networks that were trained by labels are measured as well, or only what these say themselves.
    classifier_features: bool = True
    probe_strengths: tuple[PositiveFloat, ...] = STRENGTHS  # The L2 strengths of which validation chooses one.
    num_neighbors: PositiveInt = 5
    neighbor_temperature: PositiveFloat = 0.07  # Of "weighted_neighbors"; see `neighbors_accuracy`.
    num_components: PositiveInt = 64  # Of the features, which "component_neighbors" looks at.
    cluster_components: PositiveInt = 36  # And "clustering": a mixture takes the square of their number in time.
    whiten_clusters: bool = False  # Whether "clustering" gives each of them unit variance, as the neighbors have it.
    normalize_clusters: bool = False  # Whether each image's components are then scaled to length 1.
    labels_per_class: LabelCounts = (1, 10, 100)  # Of "few_labels".
    # Other data with labels, on which the features are worth something too, or are not. null: none. An object begins
    # with the own data, likewise below: {"classes": [3]} are other images of the data set that is trained on.
    transfer: DataConfig | None = optional_part(name=OWN)
    # Images of other kinds, which the reconstruction error and the features' distance should tell from the own: of
    # another data set, or of classes that training left out. null: none.
    outliers: DataConfig | None = optional_part(name=OWN)
    likelihood_samples: PositiveInt = 1000  # Draws for each image, by which "likelihood" bounds how likely it is,
    likelihood_images: PositiveInt | None = None  # of the first so many images of a split; null: of all.
    # Layers of the encoder, by their names, of which the features are measured too; a name that is none lists all.
    layers: tuple[str, ...] = ()

    def other_data(self, own: DataConfig) -> dict[str, DataConfig]:
        """Returns the data that evaluation reads beside the member's own, by what they are for."""
        known = {"transfer": self.transfer, "outliers": self.outliers}
        return {name: data.beside(own) for name, data in known.items() if data is not None}

    def conflict(self, own: DataConfig) -> str | None:
        """Returns why images of the own data are no outliers of themselves; None if none are to be."""
        if self.outliers is None or self.outliers.name != OWN:
            return None
        if self.outliers.classes is None:
            return (
                "evaluation.outliers are all images of data: name other data by evaluation.outliers.name, or by "
                "evaluation.outliers.classes what data.classes leaves out"
            )
        both = [value for value in self.outliers.classes if own.classes is None or value in own.classes]
        if not both:
            return None
        return (
            f"evaluation.outliers.classes names {both[0]}, which is a class of data, too; name in data.classes those "
            "that are no outliers"
        )


class Representation(NamedTuple):
    """What a method offers for evaluation: functions of stored images, [block, height, width, channels]."""

    encode: Callable[[jax.Array], jax.Array]  # -> features, [block, size]
    reconstruct: Callable[[jax.Array], jax.Array] | None = None  # -> pixels in [0, 1], of the images' shape
    classify: Callable[[jax.Array], jax.Array] | None = None  # -> logits, [block, classes]
    # -> what every layer gives, [block, ...], by its name
    layers: Callable[[jax.Array], dict[str, jax.Array]] | None = None
    at_once: int = EXAMPLES_AT_ONCE  # The most images in a block.
    density: Density | None = None
    codes: Codes | None = None


class Described(NamedTuple):
    """What can be said of one member without another fit, and its features for those who fit.

    `metrics` are scalars, named with the split first (`test_mse`). `features` are by their place: "own" for those of
    the own data (empty if no classifier wants them), "transfer" if there are such data, and the names of
    `config.layers`, for what these make of the own data. `code` are those of the own data that are compared with what
    the images were made from; empty if that is not asked.
    """

    metrics: dict[str, jax.Array]
    features: dict[str, Features]
    code: Features


def describe(
    representation: Representation,
    data: ResidentData,
    config: EvaluationConfig,
    others: Mapping[str, ResidentData] = types.MappingProxyType({}),
) -> Described:
    """Returns what can be said of one member without another fit, and its features for those who fit.

    Args:
      representation: what the member offers.
      data: its own data.
      config: what to measure.
      others: the data of `config.other_data(own)`, by the same names.
    """
    measures = available_measures(config, labelled=bool(data.label))
    metrics, features = _describe_splits(representation, data, measures)
    described = {}
    if representation.layers is not None and {*OF_FEATURES} & set(measures):
        for layer in config.layers:
            encoder = Representation(
                functools.partial(_encode_layer, representation.layers, layer), at_once=representation.at_once
            )
            described[layer] = _describe_splits(encoder, data, OF_FEATURES)[1]
    if "robustness" in measures:
        encode = representation.encode if data.label else None
        corrupted_metrics, corrupted = robustness.describe(encode, representation.reconstruct, data.image["test"])
        metrics |= corrupted_metrics
        features |= corrupted
    if representation.density is not None:
        density, at_once = representation.density, representation.at_once
        if "posterior" in measures:
            metrics |= posterior_metrics(density, data, at_once)
        if "likelihood" in measures:
            metrics |= likelihood_metrics(
                density,
                data,
                at_once,
                num_samples=config.likelihood_samples,
                num_images=config.likelihood_images,
            )
    if representation.codes is not None and "codebook" in measures:
        metrics |= codebook_metrics(representation.codes, data, representation.at_once)
    described["own"] = features
    if "transfer" in others:
        # Their reconstructions and classes are none that the member was trained for.
        encoder = Representation(representation.encode, at_once=representation.at_once)
        described["transfer"] = _describe_splits(encoder, others["transfer"], OF_FEATURES)[1]
    if "outliers" in others:
        metrics |= anomaly_metrics(representation.encode, representation.reconstruct, data, others["outliers"])
    code = encode_splits(representation, data) if "disentanglement" in measures else {}
    return Described(metrics, described, code)


def encode_splits(representation: Representation, data: ResidentData) -> Features:
    """Returns the features of every split that has images, [examples, size]."""

    def of(split: str) -> jax.Array:
        stored = jnp.asarray(data.image[split])
        return map_examples(lambda indices: representation.encode(stored[indices]), len(stored), representation.at_once)

    return {split: of(split) for split in data.image if data.size(split)}


def _describe_splits(
    representation: Representation, data: ResidentData, measures: tuple[str, ...]
) -> tuple[dict[str, jax.Array], Features]:
    metrics: dict[str, jax.Array] = {}
    features: dict[str, jax.Array] = {}
    error: dict[str, jax.Array] = {}
    for split in data.image:
        if not data.size(split):
            continue
        per_example = functools.partial(_per_example, representation, data, measures, split)
        values = map_examples(per_example, data.size(split), representation.at_once)
        if "features" in values:
            features[split] = values.pop("features")
        metrics |= {f"{split}_{name}": jnp.mean(value) for name, value in values.items()}
        if "mse" in values:
            error[split] = values["mse"]
    if "train" in error:
        metrics |= generalization_gap(error)
    return metrics, features


def classify(
    features: Features, label: dict[str, jax.Array], config: EvaluationConfig, num_classes: int
) -> dict[str, jax.Array]:
    """Returns how well classifiers read the labels from one member's features, as scalars (`test_probe_accuracy`).

    What they choose, they choose on the validation split; the test split is read once, and where features of corrupted
    test images are there, these are.
    """
    measures = available_measures(config, labelled=True)
    metrics: dict[str, jax.Array] = {}
    wants = lambda *names: bool(set(names) & set(measures))  # noqa: E731
    if wants("probe", "calibration") or robustness.CORRUPTED in features:
        probed, accuracy = linear_probe(
            features,
            label,
            num_classes=num_classes,
            strengths=config.probe_strengths,
            calibration=wants("calibration"),
        )
        metrics |= probed
        if robustness.CORRUPTED in features:
            metrics |= robustness.accuracies(accuracy, features[robustness.CORRUPTED], label["test"])
    if wants("neighbors", "weighted_neighbors"):
        metrics |= neighbors_accuracy(
            features,
            label,
            num_classes=num_classes,
            num_neighbors=config.num_neighbors,
            temperature=config.neighbor_temperature if wants("weighted_neighbors") else None,
        )
    if wants("component_neighbors"):
        splits = {split: features[split] for split in ("train", "validation", "test")}
        found = neighbors_accuracy(
            whiten(splits, config.num_components), label, num_classes=num_classes, num_neighbors=config.num_neighbors
        )
        metrics |= {name.replace("_knn_", "_component_knn_"): value for name, value in found.items()}
    if wants(*CLOSED_FORMS):
        names = [name for name in CLOSED_FORMS if wants(name)]
        metrics |= closed_form_accuracies(features, label, num_classes=num_classes, names=names)
    if wants("few_labels"):
        metrics |= few_labels_accuracies(features, label, num_classes=num_classes, per_class=config.labels_per_class)
    if wants("retrieval"):
        metrics |= retrieval_precision(features, label)
    return metrics


def _encode_layer(layers: Callable[[jax.Array], dict[str, jax.Array]], layer: str, stored: jax.Array) -> jax.Array:
    return pooled(layers(stored)[layer])


def pooled(output: jax.Array) -> jax.Array:
    """Returns a layer's output as features, [block, size].

    Maps larger than 4 × 4, [block, height, width, channels], become means of squares, at most 4 × 4 of them; tokens,
    [block, tokens, width], their mean.
    """
    if output.ndim == 3:
        output = jnp.mean(output, axis=1)
    if output.ndim == 4:
        window = tuple(-(-size // MAX_POOLED) for size in output.shape[1:3])
        output = nn.avg_pool(output, window, strides=window, padding="SAME", count_include_pad=False)
    return output.reshape(output.shape[0], -1)


def of_place(name: str, place: str) -> str:
    """Returns what a metric of features is called, by their place: `test_transfer_probe_accuracy`; own ones as it is.

    Of a layer that is, for instance, `test_encoder/Conv_0_probe_accuracy`.
    """
    if place == "own":
        return name
    split, _, rest = name.partition("_")
    return f"{split}_{place}_{rest}" if split in ("validation", "test") else f"{place}_{name}"


def available_measures(config: EvaluationConfig, *, labelled: bool) -> tuple[str, ...]:
    """Returns what will be measured of data with or without labels."""
    wanted = config.measures if config.measures is not None else ("reconstruction", "probe", "neighbors")
    return tuple(name for name in wanted if labelled or name not in NEED_LABELS)


def _per_example(
    representation: Representation, data: ResidentData, measures: tuple[str, ...], split: str, indices: jax.Array
) -> dict[str, Any]:
    stored = data.image[split][indices]
    values: dict[str, Any] = {}
    if "reconstruction" in measures and representation.reconstruct is not None:
        reconstruction, image = representation.reconstruct(stored), preprocessing.to_unit(stored)
        values["mse"] = image_metrics.mean_squared_error(image, reconstruction)
        values["psnr"] = image_metrics.peak_signal_to_noise_ratio(image, reconstruction)
        values["ssim"] = image_metrics.structural_similarity(image, reconstruction)
    if data.label and {*OF_FEATURES, "robustness"} & set(measures):
        values["features"] = representation.encode(stored)
    if representation.classify is not None:
        values["accuracy"] = jnp.argmax(representation.classify(stored), axis=-1) == data.label[split][indices]
    return values
