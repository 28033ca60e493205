"""Sparse codes: how many units are active and for which classes, and what a classifier loses by reconstructions."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from aejax import rng
from aejax.data.preprocessing import to_unit
from aejax.data.resident import ResidentData, map_examples
from aejax.data.streamed import indexable
from aejax.evaluation.blocks import Blocks, weighted_sums
from aejax.evaluation.probe import class_logits, fit_logistic

Function = Callable[[jax.Array], jax.Array]
Reconstruct = Callable[[jax.Array, jax.Array], jax.Array]


def sparsity_metrics(
    encode: Function, reconstruct: Reconstruct | None, data: ResidentData, at_once: int
) -> dict[str, jax.Array]:
    """Returns how sparse the code of validation and test images is, as scalars (`test_l0`).

      l0                    units that are not 0, mean over the images
      dead_share            share of the units that are 0 for every image of the split
      unexplained_variance  E‖x − x̂‖² / E‖x − E x‖² of the split's images as they are stored, if there are x̂
      active_purity         share of the most frequent class among the labelled images for which a unit is not 0, mean
                            over the units that have some; NaN if none has
      chance_purity         the same with the labels of the split dealt out anew: what as many images, drawn at random,
                            would give each unit

    The last two are there if the data have labels. A unit that is active for one image has a purity of 1, and by chance
    too: what counts is the difference.

    Args:
      encode: stored images -> the code, [block, units].
      reconstruct: stored images and labels (-1 where there is none) -> their reconstructions, or None.
      data: with the images.
      at_once: the most images in a block.
    """
    metrics: dict[str, jax.Array] = {}
    for split in ("validation", "test"):
        if data.size(split):
            of_split = _of_split(encode, reconstruct, data, split, at_once)
            metrics |= {f"{split}_{name}": value for name, value in of_split.items()}
    return metrics


def _of_split(
    encode: Function, reconstruct: Reconstruct | None, data: ResidentData, split: str, at_once: int
) -> dict[str, jax.Array]:
    stored, num = data.image[split], data.size(split)
    label = jnp.asarray(data.label[split]) if data.label else jnp.full(num, -1)
    labels = {"active_purity": label, "chance_purity": _dealt_anew(label, data.labelled.get(split))}
    blocks = Blocks(lambda block: encode(stored[blocks.index(block)]), label, most=at_once)
    num_classes, first = data.num_classes or 1, to_unit(stored[:1])

    def add(sums: Any, block: jax.Array) -> tuple[Any, dict[str, jax.Array]]:
        active = (blocks.features(block) != 0).astype(jnp.float32)
        counted, index = active * blocks.counts(block)[:, None], blocks.index(block)
        by_class = {
            name: sums["by_class"][name] + weighted_sums(jax.nn.one_hot(one[index], num_classes), counted)
            for name, one in labels.items()
        }
        new = {"active": sums["active"] + jnp.sum(counted, axis=0), "by_class": by_class, "image": sums["image"]}
        rows = {"l0": jnp.sum(active, axis=1)}
        if reconstruct is not None:
            image = to_unit(stored[index])
            off = image - first  # From an image on, so that little cancels.
            new["image"] += jnp.sum(off * blocks.counts(block)[:, None, None, None], axis=0)
            rows |= {"square": _square(off), "error": _square(image - reconstruct(stored[index], label[index]))}
        return new, rows

    size = jax.eval_shape(blocks.features, jax.ShapeDtypeStruct((), jnp.int32)).shape[1]
    start = {
        "active": jnp.zeros(size),
        "by_class": {name: jnp.zeros((num_classes, size)) for name in labels},
        "image": jnp.zeros(first.shape[1:]),
    }
    sums, rows = blocks.scan(add, start)
    metrics = {"l0": jnp.mean(rows["l0"]), "dead_share": jnp.mean(sums["active"] == 0)}
    if reconstruct is not None:
        variance = jnp.mean(rows["square"]) - jnp.sum(jnp.square(sums["image"] / num))
        metrics["unexplained_variance"] = jnp.mean(rows["error"]) / variance
    if data.label:
        metrics |= {name: purity(counts) for name, counts in sums["by_class"].items()}
    return metrics


def purity(counts: jax.Array) -> jax.Array:
    """Returns the share of the most frequent class of each unit, mean over the units that have any image; a scalar.

    Args:
      counts: images of each class for which each unit is active, [classes, units].
    """
    total = jnp.sum(counts, axis=0)
    share = jnp.max(counts, axis=0) / jnp.maximum(total, 1)
    return jnp.sum(jnp.where(total > 0, share, 0)) / jnp.sum(total > 0)


def _dealt_anew(label: jax.Array, labelled: Any) -> jax.Array:
    """Returns the labels in an order drawn once for all, without those that are none."""
    key = rng.stream(rng.root(0), "purity")
    if labelled is None:
        return jax.random.permutation(key, label)
    return label.at[labelled].set(jax.random.permutation(key, label[jnp.asarray(labelled)]))


def _square(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.square(x), axis=tuple(range(1, x.ndim)))


def loss_recovered_metrics(
    reconstruct: Reconstruct, data: ResidentData, at_once: int, strengths: Sequence[float], *, zero: bool = False
) -> dict[str, jax.Array]:
    """Returns how much of a classifier's loss is kept where reconstructions stand for its inputs, as scalars.

    (L_ablated − L_reconstructed) / (L_ablated − L_original) of validation and test images (`test_loss_recovered`): 1 if
    nothing is lost, 0 if a reconstruction is worth no more than an input that is the same for all, below 0 if less.
    NaN where the classifier is no better on originals than on that input.

    L is the cross-entropy of the labels by multinomial logistic regression on the images as they are stored, [size],
    fitted once to those of the training split; its strength has the least cross-entropy on the validation split. The
    three L (`loss_original`, `loss_reconstructed`, `loss_ablated`, in nats) are returned too.

    Args:
      reconstruct: stored images and labels -> their reconstructions.
      data: images that all have labels.
      at_once: the most images in a block.
      strengths: of the L2 penalty, to choose from.
      zero: whether the ablated input is 0; otherwise it is the mean of the training images.

    Source: Bricken et al., "Towards monosemanticity", 2023, and Rajamanoharan et al., "Improving dictionary learning
    with gated sparse autoencoders", 2024, for language models, whose ablated activations are 0.
    """
    assert data.num_classes is not None, "a classifier is of labels"
    label = {split: jnp.asarray(values) for split, values in data.label.items()}

    def inputs(split: str, function: Reconstruct) -> jax.Array:
        stored = indexable(data.image[split])

        def block(index: jax.Array) -> jax.Array:
            return function(stored[index], label[split][index]).reshape(len(index), -1)

        return map_examples(block, len(stored), at_once)

    def original_of(stored: jax.Array, label: jax.Array) -> jax.Array:
        del label
        return to_unit(stored)

    train = inputs("train", original_of)
    fit = fit_logistic(
        train,
        label["train"],
        num_classes=data.num_classes,
        strengths=jnp.asarray(sorted(strengths, reverse=True), jnp.float32),
    )

    def losses(features: jax.Array, label: jax.Array) -> jax.Array:
        log_probability = jax.nn.log_softmax(class_logits(fit, features), axis=2)
        log_probability = jnp.broadcast_to(log_probability, (len(label), *log_probability.shape[1:]))
        return -jnp.mean(jnp.take_along_axis(log_probability, label[:, None, None], axis=2)[..., 0], axis=0)

    original = {split: inputs(split, original_of) for split in ("validation", "test") if data.size(split)}
    best = jnp.argmin(losses(original["validation"], label["validation"]))
    nothing = jnp.zeros_like(train[:1]) if zero else jnp.mean(train, axis=0, keepdims=True)
    metrics: dict[str, jax.Array] = {}
    for split, features in original.items():
        compared = {"original": features, "reconstructed": inputs(split, reconstruct), "ablated": nothing}
        loss = {name: losses(x, label[split])[best] for name, x in compared.items()}
        metrics |= {f"{split}_loss_{name}": value for name, value in loss.items()}
        gap = loss["ablated"] - loss["original"]
        metrics[f"{split}_loss_recovered"] = jnp.where(
            gap > 0, (loss["ablated"] - loss["reconstructed"]) / gap, jnp.nan
        )
    return metrics
