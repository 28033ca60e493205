"""The ladder network: its paths and costs as numpy computes them, its special cases, and what labels train."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from aejax.autoencoders.ladder import LadderConfig
from aejax.config import override
from aejax.data.resident import Batch, make_resident
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data
from aejax.networks.dense import Dense
from aejax.networks.ladder import EPSILON, Noise
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.semi_supervised import SemiSupervisedConfig
from aejax.training.step import TrainingConfig, init_state, labelled_batches, train_step, training_batch
from tests.autoencoders.families import IMAGE, initialize
from tests.methods import make_task

SIZES = (64, 7, 5, 4)
FAMILY = LadderConfig(
    encoder=Dense(widths=SIZES[1:3], activation="tanh"),
    latent_size=SIZES[3],
    image_noise=0.2,
    noise=0.4,
    image_weight=100.0,
    first_weight=10.0,
    weight=2.0,
    latent_weight=0.5,
)
KEY = jax.random.key(7)
NAMES = ("reconstruction", "denoising_1", "denoising_2", "denoising_3")


def draw_variables(family):
    """Returns the model, and variables of which none is what it begins with."""
    model, variables = initialize(family, IMAGE)
    generator = np.random.default_rng(3)

    def drawn(path, leaf):
        low = 0.5 if "variance" in jax.tree_util.keystr(path) else -1.0
        return leaf if leaf.ndim == 0 else generator.uniform(low, 1.0, leaf.shape).astype(np.float32)

    return model, jax.tree_util.tree_map_with_path(drawn, variables)


class InNumpy:
    """A ladder in double precision: tanh layers, and a last one whose h are scores."""

    def __init__(self, variables, *, train):
        self.params, self.statistics, self.train = variables["params"], variables["batch_stats"], train

    def standardize(self, x, running):
        mean, variance = (x.mean(axis=0), x.var(axis=0)) if self.train else (running["mean"], running["variance"])
        deviation = np.sqrt(variance + EPSILON)
        return (x - mean) / deviation, mean, deviation

    def climb(self, noise):
        """Returns z, h, mean and deviation of every layer, the image first."""
        z = IMAGE.reshape(len(IMAGE), -1).astype(np.float64) + noise[0]
        path = [(z, z, 0.0, 1.0)]
        for index in range(3):
            layer = self.params["encoder"][f"layers_{index}"]
            x = path[-1][1] @ np.asarray(layer["dense"]["kernel"], np.float64)
            z, mean, deviation = self.standardize(x, self.statistics["encoder"][f"layers_{index}"]["statistics"])
            z = z + noise[index + 1]
            moved = (z + layer["bias"]) * layer["scale"]
            path.append((z, moved if index == 2 else np.tanh(moved), mean, deviation))
        return path

    def descend(self, latent, z):
        """Returns the estimates, the image's first; without z those of u alone."""
        decoder, estimates = self.params["decoder"], []
        for index in (3, 2, 1, 0):
            above = scipy.special.softmax(latent, axis=1) if index == 3 else None
            above = estimates[0] @ decoder[f"dense_{index}"]["kernel"] if above is None else above
            u, *_ = self.standardize(above, self.statistics["decoder"][f"statistics_{index}"])
            a = np.asarray(decoder[f"combinators_{index}"]["a"], np.float64)
            mean = a[0] * scipy.special.expit(a[1] * u + a[2]) + a[3] * u + a[4]
            share = a[5] * scipy.special.expit(a[6] * u + a[7]) + a[8] * u + a[9]
            estimates.insert(0, mean if z is None else (z[index] - mean) * share + mean)
        return estimates

    def terms(self, noise):
        clean, noisy = self.climb(np.zeros(4)), self.climb(noise)
        estimates = self.descend(noisy[-1][1], [z for z, *_ in noisy])
        weights = (100.0, 10.0, 2.0, 0.5)
        return {
            name: weight * np.mean(((estimate - mean) / deviation - z) ** 2, axis=1)
            for name, weight, estimate, (z, _, mean, deviation) in zip(NAMES, weights, estimates, clean, strict=True)
        }


@pytest.fixture(scope="module")
def drawn():
    return draw_variables(FAMILY)


def draw_noise():
    noise = Noise(KEY, 0.2, 0.4)
    return [np.asarray(noise.at(layer, (len(IMAGE), size)), np.float64) for layer, size in enumerate(SIZES)]


def close(own, expected):
    np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-5)


def test_terms_in_training_are_those_of_numpy(drawn, monkeypatch):
    model, variables = drawn
    monkeypatch.setattr(type(model), "noise_key", lambda self, *, train: KEY)

    def run(variables):
        return model.apply(variables, Batch(IMAGE, None), train=True, method="terms", mutable=["batch_stats"])

    terms, after = jax.jit(run)(variables)
    assert FAMILY.term_names() == NAMES
    assert set(terms) == set(NAMES)
    expected = InNumpy(variables, train=True)
    for name, term in expected.terms(draw_noise()).items():
        close(terms[name], term)
    # The first batch is all of the running statistics: of the clean path, which outside training is.
    for index, (_, _, mean, deviation) in enumerate(expected.climb(np.zeros(4))[1:]):
        running = after["batch_stats"]["encoder"][f"layers_{index}"]["statistics"]
        close(running["mean"], mean)
        close(running["variance"], deviation**2 - EPSILON)


