"""Autoencoders of patches: every family trains as one, and features of images are what a slow loop computes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.denoising import DenoisingConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.autoencoders.zoo import FAMILIES, make_autoencoder
from aejax.config import override
from aejax.errors import ConfigError, DataError
from aejax.evaluation.weights import weight_images
from aejax.experiment import Config, check, check_data
from aejax.methods.base import find_method
from aejax.networks import patches
from aejax.networks.dense import Dense
from aejax.networks.patches import PatchesConfig
from aejax.networks.whitening import Whitening, fit_whitening
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.training.fit import fit
from aejax.training.loop import train
from aejax.training.population import Members
from aejax.training.step import TrainingConfig, first_variables
from tests.autoencoders.families import apply
from tests.autoencoders.test_sweeps import SWEPT
from tests.methods import make_task

PIXELS = HalfSquaredError(output="identity")
LINEAR = PlainConfig(encoder=Dense(widths=()), latent_size=4, likelihood=PIXELS)
SMALL = PatchesConfig(size=3, fitted_to=1000)
SHAPE = (7, 9, 2)
IMAGE = np.random.default_rng(0).uniform(size=(2, *SHAPE)).astype(np.float32)


def whitened(config, image_shape):
    """Returns a model of patches and its variables, drawn but for a whitening that is not the identity."""
    model = make_autoencoder(config, image_shape)
    init = jax.jit(lambda key, image: model.init(key, image, method="reconstruct"))
    variables = init(jax.random.key(0), jnp.zeros((1, *image_shape)))
    rows = np.random.default_rng(1).normal(size=(300, np.prod(model.patch_shape))) * 0.7 + 0.1
    whitening = jax.jit(fit_whitening)(jnp.asarray(rows, jnp.float32), 0.1)._asdict()
    return model, {**variables, "patches": {"whitening": whitening}}


def slow_features(image, config, variables):
    """The features of one image, [D], one place after another."""
    own, kernel, bias = (
        config.patches,
        *(np.asarray(variables["params"]["latent"][name]) for name in ("kernel", "bias")),
    )
    whitening = {name: np.asarray(part) for name, part in variables["patches"]["whitening"].items()}
    places = [range(0, length - own.size + 1, own.stride) for length in image.shape[:2]]
    response = np.zeros((len(places[0]), len(places[1]), kernel.shape[1]))
    for row, top in enumerate(places[0]):
        for column, left in enumerate(places[1]):
            patch = image[top : top + own.size, left : left + own.size].reshape(-1).astype(np.float64)
            if own.contrast is not None:
                patch = (patch - patch.mean()) / np.sqrt(patch.var() + own.contrast)
            if own.whitening is not None:
                patch = (patch - whitening["mean"]) @ whitening["forward"]
            response[row, column] = patch @ kernel + bias
    pool, features = {"sum": np.sum, "mean": np.mean, "max": np.max}[own.pool], []
    for top, bottom in patches.spans(response.shape[0], own):
        for left, right in patches.spans(response.shape[1], own):
            for sign in (1, -1) if own.two_sided else (1,):
                cell = np.maximum(sign * response[top:bottom, left:right] - own.threshold, 0)
                features.append(pool(cell, axis=(0, 1)))
    return np.concatenate(features)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pool": "mean", "stride": 2, "grid": 1, "threshold": 0.0},
        {"pool": "max", "two_sided": False, "window": 3},
        {"whitening": None, "window": 2, "window_stride": 3},
        {"contrast": None, "grid": 3},
    ],
)
def test_features_of_an_image_are_those_of_its_places(fields):
    config = dataclasses.replace(LINEAR, patches=PatchesConfig(size=3, **fields))
    model, variables = whitened(config, SHAPE)
    found = jax.jit(lambda image: model.apply(variables, image, method="features"))(IMAGE)
    expected = np.stack([slow_features(image, config, variables) for image in IMAGE])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(apply(model, variables, IMAGE, method="encode").shape, found.shape)


@pytest.mark.parametrize("size", [3, 4])
def test_an_autoencoder_that_loses_nothing_of_a_patch_loses_nothing_of_an_image(size):
    """Also where patches overlap at the image's edges: 7 and 9 are no multiples of 4."""
    num = size * size * 2
    config = dataclasses.replace(LINEAR, latent_size=num, patches=PatchesConfig(size=size))
    model, variables = whitened(config, SHAPE)
    params = jax.tree.map(jnp.zeros_like, variables["params"])
    rotation = jnp.linalg.qr(jax.random.normal(jax.random.key(0), (num, num)))[0]
    params["latent"]["kernel"], params["decoder"]["Dense_0"]["kernel"] = rotation, rotation.T
    found = apply(model, {**variables, "params": params}, IMAGE, method="reconstruct")
    np.testing.assert_allclose(found, IMAGE, atol=1e-4)


