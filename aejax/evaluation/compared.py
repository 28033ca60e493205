"""How many drawn images are compared with as many real ones, and whether a data set has enough of them."""

from aejax.data.load import Dataset
from aejax.errors import DataError
from aejax.samplers.zoo import CLASSIFIER, GenerationConfig


def num_compared(generation: GenerationConfig, dataset: Dataset) -> dict[str, int]:
    """The number of images that are compared by split ("validation", "test"), without splits that are empty.

    Training images stand beside them as the floor, so no more images are compared than there are of these.
    """
    most = min(generation.num_samples, len(dataset.train.image))
    counts = {name: min(most, len(dataset.splits[name].image)) for name in ("validation", "test")}
    return {name: count for name, count in counts.items() if count}


def check_compared(generation: GenerationConfig, dataset: Dataset) -> None:
    """Checks that images of a data set can be drawn and judged as a config wants it.

    Raises:
      DataError: if there are too few images, or no labels to train the network by whose features they are compared.
    """
    sampler = generation.sampler
    misfit = sampler.misfit(len(dataset.train.image))
    if misfit is not None:
        raise DataError(f"generation.sampler={sampler.kind} does not fit {dataset.name}: {misfit}")
    for name, count in num_compared(generation, dataset).items():
        if count <= generation.num_neighbors:
            raise DataError(
                f"generation.num_neighbors={generation.num_neighbors} needs more images than that, and {count} of the "
                f"{name} images of {dataset.name} are compared; make it smaller, or generation.num_samples or the "
                "splits larger"
            )
    if generation.features == CLASSIFIER and dataset.num_classes is None:
        raise DataError(
            f"{dataset.name} {dataset.unlabelled}, and generation.features=classifier is a network that labels train; "
            "name features of your own: --set generation.features=file.py:function --features=file.py:function"
        )
