"""How many images of each class there are: whether classes are unbalanced, and what naming the largest one reaches."""

import numpy as np

from aejax.data.load import Dataset
from aejax.statistics import UNBALANCED


def class_counts(dataset: Dataset) -> dict[str, np.ndarray]:
    """Returns how many images of each class there are in each split, [classes]; none without labels."""
    num_classes = dataset.num_classes
    if num_classes is None:
        return {}
    return {name: np.bincount(split.known_label, minlength=num_classes) for name, split in dataset.splits.items()}


def is_unbalanced(dataset: Dataset) -> bool:
    """Returns whether the largest class has more than `UNBALANCED` times the images of the smallest, in all splits."""
    if dataset.num_classes is None:
        return False
    number = sum(class_counts(dataset).values())
    return bool(np.max(number) > UNBALANCED * np.min(number))


def majority(dataset: Dataset) -> dict[str, float]:
    """The accuracy of a classifier that names the most frequent class for every image.

    Of validation images the most frequent class among training images, of test images among these and validation
    images: those that a probe is fitted to. Splits without images are left out, and so is everything without labels.

      validation_accuracy, test_accuracy                    the share of the images of that class
      validation_balanced_accuracy, test_balanced_accuracy  1 / the number of classes in the split, or 0: see
                                                            `aejax.evaluation.accuracy.balanced_accuracy`
    """
    counts = class_counts(dataset)
    found: dict[str, float] = {}
    for name, fitted in (("validation", ("train",)), ("test", ("train", "validation"))):
        if counts and counts[name].sum():
            own, largest = counts[name], np.argmax(sum(counts[split] for split in fitted))
            found[f"{name}_accuracy"] = float(own[largest] / own.sum())
            found[f"{name}_balanced_accuracy"] = float((own[largest] > 0) / np.count_nonzero(own))
    return found