def test_outside_training_there_is_no_noise_and_statistics_are_running_ones(drawn):
    model, variables = drawn

    @jax.jit
    def use(variables):
        call = lambda *arguments, **keywords: model.apply(variables, *arguments, **keywords)  # noqa: E731
        latent = call(IMAGE, method="encode")
        terms = call(Batch(IMAGE, None), train=False, method="terms")
        return (
            latent,
            call(IMAGE, train=False, method="scores"),
            terms,
            call(IMAGE, method="reconstruct"),
            call(latent, method="decode"),
        )

    latent, scores, terms, image, expected_image = use(variables)
    ours = InNumpy(variables, train=False)
    path = ours.climb(np.zeros(4))
    close(latent, path[-1][1])
    np.testing.assert_array_equal(latent, scores)
    for name, term in ours.terms(np.zeros(4)).items():
        close(terms[name], term)
    close(image, ours.descend(path[-1][1], [z for z, *_ in path])[0].reshape(IMAGE.shape))
    close(expected_image, ours.descend(path[-1][1], None)[0].reshape(IMAGE.shape))


CONFIG = Config(
    autoencoder=dataclasses.replace(FAMILY, image_weight=0.0, first_weight=0.0, weight=0.0, latent_weight=0.0),
    training=TrainingConfig(batch_size=60),
    fine_tuning=FineTuningConfig(labels_per_class=5),
    semi_supervised=SemiSupervisedConfig(epochs=1),
)


@pytest.fixture(scope="module")
def local(dataset):
    """The data on one device, for functions that are not mapped over members."""
    return jax.device_put(make_resident(dataset, "none"))


def test_with_denoising_weights_of_zero_it_is_the_supervised_network(local):
    semi, supervised = (make_task(name, (8, 8, 1), 4)(CONFIG) for name in ("semi_supervised", "supervised"))
    optimizer = optax.sgd(0.1)

    def step(task, state, batch):
        state = state.replace(opt_state=optimizer.init(state.params))
        return train_step(task, task.stages[0], optimizer, state, batch, want_norm=False)

    @jax.jit
    def both():
        data = semi.select(local)
        state = init_state(semi, local)
        labelled = labelled_batches(semi, state.epoch, data, 4)
        batch = training_batch(semi, data, 0, state.step, jnp.arange(60), labelled=labelled[0])
        alone, metrics = step(supervised, state, batch.labelled)
        return state.params, step(semi, state, batch), (alone, metrics)

    before, (joint, of_joint), (alone, of_alone) = both()
    assert "head" not in before
    assert float(of_joint["loss"]) == float(of_alone["loss"]) == float(of_alone["cross_entropy"]) > 0
    jax.tree.map(np.testing.assert_array_equal, joint.params, alone.params)
    change = jax.tree.map(lambda x, y: float(np.abs(x - y).max()), before, joint.params)
    assert set(jax.tree.leaves(change["autoencoder"]["decoder"])) == {0.0}
    assert min(jax.tree.leaves(change["autoencoder"]["encoder"])) > 0


def test_the_gamma_model_learns_by_the_latent_alone(drawn, monkeypatch):
    model, variables = drawn
    monkeypatch.setattr(type(model), "noise_key", lambda self, *, train: KEY)
    nothing = {"image_weight": 0.0, "first_weight": 0.0, "weight": 0.0}
    gamma = model.clone(config=dataclasses.replace(FAMILY, **nothing))

    @jax.jit
    @jax.grad
    def gradient(params):
        variables_ = {**variables, "params": params}
        terms, _ = gamma.apply(variables_, Batch(IMAGE, None), train=True, method="terms", mutable=["batch_stats"])
        return sum(jnp.mean(term) for term in terms.values())

    size = jax.tree.map(lambda leaf: float(np.abs(leaf).max()), gradient(variables["params"]))
    decoder = size["decoder"]
    below = [decoder[name] for name in decoder if name != "combinators_3"]
    assert set(jax.tree.leaves(below)) == {0.0}
    assert min(jax.tree.leaves([decoder["combinators_3"], size["encoder"]["layers_0"]])) > 0


def test_what_cannot_be_is_said_in_a_line(dataset):
    base = override(Config(), {"autoencoder": "ladder", "autoencoder.encoder.widths": [6]})
    for changes, match in (
        ({"autoencoder.encoder": "conv"}, "encoder=conv has no steps that are denoised"),
        ({"autoencoder.decoder": "dense"}, "decoder=dense has no steps to those of the encoder"),
        ({"autoencoder.latent_activation": "relu"}, "the latent holds scores of classes"),
        ({"autoencoder.likelihood": "logistic_mixture"}, "needs several outputs a pixel"),
        ({"fine_tuning.epochs": 1, "fine_tuning.head": "probe"}, "fine_tuning.head=probe and .* autoencoder=ladder"),
        ({"fine_tuning.epochs": 1, "fine_tuning.layers": []}, "fine_tuning.layers=.. are about a layer of"),
    ):
        with pytest.raises(ConfigError, match=match):
            check(override(base, changes))
    check(base)
    with pytest.raises(DataError, match=r"latent_size=10: .* a score of each class, and quadrants has 4; set .*=4"):
        check_data(base, dataset)
    check_data(override(base, {"autoencoder.latent_size": 4}), dataset)
    check_data(override(base, {"evaluation.baselines": ["pca"]}), dataset)  # Nothing learns labels.
