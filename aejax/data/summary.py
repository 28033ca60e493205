"""What a person should know of a data set before anything is trained, in a line or two."""

import numpy as np

from aejax.data.classes import enumerate_names
from aejax.data.load import Dataset


def summarize(dataset: Dataset) -> list[str]:
    """Returns lines on a data set: its images, pixels and classes, and which classes are not in every split."""
    sizes = ", ".join(f"{len(split.image)} {name}" for name, split in dataset.splits.items())
    shape = " x ".join(map(str, dataset.train.image.shape[1:]))
    classes = dataset.unlabelled if dataset.num_classes is None else f"{dataset.num_classes} classes: {dataset.classes}"
    lines = [f"{dataset.name}: images of {shape} ({sizes}); {dataset.pixels}; {classes}"]
    lines += [f"{dataset.name}: {note}" for note in dataset.notes]
    for name in ("train", "test"):
        label = dataset.splits[name].label
        if label is not None and len(label) and dataset.num_classes is not None:
            absent = np.setdiff1d(np.arange(dataset.num_classes), label).tolist()
            names = enumerate_names([dataset.classes.name(number) for number in absent])
            if absent:
                lines.append(
                    f"{dataset.name}: no {name} images are of {'class' if len(absent) == 1 else 'classes'} {names}"
                )
    return lines
