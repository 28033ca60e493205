"""Layers above others: each is trained on the maps of the layers below it, which stay as they are."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.conv_winner_take_all import ConvLayerAbove, ConvWinnerTakeAllConfig
from aejax.data.load import Dataset, Split
from aejax.data.resident import make_resident
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data
from aejax.networks.convolutional import Convolutional
from aejax.training.fit import fit
from aejax.training.optimizers import AdamW
from aejax.training.step import TrainingConfig
from tests.methods import make_task

IMAGE = np.random.default_rng(0).uniform(size=(24, 8, 8, 1)).astype(np.float32)
SPLIT = Split(image=IMAGE, label=None)
DATASET = Dataset(name="x", train=SPLIT, validation=SPLIT, test=SPLIT, num_classes=None, fingerprint="")
CONV = ConvWinnerTakeAllConfig(
    encoder=Convolutional(widths=(), strides=(1,), kernel_size=3),
    decoder_kernel_size=3,
    latent_size=3,
    pool=4,
    two_sided=True,
    second=ConvLayerAbove(latent_size=5, pool_below=2, rate=0.2, pool=2),
    third=ConvLayerAbove(latent_size=2, pool_below=3, pool=2),
)


@pytest.fixture(scope="module")
def local():
    """The data on one device."""
    return jax.device_put(make_resident(DATASET, "none"))


def config_of(family, epochs=2):
    """A config with weight decay and an average: neither may touch what a stage does not train."""
    optimizer = AdamW(learning_rate=1e-2, weight_decay=0.1, averaging=0.9)
    return Config(autoencoder=family, optimizer=optimizer, training=TrainingConfig(epochs=epochs, batch_size=8))


def trained(family, local, epochs, chunks=1):
    """Returns (task, state before, states after each chunk) of a run that `epochs` long in every stage."""
    task = make_task("autoencoder", (8, 8, 1), None)(config_of(family, epochs))
    state = fit(task, local, num_epochs=0).state
    length = task.epochs // chunks
    chunk = jax.jit(lambda state: fit(task, local, state=state, num_epochs=length).state)
    states = []
    for _ in range(chunks):
        state = chunk(state)
        states.append(state)
    return task, fit(task, local, num_epochs=0).state, states


def moved(before, after):
    """The first names of the parameters that changed."""
    return {
        name
        for name, part in before.params.items()
        if any(np.any(x != y) for x, y in zip(*map(jax.tree.leaves, (part, after.params[name])), strict=True))
    }


def test_each_stage_changes_the_maps_of_its_own_layer_alone(local):
    _, state, states = trained(CONV, local, 1, chunks=3)
    for layer, after in zip(({"maps", "decoder"}, {"second"}, {"third"}), states, strict=True):
        assert moved(state, after) == layer
        state = after


def test_convolutional_features_are_those_of_each_layer_on_the_maxima_of_the_one_below(local):
    task, _, (state,) = trained(CONV, local, 1)
    params = state.params
    apply = lambda family, own, x, method: make_task("autoencoder", x.shape[1:], None)(  # noqa: E731
        config_of(family)
    ).model.apply({"params": own}, x, method=method)
    alone = dataclasses.replace(CONV, second=None, third=None)
    first = {name: params[name] for name in ("maps", "decoder")}
    x, expected = jnp.asarray(IMAGE), [apply(alone, first, IMAGE, "features")]
    for own, layer in ((first, CONV.second), (params["second"], CONV.third)):
        x = apply(dataclasses.replace(alone, pool=layer.pool_below), own, x, "features")
        side = -(-8 // 2) if layer is CONV.second else -(-4 // 3)
        x = x.reshape(len(IMAGE), side, side, -1)
        alone = CONV.of_layer(layer)
        own = params["second"] if layer is CONV.second else params["third"]
        expected.append(apply(alone, own, x, "features"))
    actual = task.model.apply({"params": params}, IMAGE, method="features")
    np.testing.assert_allclose(actual, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6)
    last = dataclasses.replace(task.model, config=dataclasses.replace(CONV, features_of="last"))
    np.testing.assert_array_equal(last.apply({"params": params}, IMAGE, method="features"), actual[:, -4:])
    assert np.count_nonzero(actual) > 0.2 * actual.size


def test_without_layers_above_nothing_is_different(local):
    """The first layer of a stack is bitwise the layer alone, and so is its reconstruction."""
    _, _, states = trained(CONV, local, 2, chunks=3)
    alone, _, (expected,) = trained(dataclasses.replace(CONV, second=None, third=None), local, 2)
    assert set(expected.params) == {"maps", "decoder"}
    jax.tree.map(np.testing.assert_array_equal, expected.params, {n: states[0].params[n] for n in expected.params})
    assert alone.epochs == 2


def test_cutting_a_stack_into_chunks_changes_nothing(local):
    whole, cut = (trained(CONV, local, 2, chunks=chunks)[2][-1] for chunks in (1, 6))
    jax.tree.map(np.testing.assert_array_equal, whole, cut)
    assert whole.epoch == 6


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="there is a third layer, and no second one"):
        check(config_of(dataclasses.replace(CONV, second=None)))
    large = dataclasses.replace(CONV, third=ConvLayerAbove(pool_below=5))
    with pytest.raises(DataError, match=r"autoencoder.third.pool_below=5 does not fit x: the maps below are 4 x 4"):
        check_data(config_of(large), DATASET)
