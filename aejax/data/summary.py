"""What a person should know of a data set before anything is trained, in a line or two."""

import numpy as np

from aejax.data.classes import enumerate_names
from aejax.data.load import Dataset


def summarize(dataset: Dataset) -> list[str]:
    """Returns lines on a data set: its images, pixels and classes, images without a label, and absent classes."""
    sizes = ", ".join(f"{len(split.image)} {name}" for name, split in dataset.splits.items())
    shape = dataset.train.image.shape[1:]
    images = f"vectors of {shape[-1]}" if dataset.vectors else f"images of {' x '.join(map(str, shape))}"
    classes = dataset.unlabelled if dataset.num_classes is None else f"{dataset.num_classes} classes: {dataset.classes}"
    lines = [f"{dataset.name}: {images} ({sizes}); {dataset.pixels}; {classes}"]
    lines += [f"{dataset.name}: {note}" for note in dataset.notes]
    if dataset.num_labelled:
        lines.append(f"{dataset.name}: {_without_label(dataset)} have no label; they are trained on, not classified")
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


def _without_label(dataset: Dataset) -> str:
    """Returns how many images of each split have no label, of the splits where some have none, in words."""
    without = {name: len(split.image) - len(split.labelled) for name, split in dataset.splits.items()}
    return ", ".join(
        f"{num} of {len(dataset.splits[name].image)} {name} images" for name, num in without.items() if num
    )
