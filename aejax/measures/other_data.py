"""Measures on other data: classifiers of the features of `transfer`, and the detection of `outliers`."""

from collections.abc import Iterator, Mapping
from typing import Any

from aejax.measures.base import OTHER_KINDS, Features, Measure, MemberAndData, Metric
from aejax.measures.config import DETECTORS as DETECTOR_TITLES


def _tell_outliers(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.anomaly import anomaly_metrics

    representation = member.representation

    def reconstruct(stored: Any) -> Any:
        return representation.reconstruct(stored, None)  # Outliers are of no class.

    given = None if representation.reconstruct is None else reconstruct
    return anomaly_metrics(
        representation.encode, given, member.data, member.others["outliers"], representation.strangeness
    )


def _detect(given: Features) -> dict[str, float]:
    from aejax.evaluation.detectors import detector_metrics

    return detector_metrics(given.features, given.evaluation.detectors)


def _unlike_own(use: str, config: Any) -> Iterator[str]:
    """Yields why an encoder of the own images cannot read those of another data set, which is there for a use."""
    other = config.evaluation.other_data(config.data)[use]
    if other.evaluated_binarization != config.data.evaluated_binarization:
        yield (
            f"evaluation.{use}.binarization={_show(other.binarization)} and data.binarization="
            f"{_show(config.data.binarization)}: the encoder knows images of one kind; give both the same"
        )
    if other.preprocessing != "none":
        yield (
            f"evaluation.{use}.preprocessing={other.preprocessing}: what is fitted to the training images is "
            "applied to these too; leave it out and set data.preprocessing"
        )
    if other.test_size == 0:
        yield f"evaluation.{use}.test_size is 0, and its test images are measured; keep some"


def _show(value: str | None) -> str:
    return "null" if value is None else value


def _transfer_conflicts(config: Any) -> Iterator[str]:
    evaluation, transfer = config.evaluation, config.evaluation.transfer
    yield from _unlike_own("transfer", config)
    yield from transfer.single_class("evaluation.transfer")
    if transfer.validation_size == 0:
        yield "evaluation.transfer.validation_size is 0; the probe and k-NN need some validation images"
    yield from evaluation.unread("transfer")


def _outliers_conflicts(config: Any) -> Iterator[str]:
    from aejax.data.load import OWN

    own, outliers = config.data, config.evaluation.outliers
    yield from _unlike_own("outliers", config)
    if outliers.name != OWN:
        return
    if outliers.classes is None:
        yield (
            "evaluation.outliers are all images of data: name other data by evaluation.outliers.name, or by "
            "evaluation.outliers.classes what data.classes leaves out"
        )
        return
    both = [value for value in outliers.classes if own.classes is None or value in own.classes]
    if both:
        yield (
            f"evaluation.outliers.classes names {both[0]}, which is a class of data, too; name in data.classes those "
            "that are no outliers"
        )


def _of_other_shape(use: str, dataset: Any, other: Any) -> Iterator[str]:
    own_shape, shape = (data.train.image.shape[1:] for data in (dataset, other))
    if own_shape != shape:
        yield (
            f"evaluation.{use}: images of {other.name} are {shape} and those of {dataset.name} {own_shape}; "
            "the same encoder cannot read both, so choose data of one shape"
        )


def _transfer_misfits(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    transfer = others["transfer"]
    yield from _of_other_shape("transfer", dataset, transfer)
    if transfer.num_classes is None:
        yield (
            f"evaluation.transfer: {transfer.name} {transfer.unlabelled}, and features are to tell its classes; "
            "choose other data"
        )


def _outliers_misfits(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    yield from _of_other_shape("outliers", dataset, others["outliers"])


# The measures of features do the work, on the features of these images.
TRANSFER = Measure(
    name="transfer",
    metrics=(
        Metric("transfer_probe_accuracy", "transfer probe", "%", True),
        Metric("transfer_knn_accuracy", "transfer k-NN", "%", True),
    ),
    asked=lambda evaluation: evaluation.transfer is not None,
    conflicts=_transfer_conflicts,
    misfits=_transfer_misfits,
)
OUTLIERS = Measure(
    name="outliers",
    metrics=(
        Metric("anomaly_score_auroc", "outliers by own score, AUROC", "%", True),
        Metric("anomaly_mse_auroc", "outliers by error, AUROC", "%", True),
        Metric("anomaly_distance_auroc", "outliers by distance, AUROC", "%", True),
    ),
    asked=lambda evaluation: evaluation.outliers is not None,
    images=_tell_outliers,
    conflicts=_outliers_conflicts,
    misfits=_outliers_misfits,
    by_axes=True,
    note="The own score of a family that reconstructs is its error on images as the network sees them, after "
    "preprocessing; of deep_svdd it is the distance from the center.",
)
DETECTORS = Measure(
    name="detectors",
    metrics=tuple(
        Metric(f"detector_{kind}_auroc", f"outliers by {title}, AUROC", "%", True)
        for kind, title in DETECTOR_TITLES.items()
    ),
    needs=(OTHER_KINDS,),
    host=_detect,
    by_axes=True,
)
