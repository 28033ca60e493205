"""Fine-tuning: how a classifier on a trained encoder, and one from scratch beside it, are trained by labels."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from aejax.autoencoders.zoo import unknown_layers
from aejax.config import NonNegativeInt, PositiveFloat, PositiveInt, Share, traced
from aejax.data.augmentation import Augmentation
from aejax.data.load import Dataset
from aejax.data.subsets import too_few_labels
from aejax.data.vectors import images_only
from aejax.networks.named import lies_in

# The learning rate of each layer relative to the optimizer's, by the layer's name; None: it is not trained. A parameter
# takes the first that it lies in.
Rates = tuple[tuple[str, jax.typing.ArrayLike | None], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class FineTuningConfig:
    """How much of an encoder labels train further, by how many labels, and for how long."""

    epochs: NonNegativeInt = 0  # Of the method "fine_tuned", after the autoencoder is trained. 0: there is none.
    # Which layers are trained beside the classifier, by their names. null: all; []: none, the encoder is frozen.
    layers: tuple[str, ...] | None = None
    layer_decay: Share = traced(1.0)  # The factor of the learning rate from each layer to the one before it.
    learning_rate: PositiveFloat | None = traced(None)  # Of the classifier and the last layer; null: the optimizer's.
    # What the classifier begins with: "random" weights, or those of the "probe", a logistic regression of the labels
    # that it is given (Kumar et al., "Fine-tuning can distort pretrained features", 2022, LP-FT).
    head: Literal["random", "probe"] = "random"
    # How many training images of each class have labels; as many more of each are for choices, such as when to stop.
    # Also of "supervised". null: all of them.
    labels_per_class: PositiveInt | None = None
    # Of labelled images, when they are trained on; also of "supervised". null: training.augmentation.
    augmentation: Augmentation | None = None
    # Labelled images are mixed in pairs, and so are their labels, by a share that each batch draws of Beta(m, m), where
    # m is this number (Zhang et al., "mixup: beyond empirical risk minimization", 2018); also of "supervised" and
    # "semi_supervised". null: they are not.
    mixup: PositiveFloat | None = traced(None)
    scratch_epochs: PositiveInt | None = None  # Of the method "supervised", from scratch; null: training.epochs.
    scratch_learning_rate: PositiveFloat | None = traced(None)  # Likewise; null: the optimizer's.

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this fine-tuning."""
        if not self.epochs and self != dataclasses.replace(
            FineTuningConfig(),
            labels_per_class=self.labels_per_class,
            augmentation=self.augmentation,
            mixup=self.mixup,
            scratch_epochs=self.scratch_epochs,
            scratch_learning_rate=self.scratch_learning_rate,
        ):
            yield (
                "fine_tuning.epochs is 0, so nothing is fine-tuned, and fine_tuning.layers, layer_decay, learning_rate "
                "and head say how; set fine_tuning.epochs or leave them out"
            )
        if self.epochs and config.autoencoder.classifies and (self.head == "probe" or self.layers == ()):
            yield (
                "fine_tuning.head=probe and fine_tuning.layers=[] are about a layer of the classifier's own, and "
                f"autoencoder={config.autoencoder.kind} needs none; use head=random, and layers that it has or null"
            )
        if self.head == "probe" and config.data.validation_size == 0 and self.labels_per_class is None:
            yield (
                "fine_tuning.head=probe chooses its strength on validation images, and data.validation_size is 0; keep "
                "some"
            )

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields layers that there are not, changes that images cannot have, and whether a class has too few labels."""
        del others
        image_shape = dataset.train.image.shape[1:]
        if self.layers:
            yield from unknown_layers(config.autoencoder, self.layers, image_shape)
        if self.augmentation is not None:
            if self.augmentation.is_on():
                yield from images_only("fine_tuning.augmentation", dataset)
            yield from self.augmentation.misfits("fine_tuning.augmentation", image_shape)
        if self.labels_per_class is not None:
            yield from too_few_labels("fine_tuning", self.labels_per_class, "data", dataset)


def make_rates(blocks: Sequence[str], layers: Sequence[str] | None, decay: jax.typing.ArrayLike) -> Rates:
    """Returns the rates of the layers that stand one after another, from the image on: decay^distance from the last.

    Args:
      blocks: the layers, as `networks.named.blocks` gives them.
      layers: those that are trained, each a block, a part of one, or what holds several; None: all.
      decay: in (0, 1].
    """
    rates: list[tuple[str, Any]] = []
    for distance, block in enumerate(reversed(blocks)):
        rate = jnp.asarray(decay) ** distance
        if layers is None or any(lies_in(block, layer) for layer in layers):
            rates.append((block, rate))
        else:
            rates += [(layer, rate) for layer in layers if lies_in(layer, block)] + [(block, None)]
    return tuple(rates)


def hold(rates: Rates, params: Any) -> Any:
    """Returns the parameters; no gradient passes to those that are not trained."""
    return _map_rates(rates, params, lambda leaf, rate: jax.lax.stop_gradient(leaf) if rate is None else leaf)


def only_trained(rates: Rates, optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Returns the optimizer for the parameters that are trained: of the others it keeps no moments."""
    if all(rate is not None for _, rate in rates):
        return optimizer
    trained = functools.partial(_map_rates, rates, function=lambda _, rate: rate is not None)
    return optax.masked(optimizer, trained)


def scale_updates(rates: Rates, updates: Any) -> Any:
    """Returns the updates of the parameters at the rates of their layers; zero where a layer is not trained."""
    return _map_rates(rates, updates, lambda leaf, rate: jnp.zeros_like(leaf) if rate is None else leaf * rate)


def _map_rates(rates: Rates, tree: Any, function: Callable[[Any, Any], Any]) -> Any:
    if not rates:
        return tree

    def change(keys: Any, leaf: Any) -> Any:
        path = "/".join(key.key for key in keys)
        return function(leaf, next((rate for layer, rate in rates if lies_in(path, layer)), 1.0))

    return jax.tree_util.tree_map_with_path(change, tree)
