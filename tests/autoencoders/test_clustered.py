"""Deep clustering: the losses against numpy, what they begin with, and targets that change on schedule."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from aejax.autoencoders.dcn import DcnConfig
from aejax.autoencoders.dec import DecConfig, IdecConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vade import VadeConfig
from aejax.data.augmentation import Augmentation
from aejax.data.corruption import Masking
from aejax.data.load import Dataset, Split
from aejax.data.resident import Batch, make_resident
from aejax.errors import ConfigError, DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check, check_data
from aejax.networks.dense import Dense
from aejax.networks.patches import PatchesConfig
from aejax.objectives.priors import MixturePrior
from aejax.training.epoch import train_epoch
from aejax.training.fit import fit
from aejax.training.step import TrainingConfig, init_state, training_batch
from tests.autoencoders.families import apply, initialize
from tests.methods import make_task

SMALL = {"encoder": Dense(widths=(6,), activation="tanh"), "latent_size": 2}
IMAGE = np.random.default_rng(0).uniform(size=(12, 4, 4, 1)).astype(np.float32)
FAMILIES = (
    DecConfig(**SMALL, num_clusters=3),
    IdecConfig(**SMALL, num_clusters=3),
    DcnConfig(**SMALL, num_clusters=3),
    VadeConfig(**SMALL, prior=MixturePrior(num_components=3)),
)


@pytest.fixture(scope="module")
def blobs():
    """Images of three kinds, 60 of each, as training and as test images."""
    generator = np.random.default_rng(1)
    kind = np.arange(180) % 3
    image = generator.uniform(size=(3, 4, 4, 1))[kind] + 0.05 * generator.normal(size=(180, 4, 4, 1))
    split = Split(np.uint8(255 * image.clip(0, 1)), kind.astype(np.int32))
    empty = Split(split.image[:0], split.label[:0])
    return Dataset(name="blobs", train=split, validation=empty, test=split, num_classes=3, fingerprint="")


def train(family, dataset, **training):
    config = Config(autoencoder=family, training=TrainingConfig(batch_size=30, **training))
    check(config)
    return fit(make_task("autoencoder", (4, 4, 1), None)(config), make_resident(dataset, "none"))


def memberships(code, centroid):
    kernel = 1 / (1 + ((code[:, None] - centroid[None]) ** 2).sum(axis=2))
    return kernel / kernel.sum(axis=1, keepdims=True)


def changed(variables, by):
    """Variables with other parameters, and their targets as they are."""
    return {**variables, "params": jax.tree.map(lambda x: x + by, variables["params"])}


@pytest.mark.parametrize("family", FAMILIES[:2], ids=lambda family: family.kind)
def test_targets_are_sharpened_memberships_at_the_last_refresh(family, blobs):
    model, variables = initialize(family, IMAGE)
    data = make_resident(blobs, "none")
    variables = jax.device_get(jax.jit(model.refresh)(variables, data))
    code = np.asarray(apply(model, variables, blobs.train.image / np.float32(255), method="encode"), np.float64)
    centroid = np.asarray(variables["params"]["centroid"], np.float64)
    frequency = memberships(code, centroid).sum(axis=0)
    share = (
        memberships(np.asarray(apply(model, variables, IMAGE, method="encode"), np.float64), centroid) ** 2 / frequency
    )
    target = share / share.sum(axis=1, keepdims=True)

    variables = changed(variables, 0.1)  # A step later the memberships are others, and the targets are not.
    centroid = np.asarray(variables["params"]["centroid"], np.float64)
    moved = 0.5 * IMAGE
    found = memberships(np.asarray(apply(model, variables, moved, method="encode"), np.float64), centroid)
    expected = (target * np.log(target / found)).sum(axis=1)
    terms = jax.jit(lambda batch: model.apply(variables, batch, train=False, method="terms"))
    weight = getattr(family, "weight", 1.0)
    clustering = terms(Batch(moved, None, unchanged=IMAGE))["clustering"]  # Targets are of what is not augmented.
    np.testing.assert_allclose(clustering, weight * expected, rtol=1e-4, atol=1e-5)


def test_clusters_of_corrupted_images_are_drawn_to_those_of_the_images_as_they_are():
    family = dataclasses.replace(FAMILIES[0], corruption=Masking(rate=0.5))
    model, variables = initialize(family, IMAGE)
    rngs = {"noise": jax.random.key(3)}
    corrupted = model.apply(variables, IMAGE, train=True, method="corrupt", rngs=rngs)
    assert 0.3 < np.mean(np.asarray(corrupted) == 0) < 0.7
    target = np.asarray(model.apply(variables, IMAGE, method="target"), np.float64)
    found = np.asarray(model.apply(variables, corrupted, method="memberships"), np.float64)
    terms = model.apply(variables, Batch(IMAGE, None), train=True, method="terms", rngs=rngs)
    expected = (target * (np.log(target) - found)).sum(axis=1)
    np.testing.assert_allclose(terms["clustering"], expected, rtol=1e-4, atol=1e-6)
    terms = model.apply(variables, Batch(IMAGE, None), train=False, method="terms")
    found = np.asarray(model.apply(variables, IMAGE, method="memberships"), np.float64)
    np.testing.assert_allclose(terms["clustering"], (target * (np.log(target) - found)).sum(axis=1), atol=1e-6)


@pytest.mark.parametrize("family", [FAMILIES[0], FAMILIES[2]], ids=lambda family: family.kind)
def test_clusters_are_those_of_whitened_codes(family, blobs):
    model, variables = initialize(dataclasses.replace(family, whiten=True), IMAGE)
    variables = jax.device_get(jax.jit(model.begin)(variables, make_resident(blobs, "none")))
    image = blobs.train.image / np.float32(255)
    latent = np.asarray(apply(model, variables, image, method="encode"))
    variance, axes = np.linalg.eigh(np.cov(latent.T.astype(np.float64), bias=True))
    white = (latent - latent.mean(axis=0)) @ axes / np.sqrt(variance + 1e-3 * variance.mean()) @ axes.T
    np.testing.assert_allclose(apply(model, variables, latent, method="code"), white, rtol=1e-2, atol=1e-3)
    centroid = np.asarray(model.apply(variables, method="centroids"), np.float64)
    nearest = ((white[:, None] - centroid[None]) ** 2).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(apply(model, variables, image, method="clusters"), nearest)
    np.testing.assert_allclose(centroid, [white[nearest == k].mean(axis=0) for k in range(3)], rtol=1e-2, atol=2e-3)
    if family.kind == "dec":
        found = np.exp(np.asarray(apply(model, variables, image, method="memberships"), np.float64))
        np.testing.assert_allclose(found, memberships(white, centroid), rtol=1e-2, atol=1e-4)


def test_targets_change_every_so_many_epochs(blobs):
    family = dataclasses.replace(FAMILIES[0], target_epochs=2)
    config = Config(autoencoder=family, training=TrainingConfig(batch_size=30, pretraining_epochs=1, epochs=4))
    task, data = make_task("autoencoder", (4, 4, 1), None)(config), make_resident(blobs, "none")
    states = [jax.jit(functools.partial(init_state, task))(data)]
    epoch = jax.jit(lambda state, data: train_epoch(task, state, data)[0])
    for _ in range(4):
        states.append(epoch(states[-1], data))
    targets = [state.collections["target"]["variables"]["params"]["centroid"] for state in states[2:]]
    np.testing.assert_array_equal(targets[0], targets[1])
    np.testing.assert_array_equal(targets[2], states[3].params["centroid"])
    assert not np.array_equal(targets[1], targets[2])


# The others begin by the same functions.
@pytest.mark.parametrize(
    "family",
    [pytest.param(one, marks=() if one.kind == "dec" else pytest.mark.slow, id=one.kind) for one in FAMILIES],
)
def test_it_begins_as_a_plain_autoencoder_and_finds_the_kinds(family, blobs):
    alone = train(family, blobs, epochs=1)
    trained = train(family, blobs, pretraining_epochs=5, epochs=2)
    for fitted in (alone, trained):
        cluster = np.asarray(fitted.apply("clusters", blobs.test.image / np.float32(255)))
        assert {len(set(cluster[blobs.test.label == kind])) for kind in range(3)} == {1}
        assert len(set(cluster)) == 3
    assert {f"train_{name}" for name in family.term_names()} <= set(trained.curves)
    reconstruction = trained.curves["train_reconstruction"][:5]
    assert (np.diff(reconstruction) < 0).all()
    if family.kind == "dec":  # Whose networks are those of a plain one.
        plain = train(PlainConfig(**SMALL), blobs, epochs=5)
        np.testing.assert_allclose(reconstruction, plain.curves["train_reconstruction"], rtol=1e-6)


def test_idec_without_weight_reconstructs_alone():
    family = dataclasses.replace(FAMILIES[1], weight=0.0)
    model, variables = initialize(family, IMAGE)
    plain, _ = initialize(PlainConfig(**SMALL), IMAGE)
    of = lambda model: jax.jit(lambda v: model.apply(v, Batch(IMAGE, None), train=False, method="terms"))(variables)  # noqa: E731
    terms = of(model)
    np.testing.assert_array_equal(terms["clustering"], 0)
    np.testing.assert_array_equal(terms["reconstruction"], of(plain)["reconstruction"])


def test_centroids_of_dcn_are_means_of_all_codes_that_were_nearest():
    family = DcnConfig(**SMALL, num_clusters=3, weight=0.7)
    model, variables = initialize(family, IMAGE)
    centroid, count = np.random.default_rng(2).normal(size=(3, 2)).astype(np.float32), np.float32([4, 1, 0])
    variables = {**variables, "clusters": {"centroid": centroid, "count": count}}
    code = np.asarray(apply(model, variables, IMAGE, method="encode"), np.float64)
    square = ((code[:, None] - centroid[None]) ** 2).sum(axis=2)
    nearest = square.argmin(axis=1)
    run = jax.jit(lambda v: model.apply(v, Batch(IMAGE, None), train=True, method="terms", mutable=["clusters"]))
    terms, changed = run(variables)
    np.testing.assert_allclose(terms["clustering"], 0.35 * square.min(axis=1), rtol=1e-4)
    mean = [
        (count[k] * centroid[k] + code[nearest == k].sum(axis=0)) / max(count[k] + (nearest == k).sum(), 1)
        if count[k] + (nearest == k).sum()
        else centroid[k]
        for k in range(3)
    ]
    np.testing.assert_allclose(changed["clusters"]["centroid"], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(changed["clusters"]["count"], count + np.bincount(nearest, minlength=3))


def test_the_kl_of_vade_is_that_of_the_paper():
    """Jiang et al. (2017), equation 12: the last three terms, each of them written out."""
    model, variables = initialize(FAMILIES[3], IMAGE)
    generator = np.random.default_rng(3)
    prior = {"logit": generator.normal(size=3), "mean": generator.normal(size=(3, 2))}
    prior["log_variance"] = generator.normal(size=(3, 2))
    prior = jax.tree.map(np.float32, prior)
    variables = {**variables, "params": {**variables["params"], "prior": prior}}

    @jax.jit
    def parts(variables):
        def of(model):
            posterior = model.posterior(IMAGE)
            draw = model.draw(posterior, jax.random.key(1)).first
            return posterior.mean, posterior.log_variance, draw.latent, model.kl(posterior, draw)

        return model.apply(variables, method=of)

    mean, log_variance, latent, found = (np.asarray(x, np.float64) for x in parts(variables))
    weight = np.exp(prior["logit"]) / np.exp(prior["logit"]).sum()
    spread, center = np.exp(prior["log_variance"]), prior["mean"]
    density = np.exp(-0.5 * (latent[:, None] - center) ** 2 / spread) / np.sqrt(2 * np.pi * spread)
    share = weight * density.prod(axis=2)
    share /= share.sum(axis=1, keepdims=True)
    cross = np.log(spread) + np.exp(log_variance)[:, None] / spread + (mean[:, None] - center) ** 2 / spread
    expected = 0.5 * (share * cross.sum(axis=2)).sum(axis=1) - (share * np.log(weight / share)).sum(axis=1)
    expected -= 0.5 * (1 + log_variance).sum(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_what_does_not_go_together_is_refused(blobs):
    for config, problem in (
        (Config(autoencoder=DecConfig(patches=PatchesConfig())), r"patches: the loss of 'dec' is of whole images"),
        (
            Config(autoencoder=VadeConfig(prior=MixturePrior(kind="mixture"), latent_activation="relu")),
            "latent_activation",
        ),
        (Config(evaluation=EvaluationConfig(measures=("assignment",))), "has no clusters of its own"),
    ):
        with pytest.raises(ConfigError, match=problem) as error:
            check(config)
        assert "\n" not in str(error.value)
    with pytest.raises(DataError, match=r"num_clusters=181 clusters begin among the 180 training images of blobs"):
        check_data(Config(autoencoder=DcnConfig(num_clusters=181)), blobs, {})


def test_augmented_batches_have_their_images_as_they_were(blobs):
    config = Config(autoencoder=FAMILIES[0], training=TrainingConfig(augmentation=Augmentation(shift=1), batch_size=5))
    task, data = make_task("autoencoder", (4, 4, 1), None)(config), jax.device_put(make_resident(blobs, "none"))
    batch = jax.jit(lambda data: training_batch(task, data, 0, jax.numpy.int32(0), jax.numpy.arange(5)))(data)
    np.testing.assert_allclose(batch.unchanged, blobs.train.image[:5] / 255, rtol=1e-6)
    assert not np.allclose(batch.image, batch.unchanged)
