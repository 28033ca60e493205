"""The parts of an explanation but for attributions: codes, units, and what the decoder makes of them.

A part is a function of the subject that returns facts for <id>.json and, where pictures are kept, arrays for <id>.npz:

traversals  `traversal_unit` [u], the units that say most of an image; `traversal_score` [u], their KL in nats, or their
            variance; `traversal_value` [u, steps]; `traversal_image` [u, steps, h, w, c]; and `manifold_image` [side ·
            side, h, w, c], a plane through the codes
units       `unit_index`, `unit_purity`, `unit_information` in nats, `unit_variance`, `unit_class` (−1: none), [u] each;
            `unit_image` [u, m, h, w, c], test images it is largest for; `unit_atom` [u, h, w, c], what raising it adds
dictionary  the same of the units of a sparse dictionary, `dictionary_...`, with `dictionary_frequency` for variance
embedding   `embedding_pca` [n, 2], `embedding_label` [n], `embedding_image` [n, h, w, c]
tsne        `embedding_tsne` [n, 2], with the same labels and images
paths       `path_image` [p, steps, h, w, c], `path_probability` [p, steps, classes], `path_class` [p, 2]

Where classes have other names than their numbers in these, the facts `class_names` are those.

Images are uint8; of atoms 128 is no change, and each has its own scale. Activations are of test images; what is fitted
is fitted to training images.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax.errors import DataError
from aejax.evaluation.likelihood import ACTIVE
from aejax.evaluation.probe import linear_probe
from aejax.explain.dictionary import Dictionary, DictionaryConfig, fit_dictionary
from aejax.explain.embeddings import principal_components, tsne
from aejax.explain.paths import class_pairs, class_paths
from aejax.explain.traversals import latent_grid, traverse, unit_values
from aejax.explain.units import Units, decoder_atoms, describe_units
from aejax.trained.explaining.subject import Subject, shown

MAX_TRAVERSED, NUM_STEPS, GRID_SIDE = 24, 11, 14
MAX_UNITS, NUM_TOP = 64, 16
NUM_EMBEDDED = 1000
NUM_PATHS = 8
DICTIONARY = DictionaryConfig()
MOST_PROBED = 10_000  # Examples of a split, by which a dictionary is compared with what it is made of.

Part = tuple[dict[str, Any], dict[str, np.ndarray]]


def traversals(subject: Subject) -> Part:
    """Traverses each unit of the code, and a plane through the codes."""
    facts = {"traversed_by": "variance" if subject.prior is None else "kl"}
    if not subject.pictured:
        return facts, {}
    unit, score = (values[:MAX_TRAVERSED] for values in subject.ranked_units)
    value = unit_values(subject.code["test"], NUM_STEPS)[unit]
    return facts, {
        "traversal_unit": unit,
        "traversal_score": score,
        "traversal_value": value,
        "traversal_image": traverse(subject.decode, subject.base, unit, value),
        "manifold_image": subject.decode(latent_grid(subject.code["test"], GRID_SIDE)),
    }


def units(subject: Subject) -> Part:
    """Describes the units of the code."""
    code = subject.code["test"]
    prior = subject.prior
    description = describe_units(code, subject.label, None if prior is None else ACTIVE * np.asarray(prior.variance()))
    facts = {"numbers": description.numbers() | {"num_units": float(code.shape[1])}, **_named(subject)}
    if not subject.pictured:
        return facts, {}
    chosen = subject.ranked_units[0]
    chosen = chosen[~description.dead[chosen]][:MAX_UNITS]
    arrays = _describe("unit", subject, description, chosen) | {"unit_variance": description.variance[chosen]}
    atoms = decoder_atoms(subject.decode_exactly, subject.base, chosen, np.sqrt(description.variance[chosen]))
    return facts, arrays | {"unit_atom": _centered(atoms)}


def dictionary(subject: Subject) -> Part:
    """Describes the units of a sparse dictionary, beside the features that it is made of."""
    features, seed = subject.features, subject.member.config.seed
    size = features["test"].shape[1]
    # Of few numbers there are few units: an example keeps one in eight of them at most.
    config = dataclasses.replace(DICTIONARY, k=min(DICTIONARY.k, max(1, DICTIONARY.expansion * size // 8)))
    sparse = fit_dictionary(config, features["train"], seed=seed)
    plain = fit_dictionary(dataclasses.replace(config, auxiliary_weight=None), features["train"], seed=seed)
    activation = {name: np.asarray(sparse.encode(values[:MOST_PROBED])) for name, values in features.items()}
    num_test = len(activation["test"])
    description = describe_units(activation["test"], None if subject.label is None else subject.label[:num_test])
    dense = describe_units(features["test"], subject.label)
    frequency = np.asarray(sparse.frequency(features["train"]))
    numbers = {
        "dictionary_num_units": float(sparse.num_units),
        "dictionary_dead": float(np.mean(frequency == 0)),
        "dictionary_dead_without_auxiliary": float(np.mean(np.asarray(plain.frequency(features["train"])) == 0)),
        "dictionary_unexplained": float(sparse.unexplained_variance(features["test"])),
        **_without_counts("dictionary", description),
        **_without_counts("dense", dense),
    }
    if subject.probe is not None:
        for name, representation in (("dense", features), ("dictionary", activation)):
            numbers[f"{name}_probe_accuracy"] = _probe_accuracy(subject, representation)
    facts = {"numbers": numbers, "layer": subject.layer, **_named(subject)}
    if not subject.pictured:
        return facts, {}
    # From the purest to the least, evenly: all of them would be too many to look at.
    order = np.argsort(-np.nan_to_num(description.purity, nan=-1), kind="stable")
    order = order[~description.dead[order]]
    chosen = order[np.unique(np.linspace(0, max(len(order) - 1, 0), MAX_UNITS).astype(int))[: len(order)]]
    arrays = _describe("dictionary", subject, description, chosen) | {"dictionary_frequency": frequency[chosen]}
    if subject.layer is None:
        arrays["dictionary_atom"] = _centered(_vectors_decoded(subject, sparse, chosen, activation["test"]))
    return facts, arrays


def _without_counts(name: str, description: Units) -> dict[str, float]:
    """Returns the means over units, by other names: counts of dead units are another question for dictionaries."""
    numbers = description.numbers().items()
    return {number.replace("unit_", f"{name}_"): value for number, value in numbers if number.startswith("unit_")}


def _vectors_decoded(subject: Subject, sparse: Dictionary, unit: np.ndarray, activation: np.ndarray) -> np.ndarray:
    """The image that a unit's vector adds at the base code, as much of it as the image has that has most."""
    features = subject.features["test"][: len(activation)]
    share = activation * (np.asarray(sparse.distance(features)) / np.sqrt(features.shape[1]))
    codes = subject.base[None] + share.max(axis=0)[unit][:, None] * np.asarray(sparse.vectors)[unit]
    images = subject.decode_exactly(np.concatenate([codes, subject.base[None]]))
    return images[:-1] - images[-1:]


