"""Whether the labels of a data set allow what is measured by them, before anything is trained."""

import numpy as np

from aejax.cache import memory_bytes
from aejax.data.load import Dataset
from aejax.errors import DataError
from aejax.evaluation.suite import EvaluationConfig, available_measures


def check_labels(evaluation: EvaluationConfig, what: str, dataset: Dataset) -> None:
    """Checks that there are images and labels enough for what is measured of features by them.

    Args:
      evaluation: what is measured.
      what: the path of the data in the config.
      dataset: with labels, or without: then nothing is measured.

    Raises:
      DataError: naming what asks for too much.
    """
    num_classes, num_train = dataset.num_classes, len(dataset.train.image)
    if num_classes is None:
        return
    measured = set(available_measures(evaluation, labelled=True))
    of_data = f"{num_train} training images of {dataset.name} ({what})"
    if {"neighbors", "weighted_neighbors", "component_neighbors"} & measured and evaluation.num_neighbors > num_train:
        raise DataError(
            f"evaluation.num_neighbors={evaluation.num_neighbors} is more than the {of_data}; make it smaller, or name "
            "other evaluation.measures"
        )
    if "clustering" in measured and num_classes > num_train:
        raise DataError(
            f"evaluation.measures has 'clustering', and the {of_data} cannot be as many clusters as there are classes, "
            f"{num_classes}; leave it out"
        )
    if "few_labels" in measured:
        check_label_counts("evaluation", max(evaluation.labels_per_class), what, dataset)
    needed, memory = 4 * len(evaluation.probe_strengths) * num_train * num_classes, memory_bytes()
    if "probe" in measured and needed > memory:
        raise DataError(
            f"a linear probe of {num_classes} classes on the {of_data} takes {needed / 1e9:.3g} GB, and this machine "
            f"has {memory / 1e9:.3g} GB of memory; leave the labels out if they are no classes, or name other "
            "evaluation.measures"
        )


def check_label_counts(asking: str, wanted: int, what: str, dataset: Dataset) -> None:
    """Checks that training images of every class are enough for so many labels of each, and as many to choose by.

    Raises:
      DataError: naming the class of the fewest.
    """
    if dataset.train.label is None or dataset.num_classes is None:
        return
    counts = np.bincount(dataset.train.label, minlength=dataset.num_classes)
    smallest = int(np.argmin(counts))
    if counts[smallest] < 2 * wanted:
        raise DataError(
            f"{asking}.labels_per_class={wanted} takes {wanted} training images of every class and {wanted} more to "
            f"choose by, and {what} ({dataset.name}) has {counts[smallest]} of class {dataset.classes.name(smallest)}; "
            + (
                f"ask for at most {most}"
                if (most := counts[smallest] // 2)
                else f"leave that class out by {what}.classes"
            )
        )
