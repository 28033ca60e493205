"""Attributions of a member, each with the checks that say how far to trust it.

`attribution_image` [n, h, w, c], uint8, are test images; `attribution_map` [rows, n, h, w], float16 and signed, each to
its own scale, what is attributed to their pixels, for the rows of "attribution" among the facts.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from aejax.data import preprocessing
from aejax.data.resident import ResidentData
from aejax.errors import UserError
from aejax.evaluation.image_metrics import mean_squared_error
from aejax.evaluation.probe import Probe
from aejax.explain import attribution, checks
from aejax.trained.explaining.parts import Part
from aejax.trained.explaining.subject import Subject, shown
from aejax.training.fit import fit

NUM_CHECKED = 32  # Images, over which attributions are checked.
NUM_SHOWN = 8
NUM_RANDOM = 4  # Networks that learned nothing, which attributions are compared with.
OWN_STEPS, RANDOM_STEPS = 1024, 128  # Of integrated gradients: those of random networks only have to be ranked.
METHODS = ("integrated_gradients", "smooth_grad", "occlusion", "edges")
FIRST_SEED = 1_000_000  # Of these networks: none of those that anyone trains.


class Network(NamedTuple):
    """What a number of an image is computed with: arguments of compiled functions, not constants in them.

    So one compilation, kept in the cache on disk, serves all members that differ in what they learned only.
    """

    variables: Any
    probe: Probe | None


class Target(NamedTuple):
    """What is attributed to pixels: in words, a function of a network, images and questions, and what is asked."""

    words: str
    function: Callable[[Network, jax.Array, jax.Array], jax.Array]
    question: jax.Array  # Int32 [n], about each image.


def attributions(subject: Subject) -> Part:
    """Returns which pixels a unit, the probe's decision and the reconstruction error come from, with checks.

    `edges`, which knows no network, is beside the methods to show that the checks find it out.
    """
    stored = subject.image[:NUM_CHECKED]
    if len(stored) < 2:
        raise UserError("attributions are checked over images, and there is a single test image")
    # The probe stays: one that is fitted to a random network has learned the task, and no random network.
    own = Network(subject.member.variables, subject.probe)
    random = [own._replace(variables=variables) for variables in _draw_variables(subject)]
    rows, maps, words = [], [], {}
    for name, target in _targets(subject, stored).items():
        words[name] = target.words
        for method, (judged, values) in _attribute(target, stored, own, random).items():
            rows.append({"target": name, "method": method} | judged)
            scale = np.abs(values[:NUM_SHOWN]).max(axis=(1, 2), keepdims=True)
            maps.append((values[:NUM_SHOWN] / np.where(scale > 0, scale, 1)).astype(np.float16))
    facts = {"targets": words, "attribution": rows, "num_attributed": len(stored)}
    if not subject.pictured:
        return facts, {}
    return facts, {"attribution_image": shown(stored[:NUM_SHOWN]), "attribution_map": np.stack(maps)}


def _targets(subject: Subject, stored: np.ndarray) -> dict[str, Target]:
    member, probe = subject.member, subject.probe
    nothing = jnp.zeros(len(stored), jnp.int32)

    def code(network: Network, image: jax.Array) -> jax.Array:
        network_input = preprocessing.apply(member.preprocessing, image)
        return member.model.apply(network.variables, network_input, method="encode").astype(jnp.float32)

    def unit(network: Network, image: jax.Array, question: jax.Array) -> jax.Array:
        return jnp.take_along_axis(code(network, image), question[:, None], axis=1)[:, 0]

    def error(network: Network, image: jax.Array, question: jax.Array) -> jax.Array:
        del question
        reconstruct = member.represent(network.variables).reconstruct
        assert reconstruct is not None, "an autoencoder reconstructs"
        return mean_squared_error(image, reconstruct(image, None))

    first = int(subject.ranked_units[0][0])
    targets = {"unit": Target(f"unit {first}, the first of those that are traversed", unit, nothing + first)}
    if probe is not None:

        def decision(network: Network, image: jax.Array, question: jax.Array) -> jax.Array:
            assert network.probe is not None, "it decides"
            logits = network.probe.logits(code(network, image))
            own = jnp.take_along_axis(logits, question[:, None], axis=1)[:, 0]
            return own - jnp.mean(logits, axis=1)

        decided = jnp.argmax(probe.logits(jnp.asarray(subject.code["test"][: len(stored)])), axis=1)
        words = "the probe's decision: the logit of the class that it chooses, less the mean of all"
        targets["probe"] = Target(words, decision, decided.astype(jnp.int32))
    targets["error"] = Target("the reconstruction error", error, nothing)
    return targets


def _attribute(
    target: Target, stored: np.ndarray, own: Network, random: list[Network]
) -> dict[str, tuple[dict[str, Any], np.ndarray]]:
    """The checks of each attribution method, and the map of each image, [n, height, width]."""
    image = preprocessing.to_unit(stored)
    baseline = jnp.zeros(image.shape[1:])
    where = checks.foreground(np.asarray(image), np.asarray(baseline))

    def maps(network: Network, image: jax.Array, question: jax.Array, steps: int) -> dict[str, jax.Array]:
        given = (functools.partial(target.function, network), image, question, baseline)
        made = (
            attribution.integrated_gradients(*given, steps=steps),
            attribution.smooth_grad(*given),
            attribution.occlusion(*given),
            attribution.edges(image),
        )
        return dict(zip(METHODS, made, strict=True))

    @jax.jit
    def explain(network: Network, image: jax.Array, question: jax.Array) -> Any:
        given = (functools.partial(target.function, network), image, question, baseline)
        by_method = maps(network, image, question, OWN_STEPS)
        areas = {method: checks.areas(*given, order) for method, order in by_method.items()}
        blank = jnp.broadcast_to(baseline[None], image.shape)
        change = target.function(network, image, question) - target.function(network, blank, question)
        return by_method, areas, checks.random_areas(*given), change

    by_method, areas, chance, change = jax.tree.map(np.asarray, explain(own, image, target.question))
    explain_random = jax.jit(functools.partial(maps, steps=RANDOM_STEPS))
    others = [explain_random(network, image, target.question) for network in random]
    judged = {}
    for method in METHODS:
        values = by_method[method]
        of_random = np.stack([np.asarray(other[method]) for other in others])
        adds_up = change if method == "integrated_gradients" else None
        checked = checks.judge(values, of_random, where, own=areas[method], chance=chance, change=adds_up)
        judged[method] = checked, values
    return judged


def _draw_variables(subject: Subject) -> list[Any]:
    """Returns the variables of networks that learned nothing."""
    member = subject.member

    @jax.jit
    def draw(seed: Any, data: ResidentData) -> Any:
        return fit(member.make_task(dataclasses.replace(member.config, seed=seed)), data, num_epochs=0).variables

    return [draw(jnp.asarray(FIRST_SEED + index), subject.source.data) for index in range(NUM_RANDOM)]