def _probe_accuracy(subject: Subject, features: dict[str, Any]) -> float:
    num_classes = subject.source.dataset.num_classes
    assert num_classes is not None, "there is a probe, so there are classes"
    probe = jax.jit(lambda features, label: linear_probe(features, label, num_classes=num_classes)[0])
    probed = {split: np.asarray(values[:MOST_PROBED]) for split, values in features.items()}
    return float(probe(*subject.labelled(probed))["test_probe_accuracy"])


def _describe(name: str, subject: Subject, description: Units, chosen: np.ndarray) -> dict[str, np.ndarray]:
    return {
        f"{name}_index": chosen,
        f"{name}_image": shown(subject.image[description.top[chosen, :NUM_TOP]]),
        f"{name}_purity": description.purity[chosen],
        f"{name}_class": description.majority[chosen],
        f"{name}_information": description.information[chosen],
    }


def _centered(change: np.ndarray) -> np.ndarray:
    """Returns changes of images as uint8: 128 is none, and each has its own scale."""
    scale = np.abs(change).max(axis=(1, 2, 3), keepdims=True)
    return np.round(128 + 127 * change / np.where(scale > 0, scale, 1)).astype(np.uint8)


def embedding(subject: Subject) -> Part:
    """Returns the codes of some images on a plane, by their principal components."""
    if not subject.pictured:
        return {}, {}
    return _named(subject), {"embedding_pca": principal_components(subject.code["test"][:NUM_EMBEDDED])} | _embedded(
        subject
    )


def neighbor_embedding(subject: Subject) -> Part:
    """Returns the codes of some images on a plane, by t-SNE."""
    if not subject.pictured:
        return {}, {}
    positions = tsne(subject.code["test"][:NUM_EMBEDDED], 0, description=f"t-SNE of {subject.member.id}")
    return _named(subject), {"embedding_tsne": positions} | _embedded(subject)


def _named(subject: Subject) -> dict[str, Any]:
    """Returns the names of the classes whose numbers the arrays hold, where these are others than the numbers."""
    names = list(subject.source.dataset.classes.names)
    return {} if names == [str(number) for number in range(len(names))] else {"class_names": names}


def _embedded(subject: Subject) -> dict[str, np.ndarray]:
    arrays = {"embedding_image": shown(subject.image[:NUM_EMBEDDED])}
    return arrays if subject.label is None else arrays | {"embedding_label": subject.label[:NUM_EMBEDDED]}


def paths(subject: Subject) -> Part:
    """Returns images on the ways between images of two classes, and what the probe takes them for."""
    if not subject.pictured:
        return {}, {}
    if subject.label is None:
        raise DataError(f"{subject.source.dataset.name} has no labels, and ways are from class to class")
    pairs = class_pairs(subject.label, NUM_PATHS, 0)
    probe = subject.probe
    if probe is None:
        raise DataError("there are no validation images, by which the probe that names classes chooses its strength")
    start, end = (jnp.asarray(subject.code["test"][pairs[:, side]]) for side in (0, 1))
    family = subject.member.config.autoencoder
    spherical = family.POSTERIOR and not family.has_own_prior  # N(0, I) has its mass on a sphere.
    ways = class_paths(
        start,
        end,
        NUM_STEPS,
        "spherical" if spherical else "linear",
        decode=subject.decode,
        probabilities=lambda code: jax.nn.softmax(probe.logits(code)),
    )
    return _named(subject), {
        "path_image": ways.image,
        "path_probability": ways.probability,
        "path_class": subject.label[pairs],
    }
