"""Semi-supervised training: what each part of the network learns by, from which images, and pseudo-labels."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.special

from aejax import rng
from aejax.autoencoders.adversarial import AdversarialConfig
from aejax.autoencoders.plain import PlainConfig
from aejax.config import override
from aejax.data.load import DataConfig, load
from aejax.data.resident import make_resident
from aejax.data.subsets import AllLabelled, AmongAll, LabelledSubset
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data, warnings
from aejax.networks.dense import Dense
from aejax.sweep import expand, grid, group, product
from aejax.training.fine_tuning import FineTuningConfig
from aejax.training.fit import fit
from aejax.training.optimizers import Sgd
from aejax.training.semi_supervised import PseudoLabels, SemiSupervisedConfig
from aejax.training.step import TrainingConfig, init_state, labelled_batches, train_step, training_batch
from tests.methods import make_task

SMALL = {"encoder": Dense(widths=(9,)), "latent_size": 5}
CONFIG = Config(
    seed=2,
    autoencoder=PlainConfig(**SMALL),
    optimizer=Sgd(learning_rate=0.1),
    training=TrainingConfig(batch_size=60),
    fine_tuning=FineTuningConfig(labels_per_class=5),
    semi_supervised=SemiSupervisedConfig(epochs=2, weight=3.0, family_weight=0.5),
)


@pytest.fixture(scope="module")
def local(dataset):
    """The data on one device, for functions that are not mapped over members."""
    return jax.device_put(make_resident(dataset, "none"))


def task_of(config, method="semi_supervised"):
    return make_task(method, (8, 8, 1), 4)(config)


def one_step(task, local, state=None):
    """Returns the state before a step and after it, the batch that it takes, and its metrics: one program."""

    def run():
        data = task.select(local)
        before = init_state(task, local) if state is None else state
        labelled = labelled_batches(task, before.epoch, data, 4)
        batch = training_batch(task, data, 0, before.step, jnp.arange(60), labelled=labelled[0])
        optimizer = optax.sgd(0.1)
        before = before.replace(opt_state=optimizer.init(before.params))
        return before, *train_step(task, task.stages[0], optimizer, before, batch, want_norm=False), batch

    before, after, metrics, batch = jax.jit(run)()
    return before, after, batch, metrics


def test_a_step_follows_the_gradient_of_both_losses(local):
    task = task_of(CONFIG)
    before, after, batch, metrics = one_step(task, local)
    assert batch.labelled.image.shape == (20, 8, 8, 1)  # All that there are.

    def loss(params):
        layers = params["autoencoder"]

        def layer(x, parameters):
            return x @ parameters["kernel"] + parameters["bias"][None]

        def encode(image):
            hidden = jax.nn.relu(layer(image.reshape(len(image), -1), layers["encoder"]["DenseStack_0"]["Dense_0"]))
            return layer(hidden, layers["latent"])

        hidden = jax.nn.relu(layer(encode(batch.image), layers["decoder"]["DenseStack_0"]["Dense_0"]))
        error = jax.nn.sigmoid(layer(hidden, layers["decoder"]["Dense_0"])) - batch.image.reshape(60, -1)
        logits = layer(encode(batch.labelled.image), params["head"])
        right = jnp.take_along_axis(jax.nn.log_softmax(logits), batch.labelled.label[:, None], axis=1)
        return 0.5 * jnp.sum(error**2) / 60 / 2 - 3 * jnp.mean(right)

    total, gradient = jax.jit(jax.value_and_grad(loss))(before.params)
    assert metrics["loss"] == pytest.approx(float(total), rel=1e-5)
    expected = jax.tree.map(lambda value, slope: value - 0.1 * slope, before.params, gradient)
    jax.tree.map(lambda own, known: np.testing.assert_allclose(own, known, atol=1e-6), after.params, expected)


def test_without_the_familys_loss_it_is_the_supervised_network(local):
    config = override(CONFIG, {"semi_supervised.family_weight": 0.0, "semi_supervised.weight": 1.0})
    before, after, batch, _ = one_step(task_of(config), local)
    supervised = task_of(config, "supervised")

    def run():
        optimizer = optax.sgd(0.1)
        state = init_state(supervised, local)
        layers = {name: before.params["autoencoder"][name] for name in ("encoder", "latent")}
        params = {"autoencoder": layers, "head": before.params["head"]}
        state = state.replace(params=params, opt_state=optimizer.init(params))
        return train_step(supervised, supervised.stages[0], optimizer, state, batch.labelled, want_norm=False)[0].params

    own = after.params["autoencoder"]
    jax.tree.map(np.testing.assert_array_equal, own["decoder"], before.params["autoencoder"]["decoder"])
    learnt = {"autoencoder": {name: own[name] for name in ("encoder", "latent")}, "head": after.params["head"]}
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-7), learnt, jax.jit(run)())


@pytest.mark.slow
def test_an_opponent_learns_by_its_own_loss_whatever_the_weights(local):
    family = AdversarialConfig(**SMALL, discriminator_widths=(4,))
    task = task_of(dataclasses.replace(CONFIG, autoencoder=family))
    before, after, batch, _ = one_step(task, local)
    key = rng.at(rng.stream(rng.root(2), "noise"), 0)

    def losses(params):
        variables = {"params": params, **before.collections}
        terms, _ = task.model.apply(
            variables, batch, train=True, method="terms", rngs={"noise": key}, mutable=list(before.collections)
        )
        means = jax.tree.map(jnp.mean, terms)
        return means["reconstruction"] + means["adversarial"] + means["cross_entropy"], means["discriminator"]

    own, discriminator = jax.jit(jax.jacrev(losses))(before.params)
    slope = {
        "head": own["head"],
        "autoencoder": own["autoencoder"] | {"discriminator": discriminator["autoencoder"]["discriminator"]},
    }
    assert max(map(np.max, jax.tree.leaves(slope["autoencoder"]["discriminator"]))) > 0
    expected = jax.tree.map(lambda value, change: value - 0.1 * change, before.params, slope)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), after.params, expected)


def test_all_other_labels_are_hidden(local):
    few = LabelledSubset(5, 4, 2)
    task = task_of(CONFIG)
    select = jax.jit(lambda data: (AmongAll(few).select(data), few.select(data), task.measured_on(data)))
    seen, known, measured = select(local)
    np.testing.assert_array_equal(seen.image["train"], local.image["train"])
    places = np.asarray(seen.labelled["train"])
    label = np.asarray(seen.label["train"])
    np.testing.assert_array_equal(label[places], np.asarray(local.label["train"])[places])
    np.testing.assert_array_equal(np.bincount(label[places]), [5, 5, 5, 5])
    assert (np.delete(label, places) == -1).all()
    # It is measured on those that fine-tuning has of the same seed, also for choices.
    jax.tree.map(np.testing.assert_array_equal, measured.image, known.image)
    jax.tree.map(np.testing.assert_array_equal, measured.label, known.label)
    assert AmongAll(AllLabelled()).select(local) is local


def test_few_of_partly_labelled_images_are_found_among_all(dataset):
    unknown = np.arange(240) % 3 == 0
    train = dataclasses.replace(dataset.train, label=np.where(unknown, -1, dataset.train.label))
    data = jax.device_put(make_resident(dataclasses.replace(dataset, train=train), "none"))
    for subset, num in ((LabelledSubset(5, 4, 1), 20), (AllLabelled(), 160)):
        seen = jax.jit(AmongAll(subset).select)(data)
        places = np.asarray(seen.labelled["train"])
        assert len(places) == num
        assert not unknown[places].any()
        np.testing.assert_array_equal(np.asarray(seen.label["train"])[places], dataset.train.label[places])
        assert np.sum(np.asarray(seen.label["train"]) >= 0) == num


def test_labelled_images_are_passed_through_again_and_again(local):
    config = override(CONFIG, {"semi_supervised.batch_size": 8})
    task, data = task_of(config), jax.jit(AmongAll(LabelledSubset(5, 4, 2)).select)(local)
    draw = jax.jit(lambda epoch: labelled_batches(task, epoch, data, 7))
    first, second = np.asarray(draw(0)), np.asarray(draw(1))
    assert first.shape == (7, 8)
    places = set(np.asarray(data.labelled["train"]).tolist())
    for start in (0, 2, 4):  # A pass has two batches, and four images wait for the next.
        one = first[start : start + 2].ravel().tolist()
        assert len(set(one)) == 16
        assert set(one) < places
    assert not np.array_equal(first[:2], first[2:4])
    assert not np.array_equal(first, second)


def test_it_is_stopped_and_chosen_by_the_cross_entropy_of_validation_images(local):
    config = override(CONFIG, {"training.patience": 5, "semi_supervised.epochs": 6, "optimizer.learning_rate": 0.05})
    fitted = fit(task_of(config), local)
    curve = np.asarray(fitted.curves["validation_cross_entropy"])
    assert fitted.state.lowest_errors.shape == (20,)
    assert fitted.state.best_error == curve.min()
    assert fitted.state.step == 4 * len(curve)
    assert curve.min() < curve[0]
    assert fitted.state.best_error < np.min(fitted.curves["validation_loss"])


def test_pseudo_labels_are_those_that_the_network_is_surest_of():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(12, 4)).astype(np.float32) * 3
    may = np.arange(12) % 4 != 0
    probability = scipy.special.softmax(logits, axis=1).max(axis=1)
    for threshold, most in ((0.8, None), (0.0, 3), (0.97, 3)):
        label, chosen = PseudoLabels(threshold=threshold, most=most).choose(jnp.asarray(logits), jnp.asarray(may))
        expected = [index for index in np.argsort(-probability) if may[index] and probability[index] >= threshold]
        assert set(np.flatnonzero(chosen)) == set(expected[:most])
        np.testing.assert_array_equal(label, logits.argmax(axis=1))
    pseudo = PseudoLabels(weight=4.0, start_epoch=2.0, warmup_epochs=8.0)
    assert [float(pseudo.weight_at(jnp.asarray(epoch))) for epoch in (1.0, 2.0, 4.0, 20.0)] == [0.0, 0.0, 1.0, 4.0]
    assert float(dataclasses.replace(pseudo, warmup_epochs=0.0).weight_at(jnp.asarray(2.25))) == 4.0


def test_a_batch_learns_its_pseudo_labels(local):
    pseudo = {"weight": 4.0, "threshold": 0.0, "most": 7, "warmup_epochs": 4.0}
    task = task_of(override(CONFIG, {"semi_supervised.pseudo_labels": pseudo}))
    before, after, batch, metrics = one_step(task, local)
    logits = np.asarray(task.model.apply({"params": before.params}, batch.image, method="classify"), np.float64)
    log_probability = scipy.special.log_softmax(logits, axis=1).max(axis=1)
    unknown = np.asarray(batch.label) == -1
    surest = np.sort(log_probability[unknown])[-7:]
    # A quarter of the first of four epochs of warm-up is over.
    assert metrics["pseudo_labels"] == pytest.approx(-4 / 16 * surest.sum() / 60, rel=1e-4)
    parts = ("reconstruction", "cross_entropy", "pseudo_labels")
    assert metrics["loss"] == pytest.approx(sum(float(metrics[name]) for name in parts), rel=1e-5)
    assert not np.array_equal(after.params["head"]["kernel"], before.params["head"]["kernel"])


def test_weights_and_thresholds_differ_in_one_population():
    pseudo = override(CONFIG, {"semi_supervised.pseudo_labels": {"threshold": 0.5}})
    sweep = product(
        grid("semi_supervised.weight", [1.0, 2.0]), grid("semi_supervised.pseudo_labels.threshold", [0.5, 0.9])
    )
    assert len(group(expand(pseudo, sweep))) == 1


def test_what_cannot_be_is_said_in_a_line(dataset):
    def ask(config):
        check(config)
        check_data(config, dataset)

    def refused(changes, error, match):
        with pytest.raises(error, match=match):
            ask(override(CONFIG, changes))

    ask(CONFIG)
    refused({"semi_supervised.epochs": 0}, ConfigError, r"semi_supervised\.epochs is 0")
    refused({"semi_supervised.batch_size": 21}, DataError, r"batch_size=21 is larger than the 20 training images")
    many = {"fine_tuning.labels_per_class": 1000}
    refused(many, DataError, r"fine_tuning\.labels_per_class=1000 takes 1000 .* ask for at most \d\d")
    most = {"semi_supervised.pseudo_labels": {"most": 61}}
    refused(most, ConfigError, r"most=61 asks for more pseudo-labels than there are images, the 60 of a batch")
    most = {"semi_supervised.pseudo_labels": {"most": 221}, "training.batch_size": "all"}
    refused(most, DataError, r"most=221 asks for more .* the 220 of quadrants that have no label; ask for at most 220")
    every = {"semi_supervised.pseudo_labels": {}, "fine_tuning.labels_per_class": None}
    refused(every, DataError, r"all 240 training images of quadrants have a label")
    above = {"size": 3, "second": {"size": 2, "units": 4}}
    layers = {"autoencoder.patches": above, "autoencoder.likelihood.output": "identity"}
    refused(layers, ConfigError, r"layers of autoencoder.patches are trained one after another")
    late = override(CONFIG, {"semi_supervised.pseudo_labels": {"start_epoch": 2.0}})
    assert any("no image gets a pseudo-label" in line for line in warnings([late]))
    streamed = load(DataConfig(memory=1e-5))
    with pytest.raises(DataError, match=r"read when they are needed; raise data\.memory"):
        check_data(CONFIG, streamed)