def test_pictures_of_weights_are_of_pixels():
    model, variables = whitened(dataclasses.replace(LINEAR, patches=PatchesConfig(size=3, contrast=None)), SHAPE)
    images = weight_images(variables, model.patch_shape)
    patch = np.random.default_rng(2).normal(size=(2, *model.patch_shape)).astype(np.float32)
    difference = (patch[0] - patch[1]).reshape(-1)

    def respond(model, patch):
        return model.autoencoder.response(model.normalize(patch))

    response = apply(model, variables, patch, method=respond)
    np.testing.assert_allclose(images["encoder"].reshape(4, -1) @ difference, response[0] - response[1], atol=1e-3)

    def draw(model, latent):
        rows = model.autoencoder.decode(latent).reshape(len(latent), -1)
        return Whitening(**model.whitening.value).invert(rows)

    drawn = apply(model, variables, np.eye(5, 4, dtype=np.float32), method=draw)
    np.testing.assert_allclose(images["decoder"].reshape(4, -1), drawn[:4] - drawn[4:], atol=1e-3)
    # The same autoencoder in a classifier.
    inside = {name: {"autoencoder": part} for name, part in variables.items()}
    jax.tree.map(np.testing.assert_array_equal, images, weight_images(inside, model.patch_shape))


OTHERS = ("untrained", "k_means")  # They are whitened as an autoencoder is; a classifier has one inside.


@pytest.mark.parametrize(
    "method", ["autoencoder", "supervised", *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)]
)
def test_training_whitens_patches_of_training_images(method, data):
    config = Config(autoencoder=dataclasses.replace(LINEAR, patches=SMALL))
    task = make_task(method, (8, 8, 1), 4)(config)
    found = jax.jit(lambda data: first_variables(task, data)[0]["patches"])(data)
    found = found.get("autoencoder", found)["whitening"]
    image = np.asarray(data.image["train"], np.float64) / 255
    rows = np.lib.stride_tricks.sliding_window_view(image[..., 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    rows = (rows - rows.mean(axis=1, keepdims=True)) / np.sqrt(rows.var(axis=1, keepdims=True) + 1.5e-4)
    white = (rows - np.asarray(found["mean"])) @ np.asarray(found["forward"])
    variance, axes = np.linalg.eigh(np.cov(rows.T, bias=True))
    along = np.diag(axes.T @ np.cov(white.T, bias=True) @ axes)
    np.testing.assert_allclose(along, variance / (variance + 0.1), rtol=0.2, atol=0.05)  # A sample of the patches.


# One whose codebook begins as patches; the population below is of the plain family.
UNMARKED = ("vq_vae",)
SIZES = {"encoder.widths": [6], "latent_size": 4}
SQUARES = {"masked": {"encoder.patch_size": 1}, "simmim": {"patch_size": 1}}  # Of a patch, which is 3 pixels wide.


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind in UNMARKED else pytest.mark.slow)
        for kind in FAMILIES
        if not FAMILIES.config(kind).PRETRAINED
    ],
)
def test_every_family_learns_from_patches(kind, data):
    field, values, others = SWEPT[kind]
    own = others | SQUARES[kind] if kind in SQUARES else SIZES | others
    sizes = {f"autoencoder.{name}": value for name, value in own.items()}
    config = override(Config(), {"autoencoder": kind} | sizes | {field: values[1]})
    family = dataclasses.replace(config.autoencoder, patches=SMALL)
    if hasattr(family.likelihood, "output"):
        family = dataclasses.replace(family, likelihood=dataclasses.replace(family.likelihood, output="identity"))
    config = Config(autoencoder=family, training=TrainingConfig(epochs=1, batch_size=80))
    check(config)
    task = make_task("autoencoder", (8, 8, 1), None)(config)
    fitted = fit(task, data)
    assert all(np.isfinite(curve).all() for curve in fitted.curves.values())
    assert {f"train_{name}" for name in family.term_names()} <= set(fitted.curves)
    features = fitted.apply("features", data.batch("test", jnp.arange(5)).image)
    assert features.shape[0] == 5
    assert features.shape[1] % 8 == 0  # Four cells, two signs.
    assert np.isfinite(features).all()
    assert features.std() > 0
    image = fitted.apply("reconstruct", data.batch("test", jnp.arange(5)).image)
    assert image.shape == (5, 8, 8, 1)
    assert np.isfinite(image).all()


