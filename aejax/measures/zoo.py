"""The measures by name. A new one is a file beside this one, and its line here; tables show metrics in this order."""

from collections.abc import Iterator

from aejax.errors import ConfigError, UserError
from aejax.measures.base import Measure, Metric
from aejax.measures.closed_form import CLASS_MEAN, GAUSSIAN, RIDGE
from aejax.measures.clustering import ASSIGNMENT, CLUSTERING
from aejax.measures.codebook import CODEBOOK
from aejax.measures.disentanglement import DISENTANGLEMENT, UNSUPERVISED_RANKING
from aejax.measures.few_labels import FEW_LABELS
from aejax.measures.generation import GENERATION
from aejax.measures.likelihood import LIKELIHOOD, POSTERIOR
from aejax.measures.linear import SVM
from aejax.measures.neighbors import COMPONENT_NEIGHBORS, NEIGHBORS, WEIGHTED_NEIGHBORS
from aejax.measures.other_data import DETECTORS, OUTLIERS, TRANSFER
from aejax.measures.outlier_likelihood import OUTLIER_LIKELIHOOD
from aejax.measures.probe import CALIBRATION, PROBE, ROBUSTNESS
from aejax.measures.reconstruction import CLASSIFICATION, RECONSTRUCTION
from aejax.measures.retrieval import RETRIEVAL
from aejax.measures.sparsity import LOSS_RECOVERED, SPARSITY
from aejax.registry import note_origin

MEASURES: dict[str, Measure] = {
    measure.name: measure
    for measure in (
        PROBE,
        NEIGHBORS,
        WEIGHTED_NEIGHBORS,
        COMPONENT_NEIGHBORS,
        RIDGE,
        SVM,
        GAUSSIAN,
        CLASS_MEAN,
        FEW_LABELS,
        CLUSTERING,
        ASSIGNMENT,
        RETRIEVAL,
        CALIBRATION,
        ROBUSTNESS,
        TRANSFER,
        CLASSIFICATION,
        OUTLIERS,
        DETECTORS,
        OUTLIER_LIKELIHOOD,
        GENERATION,
        POSTERIOR,
        LIKELIHOOD,
        DISENTANGLEMENT,
        UNSUPERVISED_RANKING,
        CODEBOOK,
        SPARSITY,
        LOSS_RECOVERED,
        RECONSTRUCTION,
    )
}


def register(measure: Measure) -> Measure:
    """Adds a measure of the user's own, and returns it: tables show its metrics after all others.

    Raises:
      ConfigError: if its name, or that of one of its metrics, is taken.
    """
    if measure.name in MEASURES:
        raise ConfigError(f"there is a measure '{measure.name}' already; choose another name, and register each once")
    taken = {metric.name for metric in all_metrics()} & {metric.name for metric in measure.metrics}
    if taken:
        raise ConfigError(f"measure '{measure.name}': there is a metric '{min(taken)}' already; choose another name")
    MEASURES[measure.name] = measure
    note_origin(measure.functions()[0])
    return measure


def choices() -> list[str]:
    """Returns the names that `evaluation.measures` may have."""
    return [measure.name for measure in MEASURES.values() if measure.asked is None]


def of_labels() -> list[str]:
    """Returns the names of the measures of how well features tell labels."""
    return [measure.name for measure in MEASURES.values() if measure.of_labels]


def all_metrics() -> Iterator[Metric]:
    """Yields the metrics of all tables, in their order."""
    for measure in MEASURES.values():
        yield from measure.metrics


def find_metric(name: str) -> Metric:
    """Finds a metric by its name, with its split or without.

    Raises:
      UserError: if there is none, naming those that there are.
    """
    by_name = {metric.name: metric for metric in all_metrics()}
    if without_split(name) not in by_name:
        raise UserError(f"there is no metric '{name}'; choose one of {', '.join(by_name)}")
    return by_name[without_split(name)]


def without_split(name: str) -> str:
    """The name of a metric without the split of the images that it was measured on."""
    return name.removeprefix("validation_").removeprefix("test_")


def measure_of(metric: Metric) -> Measure:
    """Returns the measure that a metric belongs to."""
    return next(measure for measure in MEASURES.values() if metric in measure.metrics)
