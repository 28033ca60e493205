"""Explanations as a study's directory would hold them: plausible numbers, and pictures made from given images."""

import hashlib
import json

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from aejax.store.explanations import Explanation, Similarity

TARGETS = {"unit": "unit 17", "probe": "the probe's logit of its class", "error": "the reconstruction error"}
METHODS = ("integrated_gradients", "smooth_grad", "occlusion", "edges")
SIZES = {
    "units": 24,
    "steps": 11,
    "side": 12,
    "cards": 64,
    "images": 16,
    "points": 1000,
    "attributed": 8,
    "paths": 6,
}


def numbers(setting, seed):
    shift = 0.01 * seed + 0.02 * len(setting)
    return {
        "dead_units": float(seed),
        "duplicate_units": 3.0,
        "unit_purity": 0.5 + shift,
        "unit_information": 0.4 + shift,
        "dictionary_num_units": 1024,
        "dictionary_dead": 0.005,
        "dictionary_dead_without_auxiliary": 0.4 + shift,
        "dictionary_unexplained": 0.08,
        "dictionary_purity": 0.8 + shift,
        "dictionary_probe_accuracy": 0.95 - shift / 10,
        "dictionary_information": 0.1,
        "dense_purity": 0.5 + shift,
        "dense_information": 0.3,
        "dense_probe_accuracy": 0.94,
    }


def attribution_rows():
    rows = []
    for target in TARGETS:
        for method in METHODS:
            meaningless = method == "edges"
            row = {"target": target, "method": method}
            row["completeness"] = 0.003 if method == "integrated_gradients" else None
            row |= {"randomized_signed": 1.0 if meaningless else 0.05, "randomized_absolute": 0.98}
            row |= {"deletion": 0.3, "random_deletion": 0.5, "insertion": 0.7, "random_insertion": 0.5}
            checks = ["randomization", "deletion", "insertion"]
            row["passed"] = [] if meaningless else checks
            if method == "integrated_gradients":
                row["passed"] = ["completeness", *checks]
            row["failed"] = checks if meaningless else []
            rows.append(row)
    rows[-1]["randomized_signed"] = None  # Of maps that are constant: what is NaN fails.
    return rows


def facts(setting, seed):
    return {
        "id": hashlib.sha256(f"{setting}{seed}".encode()).hexdigest()[:12],
        "title": f"{setting}, seed {seed}",
        "setting": setting,
        "seed": seed,
        "numbers": numbers(setting, seed),
        "traversed_by": "kl" if "vae" in setting else "variance",
        "targets": TARGETS,
        "attribution": attribution_rows(),
        "layer": None,
    }


def arrays(images, labels, seed, **sizes):
    """The pictures of a member, whose images are drawn from images [n, height, width, channels], uint8."""
    size = SIZES | sizes
    generator = np.random.default_rng(seed)

    def draw(*shape):
        return images[generator.integers(len(images), size=shape)]

    def fade(*shape):
        """Pictures that change from one image to another along their last axis."""
        start, end = (draw(*shape[:-1])[:, None] for _ in range(2))
        along = np.linspace(0, 1, shape[-1])[None, :, None, None, None]
        return np.round(start * (1 - along) + end * along).astype(np.uint8)

    shown = generator.permutation(len(images))[: size["points"]]
    points = np.random.default_rng(0).permutation(len(images))[: size["points"]]  # The same for all members.
    angle = 2 * np.pi * labels[points] / 10
    places = np.stack([np.cos(angle), np.sin(angle)], axis=1) + generator.normal(0, 0.25, (len(points), 2))
    cards, classes = size["cards"], generator.integers(10, size=size["cards"])
    share = np.sort(generator.uniform(0.2, 1, cards))[::-1]
    found = {
        "traversal_unit": generator.permutation(size["units"]),
        "traversal_score": np.sort(generator.exponential(1, size["units"])).astype(np.float32),
        "traversal_value": np.tile(np.linspace(-3, 3, size["steps"], dtype=np.float32), (size["units"], 1)),
        "traversal_image": fade(size["units"], size["steps"]),
        "manifold_image": draw(size["side"] ** 2),
        "embedding_pca": places.astype(np.float32),
        "embedding_tsne": (places[:, ::-1] * [30, 40]).astype(np.float32),
        "embedding_label": labels[points],
        "embedding_image": images[points],
        "attribution_image": images[shown[: size["attributed"]]],
        "path_image": fade(size["paths"], size["steps"]),
        "path_class": np.stack([np.arange(size["paths"]), np.arange(size["paths"]) + 1], axis=1),
    }
    num_maps = len(TARGETS) * len(METHODS)
    weight = found["attribution_image"][..., 0] / 255.0
    found["attribution_map"] = (generator.normal(0, 1, (num_maps, *weight.shape)) * weight).astype(np.float16)
    probability = np.full((size["paths"], size["steps"], 10), 0.01)
    along = np.linspace(0, 0.9, size["steps"])
    for path, (start, end) in enumerate(found["path_class"]):
        probability[path, :, start] += along[::-1]
        probability[path, :, end] += along
    found["path_probability"] = probability.astype(np.float32)
    for group in ("unit", "dictionary"):
        found[f"{group}_index"] = np.arange(cards)
        found[f"{group}_image"] = draw(cards, size["images"])
        found[f"{group}_purity"] = share.astype(np.float32)
        found[f"{group}_information"] = generator.uniform(0, 1, cards).astype(np.float32)
        found[f"{group}_class"] = classes
        # What a unit adds, about gray.
        found[f"{group}_atom"] = (128 + (draw(cards) / 4 - draw(cards) / 4)).astype(np.uint8)
    found["unit_variance"] = generator.exponential(1, cards).astype(np.float32)
    found["dictionary_frequency"] = generator.uniform(0, 0.1, cards).astype(np.float32)
    return found


def make_explanations(images, labels, members, **sizes):
    """Returns explanations of members (setting, seed), with the pictures of every seed 0."""
    return tuple(
        Explanation(facts(setting, seed), {} if seed else arrays(images, labels, index, **sizes))
        for index, (setting, seed) in enumerate(members)
    )


def make_similarity(names):
    shares = np.linspace(1, 0.2, len(names))
    matrix = shares[np.abs(np.arange(len(names))[:, None] - np.arange(len(names)))]
    return Similarity(tuple(names), matrix, 2000)


def write_explanations(study, explanations, similarity):
    """Writes them as they lie in a study's directory."""
    directory = study / "explanations"
    directory.mkdir()
    for one in explanations:
        (directory / f"{one.id}.json").write_text(json.dumps(one.facts))
        if one.arrays:
            np.savez(directory / f"{one.id}.npz", **one.arrays)
    told = {"names": similarity.names, "matrix": similarity.matrix.tolist(), "num_images": similarity.num_images}
    (directory / "similarity.json").write_text(json.dumps(told))


def digits(size=8):
    """Returns scikit-learn's digits as images [n, size, size, 1], uint8, and their labels."""
    found = load_digits()
    images = np.round(found.images * (255 / 16)).astype(np.uint8)
    resized = [np.asarray(Image.fromarray(image).resize((size, size))) for image in images]
    return np.stack(resized)[..., None], found.target