def test_members_that_differ_in_strengths_are_one_population_and_each_what_it_is_alone(data, compile_events):
    base = Config(
        autoencoder=dataclasses.replace(LINEAR, patches=SMALL), training=TrainingConfig(epochs=2, batch_size=80)
    )
    names = [f"autoencoder.patches.{name}" for name in ("threshold", "contrast", "whitening")]
    values = [(0.25, 1.5e-4, 0.1), (0.0, 1.5e-4, 0.1), (0.25, 0.1, 0.1), (0.25, 1.5e-4, 1.0)]
    configs = [override(base, dict(zip(names, own, strict=True))) for own in values]
    make = make_task("autoencoder", (8, 8, 1), None)

    def run(configs, chunk_epochs):
        members = Members(configs)
        trained = train(members, make, data, write=lambda *_: None, description="", chunk_epochs=chunk_epochs)
        return members.fetch([state.evaluated_variables() for state in trained.states])

    together = run(configs, 1)
    assert len(compile_events) == 2  # Initialisation and training.
    alone = run(configs[2:3], 1)
    assert len(compile_events) == 2
    whole = run(configs, 2)
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x[2], y[0]), together, alone)
    jax.tree.map(np.testing.assert_array_equal, together, whole)
    kernel = together["params"]["latent"]["kernel"]
    np.testing.assert_array_equal(kernel[0], kernel[1])  # The threshold is no part of training.
    assert not np.array_equal(kernel[0], kernel[2])
    assert not np.array_equal(kernel[0], kernel[3])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"autoencoder.likelihood.output": "sigmoid"}, "autoencoder.patches gives targets outside"),
        ({"generation.sampler": "gaussian"}, "draws codes of images, and autoencoder.patches has none"),
        ({"evaluation.measures": ["likelihood"]}, r"autoencoder=vae \(of patches\) has no posterior"),
        ({"autoencoder.patches": {"size": 0}}, "autoencoder.patches.size"),
        ({"autoencoder.patches": {"whitening": 0.0}}, "autoencoder.patches.whitening"),
        ({"autoencoder.patches": {"pool": "median"}}, "autoencoder.patches.pool"),
    ],
)
def test_what_does_not_go_together_is_refused(changes, problem):
    config = Config(autoencoder=VaeConfig(encoder=Dense(widths=()), likelihood=PIXELS, patches=SMALL))
    check(config)
    with pytest.raises(ConfigError, match=problem):
        check(override(config, changes))


def test_a_corruption_by_black_and_white_is_refused():
    config = Config(autoencoder=DenoisingConfig(likelihood=PIXELS, patches=SMALL))
    check(config)
    with pytest.raises(ConfigError, match=r"corruption=salt_and_pepper .* and autoencoder.patches gives them another"):
        check(override(config, {"autoencoder.corruption": "salt_and_pepper"}))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"size": 9}, "autoencoder.patches does not fit quadrants: size=9 is more than the images' 8 x 8 pixels"),
        ({"size": 7, "grid": 3}, "grid=3 has more cells than the 2 x 2 places"),
        ({"size": 4, "window": 6}, "window=6 is more than the 5 x 5 places"),
    ],
)
def test_patches_that_do_not_fit_the_images_are_refused(fields, problem, dataset):
    config = Config(autoencoder=dataclasses.replace(LINEAR, patches=PatchesConfig(**fields)))
    with pytest.raises(DataError, match=problem):
        check_data(config, dataset, {})


def test_features_are_made_of_few_images_at_once(data):
    config = Config(autoencoder=dataclasses.replace(LINEAR, latent_size=1600, patches=SMALL))
    task = make_task("autoencoder", (8, 8, 1), None)(config)
    representation = find_method("autoencoder").represent(task, {}, config, data)
    # A place has 1,600 responses, and an image 36 places.
    assert 1 <= representation.at_once < 200 < task.at_once
