"""Linear probe: multinomial logistic regression on frozen features, its calibration, and its robustness."""

from collections.abc import Iterator, Mapping
from typing import Any

from aejax.cache import memory_bytes
from aejax.measures.base import (
    IMAGES,
    LABELS,
    VALIDATION,
    Features,
    Measure,
    MemberAndData,
    Metric,
    accuracy,
    balanced_accuracy,
    labelled,
)
from aejax.measures.linear import linear_in_blocks


def _probe(given: Features) -> dict[str, Any]:
    from aejax.evaluation import robustness
    from aejax.evaluation.probe import linear_probe

    corrupted = given.features.get(robustness.CORRUPTED)
    if corrupted is None and not {PROBE.name, CALIBRATION.name} & set(given.wanted):
        return {}
    assert given.num_classes is not None, "a probe is of labels"
    metrics, accuracy_of = linear_probe(
        given.features,
        given.target,
        num_classes=given.num_classes,
        strengths=given.evaluation.probe.strengths,
        calibration=CALIBRATION.name in given.wanted,
        balanced=given.unbalanced,
    )
    if corrupted is not None:
        metrics |= robustness.accuracies(accuracy_of, corrupted, given.target["test"])
    return metrics


def _corrupt(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation import robustness

    representation, data = member.representation, member.data.with_labels()
    encode = representation.encode if data.label else None
    label = data.label["test"] if data.label else None

    def reconstruct(stored: Any) -> Any:
        return representation.reconstruct(stored, None if label is None else label[: len(stored)])

    given = None if representation.reconstruct is None else reconstruct
    metrics, features = robustness.describe(encode, given, data.image["test"])
    member.features.update(features)
    return metrics


def _copies(sizes: Mapping[str, int]) -> int:
    from aejax.evaluation import robustness

    return sum(map(len, robustness.STRENGTHS.values())) * min(robustness.NUM_IMAGES, sizes["test"])


def too_large(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    """Yields that a linear probe of all training images that have a label takes more than the machine's memory."""
    memory = memory_bytes()
    for path, data in labelled(dataset, others):
        num_train = len(data.train.labelled)
        needed = 4 * len(config.evaluation.probe.strengths) * num_train * data.num_classes
        if needed > memory:
            yield (
                f"a linear probe of {data.num_classes} classes on the {num_train} training images of {data.name} "
                f"({path}) takes {needed / 1e9:.3g} GB, and this machine has {memory / 1e9:.3g} GB of memory; leave "
                "the labels out if they are no classes, or name other evaluation.measures"
            )


PROBE = Measure(
    name="probe",
    metrics=(accuracy("probe_accuracy", "linear probe"), balanced_accuracy("probe_balanced_accuracy", "linear probe")),
    needs=(LABELS, VALIDATION),
    by_default=True,
    features=_probe,
    blocks=linear_in_blocks,
    misfits=too_large,
    by_axes=True,
)
CALIBRATION = Measure(
    name="calibration",
    metrics=(Metric("probe_calibration_error", "calibration error of the probe", "%", False),),
    needs=(LABELS, VALIDATION),
    features=_probe,
    by_axes=True,
)
# Of reconstructions too, and without labels of these alone: its metrics have a section of their own.
ROBUSTNESS = Measure(
    name="robustness",
    needs=(VALIDATION, IMAGES),
    images=_corrupt,
    features=_probe,
    by_axes=True,
    further_features=_copies,
)
