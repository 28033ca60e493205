"""What is measured of one member, its own data and others: a loop over the measures that its config wants."""

import dataclasses
import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from pydantic import AfterValidator
from pydantic_core import PydanticKnownError

from aejax.autoencoders.zoo import unknown_layers
from aejax.config import NonNegativeInt, optional_part
from aejax.data.load import OWN, DataConfig, Dataset
from aejax.data.resident import EXAMPLES_AT_ONCE, ResidentData, map_examples
from aejax.data.streamed import indexable
from aejax.data.vectors import images_only
from aejax.evaluation.assignment import Clusters
from aejax.evaluation.codebook import Codes
from aejax.evaluation.likelihood import Density
from aejax.evaluation.views import Views
from aejax.measures.base import FITTED, Compared, EncodedImages, Features, Measure, MemberAndData
from aejax.measures.config import Flip, MeasuresConfig
from aejax.measures.zoo import MEASURES, choices, of_labels

MAX_POOLED = 4  # Height and width of the maps of a layer that classifiers are given.
Splits = dict[str, jax.Array]  # Features, [examples, size], of every split, and perhaps of corrupted test images.


def _check_name(name: str) -> str:
    if name not in choices():
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, choices()))})
    return name


MeasureName = Annotated[str, AfterValidator(_check_name)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluationConfig(MeasuresConfig):
    """What to measure, and beside which baselines."""

    # null: "reconstruction", and where there are labels "probe" and "neighbors"; the others have to be named. A name
    # that the data do not allow is an error.
    measures: tuple[MeasureName, ...] | None = None
    # Further ones, of members whose family has what they need, such as a posterior: a sweep over families may so ask
    # for what only some of them have.
    where_possible: tuple[MeasureName, ...] = ()
    baselines: tuple[str, ...] | None = None  # null: all that the data allow, likewise.
    # Whether what was measured on test images is told. What a search trains is chosen, so it is not.
    tell_test: bool = True
    # Whether features of networks that were trained by labels are measured as well, or only what these say themselves.
    classifier_features: bool = True
    # Other data with labels, on which the features are worth something too, or are not. null: none. An object begins
    # with the own data, likewise below: {"classes": [3]} are other images of the data set that is trained on.
    transfer: DataConfig | None = optional_part(name=OWN)
    # Images of other kinds, which the reconstruction error and the features' distance should tell from the own: of
    # another data set, or of classes that training left out. null: none.
    outliers: DataConfig | None = optional_part(name=OWN)
    # Mirror images (left and right exchanged): "test": linear classifiers score an image of the validation or test
    # split by the mean over it and its mirror image; "both": they are fitted to those of other images, too.
    flip: Flip = "none"
    # Pixels: linear classifiers score an image of the validation or test split by the mean over it and its copies that
    # are moved so far up, down, left, right and aslant, nine in all. 0: by the image alone.
    shift: NonNegativeInt = 0
    # Layers of the encoder, by their names, of which the features are measured too; a name that is none lists all.
    layers: tuple[str, ...] = ()

    @property
    def views(self) -> Views:
        """Over which views of an image linear classifiers average its scores."""
        return Views(self.flip != "none", self.shift)

    def other_data(self, own: DataConfig) -> dict[str, DataConfig]:
        """Returns the data that evaluation reads beside the member's own, by what they are for."""
        by_use = {"transfer": self.transfer, "outliers": self.outliers}
        return {name: data.beside(own) for name, data in by_use.items() if data is not None}

    def wanted(self, *, labelled: bool = True) -> list[Measure]:
        """Returns the measures of data with or without labels."""
        return [one for one in MEASURES.values() if one.is_wanted(self) and (labelled or not one.of_labels)]

    def of_member(self, config: Any) -> "EvaluationConfig":
        """Returns the evaluation of a member: `where_possible` without what its config does not allow."""

        def is_possible(name: str) -> bool:
            return not any(reason for need in MEASURES[name].needs for reason in need.conflicts(name, config))

        return dataclasses.replace(self, where_possible=tuple(filter(is_possible, self.where_possible)))

    def unread(self, field: str) -> Iterator[str]:
        """Yields why a field that measures of features read is of no use."""
        if not any(measure.of_labels for measure in self.wanted()):
            yield (
                f"evaluation.{field} is read by {', '.join(map(repr, of_labels()))}, and evaluation.measures has "
                f"none of them; add one or leave {field} out"
            )

    def _view_fields(self) -> dict[str, str]:
        """Returns the fields that ask for further views of an image, as they are set, and what these are."""
        asked = {"flip": (self.flip != "none", "its mirror image"), "shift": (self.shift > 0, "its moved copies")}
        return {f"evaluation.{name}={getattr(self, name)}": what for name, (is_set, what) in asked.items() if is_set}

    def _without_views(self, field: str, views: str) -> Iterator[str]:
        """Yields why further views of an image cannot be asked for."""
        able = ", ".join(repr(measure.name) for measure in MEASURES.values() if measure.blocks is not None)
        reading = [measure for measure in self.wanted() if measure.reads_features]
        for name in [repr(measure.name) for measure in reading if measure.blocks is None][:1]:
            yield (
                f"{field} averages scores of an image and {views}, and {name} has none; "
                f"name in evaluation.measures no other measures of features than {able}"
            )
        if not reading:
            yield f"{field} is read by {able}, and evaluation.measures has none of them; add one"

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with what is measured."""
        for measure in self.of_member(config).wanted():
            for need in measure.needs:
                yield from need.conflicts(measure.name, config)
            yield from measure.conflicts(config)
        if any(measure.of_labels for measure in self.wanted()):
            yield from config.data.single_class("data")
        if self.layers:
            yield from self.unread("layers")
        for field, views in self._view_fields().items():
            yield from self._without_views(field, views)
        yield from self.probe.conflicts()

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why data do not allow what is measured; `others` are those of `other_data`, by the same names."""
        for measure in self.of_member(config).wanted():
            for need in measure.needs:
                yield from need.misfits(measure.name, config, dataset)
            yield from measure.misfits(config, dataset, others)
        for field in self._view_fields():
            yield from images_only(field, dataset)
        height, width = dataset.train.image.shape[1:3]
        if self.shift >= min(height, width) and not dataset.vectors:
            yield (
                f"evaluation.shift={self.shift} moves images of {height} x {width} pixels of {dataset.name} out of "
                f"sight; use less than {min(height, width)}"
            )
        if self.layers:
            yield from unknown_layers(config.autoencoder, self.layers, dataset.train.image.shape[1:])


class Representation(NamedTuple):
    """What a method offers for evaluation: functions of stored images, [block, height, width, channels]."""

    encode: Callable[[jax.Array], jax.Array]  # -> features, [block, size]
    # With their labels, int32 [block] with -1 where there is none, or None -> pixels in [0, 1], of the images' shape.
    # Labels are read by a conditional family alone.
    reconstruct: Callable[[jax.Array, jax.Array | None], jax.Array] | None = None
    classify: Callable[[jax.Array], jax.Array] | None = None  # -> logits, [block, classes]
    # -> what every layer gives, [block, ...], by its name
    layers: Callable[[jax.Array], dict[str, jax.Array]] | None = None
    strangeness: Callable[[jax.Array], jax.Array] | None = None  # -> a score of its own, [block]; see `OUTLIERS`.
    at_once: int = EXAMPLES_AT_ONCE  # The most images in a block.
    density: Density | None = None
    codes: Codes | None = None
    clusters: Clusters | None = None


class Description(NamedTuple):
    """The metrics of one member that are not computed of held features, and those features.

    `metrics` are scalars, named with the split first (`test_mse`). `features`, of the images that have a label, are by
    their origin: "own" for those of the own data (empty if no measure reads them), "transfer" if there are such data,
    and the names of `config.layers`, for what these make of the own data; of the others, those that a measure reads.
    `code` are those of the own data that are compared with factors; empty if no measure does. `outlying` are those of
    the own data, by split, and of outliers ("test_outliers"), which detectors are fitted to and read; likewise.
    """

    metrics: dict[str, jax.Array]
    features: dict[str, Splits]
    code: Splits
    outlying: Splits


def describe(
    representation: Representation,
    data: ResidentData,
    config: EvaluationConfig,
    others: Mapping[str, ResidentData] = types.MappingProxyType({}),
) -> Description:
    """Returns the metrics of one member that are not computed of held features, and those features.

    Args:
      representation: what the member offers.
      data: its own data.
      config: what to measure.
      others: the data of `config.other_data(own)`, by the same names.
    """
    measures = config.wanted(labelled=bool(data.label))
    values = functools.partial(_each_image, representation, data, measures, _divide(representation, data, config)[0])
    each = {
        split: map_examples(functools.partial(values, split), data.size(split), representation.at_once)
        for split in data.image
        if data.size(split)
    }
    own = {split: of_split.pop(_FEATURES) for split, of_split in each.items() if _FEATURES in of_split}
    own = {split: values[data.labelled[split]] if data.labelled else values for split, values in own.items()}
    metrics = {f"{split}_{name}": jnp.mean(value) for split in each for name, value in each[split].items()}
    member = MemberAndData(representation, data, others, config, each, own)
    for function in functions(measures, "images"):
        metrics |= function(member)
    features = {"own": own}
    for origin, (encoder, images) in _origins(representation, data, config, others).items():
        held, in_blocks = _divide(encoder, images, config)
        labelled = images.with_labels()
        if origin != "own" and any(measure.of_labels for measure in held):
            features[origin] = encode_splits(encoder, labelled)
        encoded = EncodedImages(encoder, labelled, config, {measure.name for measure in in_blocks})
        for function in functions(in_blocks, "blocks"):
            metrics |= {of_origin(name, origin): value for name, value in function(encoded).items()}
    compares = any(measure.of_factors or measure.members is not None for measure in measures)
    outlying: Splits = {}
    if any(measure.of_outliers for measure in measures):
        strange = encode_splits(representation, others["outliers"])
        outlying = encode_splits(representation, data)
        outlying |= {f"{split}_outliers": strange[split] for split in ("validation", "test") if split in strange}
    return Description(metrics, features, encode_splits(representation, data) if compares else {}, outlying)


def _origins(
    representation: Representation, data: ResidentData, config: EvaluationConfig, others: Mapping[str, ResidentData]
) -> dict[str, tuple[Representation, ResidentData]]:
    """Returns encoders with the images that they encode, by the name of their origin; see `Description`."""
    origins = {"own": (representation, data)}
    if representation.layers is not None:
        for layer in config.layers:
            encode = functools.partial(_encode_layer, representation.layers, layer)
            origins[layer] = Representation(encode, at_once=representation.at_once), data
    if "transfer" in others:
        origins["transfer"] = representation, others["transfer"]
    return origins


def _divide(
    representation: Representation, data: ResidentData, config: EvaluationConfig
) -> tuple[list[Measure], list[Measure]]:
    """Returns the measures that the features of all images are held for, or that read none, and those in blocks."""
    measures = config.wanted(labelled=bool(data.label))
    if not any(measure.blocks is not None for measure in measures):
        return measures, []
    num = sum(len(data.labelled[split]) if data.labelled else data.size(split) for split in FITTED)
    image = jax.ShapeDtypeStruct((1, *data.image["train"].shape[1:]), data.image["train"].dtype)
    size = jax.eval_shape(representation.encode, image).shape[1]
    held = [measure for measure in measures if not measure.in_blocks(config, num, size)]
    return held, [measure for measure in measures if measure not in held]


def functions(measures: Sequence[Measure], phase: str) -> list[Callable[..., dict[str, Any]]]:
    """Returns the functions that some measures have for a phase, each once."""
    return [function for function in dict.fromkeys(getattr(one, phase) for one in measures) if function is not None]


def encode_splits(representation: Representation, data: ResidentData) -> Splits:
    """Returns the features of every split that has images, [examples, size]."""

    def of(split: str) -> jax.Array:
        stored = indexable(data.image[split])
        return map_examples(lambda indices: representation.encode(stored[indices]), len(stored), representation.at_once)

    return {split: of(split) for split in data.image if data.size(split)}


def classify(
    features: Splits, label: dict[str, jax.Array], config: EvaluationConfig, num_classes: int, unbalanced: bool = False
) -> dict[str, jax.Array]:
    """Returns how well one member's features tell the labels, as scalars (`test_probe_accuracy`).

    What is chosen is chosen on the validation split; the test split is read once, and features of corrupted test
    images are read where there are any. Of `unbalanced` classes there are balanced accuracies, too.
    """
    metrics: dict[str, jax.Array] = {}
    num, size = sum(len(features[split]) for split in FITTED), features["train"].shape[1]
    measures = [measure for measure in config.wanted() if not measure.in_blocks(config, num, size)]
    for function in functions(measures, "features"):
        metrics |= function(_given(features, label, config, num_classes, measures)._replace(unbalanced=unbalanced))
    return metrics


def measure_on_host(
    features: Mapping[str, Any],
    target: Mapping[str, Any],
    config: EvaluationConfig,
    num_classes: int | None,
    compared: Compared,
) -> dict[str, float]:
    """Returns the metrics of the phase `host` of one member that compare features with one thing.

    Args:
      features: by split, [n, d], on the host.
      target: labels, int [n], or factors, int [n, K], of the same images; of outliers nothing.
      config: what to measure.
      num_classes: of the labels; None of anything else.
      compared: with what they are compared.
    """
    metrics: dict[str, float] = {}
    for function in functions(host_measures(config, compared), "host"):
        metrics |= function(_given(features, target, config, num_classes, config.wanted()))
    return metrics


def host_measures(config: EvaluationConfig, compared: Compared) -> list[Measure]:
    """Returns the measures of the phase `host` that are wanted, and compare features with labels, factors, outliers."""
    return [one for one in config.wanted() if one.host is not None and one.compared == compared]


def _given(
    features: Any, target: Any, config: EvaluationConfig, num_classes: int | None, measures: Sequence[Measure]
) -> Features:
    return Features(features, target, num_classes, config, {measure.name for measure in measures})


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


def of_origin(name: str, origin: str) -> str:
    """The full name of a metric by the origin of its features, such as `test_transfer_probe_accuracy`.

    Of the study's own features that is its own name; of a layer, for instance, `test_encoder/Conv_0_probe_accuracy`.
    """
    if origin == "own":
        return name
    split, _, rest = name.partition("_")
    return f"{split}_{origin}_{rest}" if split in ("validation", "test") else f"{origin}_{name}"


_FEATURES = "features"  # Among the values of each image.


def _each_image(
    representation: Representation,
    data: ResidentData,
    measures: Sequence[Measure],
    held: Sequence[Measure],
    split: str,
    indices: jax.Array,
) -> dict[str, Any]:
    stored, label = data.image[split][indices], data.label[split][indices] if data.label else None
    values: dict[str, Any] = {}
    for function in functions(measures, "each_image"):
        values |= function(representation, stored, label)
    if data.label and any(measure.reads_features for measure in held):
        values[_FEATURES] = representation.encode(stored)
    return values
