"""Layers above others: each is trained on the maps of the layers below it, which stay as they are."""

import dataclasses
import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.conv_winner_take_all import ConvLayerAbove, ConvWinnerTakeAllConfig
from aejax.autoencoders.k_sparse import KSparseConfig
from aejax.autoencoders.patchwise import some_patches
from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vq_vae import VqVaeConfig
from aejax.data.load import Dataset, Split
from aejax.data.resident import make_resident
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.patches import LayerAbove, PatchesConfig, similar_maps
from aejax.networks.whitening import Whitening
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.sweep import expand, grid, group
from aejax.training.fit import fit
from aejax.training.loop import train
from aejax.training.optimizers import AdamW
from aejax.training.population import Members
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import apply
from tests.methods import make_task

IMAGE = np.random.default_rng(0).uniform(size=(24, 8, 8, 1)).astype(np.float32)
TRAIN, NONE = Split(image=IMAGE, label=None), Split(image=IMAGE[:0], label=None)
DATASET = Dataset(name="x", train=TRAIN, validation=NONE, test=NONE, num_classes=None, fingerprint="")
CONV = ConvWinnerTakeAllConfig(
    encoder=Convolutional(widths=(), strides=(1,), kernel_size=3),
    decoder_kernel_size=3,
    latent_size=3,
    pool=4,
    two_sided=True,
    second=ConvLayerAbove(latent_size=5, pool_below=2, rate=0.2, pool=2),
    third=ConvLayerAbove(latent_size=2, pool_below=3, pool=2),
)
PATCHES = PlainConfig(
    encoder=Dense(widths=()),
    latent_size=4,
    likelihood=HalfSquaredError(output="identity"),
    patches=PatchesConfig(
        size=3,
        fitted_to=200,
        threshold=0.1,
        second=LayerAbove(units=6, window_below=2, stride_below=2, groups=2, group_size=5, fitted_to=150, grid=1),
    ),
)
THIRD = LayerAbove(units=5, window_below=1, stride_below=1, pool_below="mean", fitted_to=100, grid=1)


def with_patches(**changes):
    """The autoencoder of patches with other fields of them."""
    return dataclasses.replace(PATCHES, patches=dataclasses.replace(PATCHES.patches, **changes))


DEEP = with_patches(third=THIRD)
LOCAL = jax.device_put(make_resident(DATASET, "none"))


def config_of(family):
    """A config with weight decay and an average: neither may touch what a stage does not train."""
    optimizer = AdamW(learning_rate=1e-2, weight_decay=0.1, averaging=0.9)
    return Config(autoencoder=family, optimizer=optimizer, training=TrainingConfig(epochs=2, batch_size=8))


@functools.cache
def trained(family, chunk=1):
    """Returns (task, its states before and after each chunk of so many epochs): two epochs of every stage."""
    task = make_task("autoencoder", (8, 8, 1), None)(config_of(family))
    run = jax.jit(lambda state: fit(task, LOCAL, state=state, num_epochs=chunk).state)
    states = [fit(task, LOCAL, num_epochs=0).state]
    while states[-1].epoch < task.epochs:
        states.append(run(states[-1]))
    return task, states


def moved(before, after):
    """The first names of the parameters that changed."""
    return {
        name
        for name, part in before.params.items()
        if any(np.any(x != y) for x, y in zip(*map(jax.tree.leaves, (part, after.params[name])), strict=True))
    }


@pytest.mark.parametrize(
    ("family", "first"),
    [(CONV, {"maps", "decoder"}), pytest.param(DEEP, {"latent", "decoder"}, marks=pytest.mark.slow)],
)
def test_each_stage_changes_its_own_layer_alone(family, first):
    states = trained(family)[1][::2]
    for layer, (before, after) in zip((first, {"second"}, {"third"}), itertools.pairwise(states), strict=True):
        assert moved(before, after) == layer


def test_convolutional_features_are_those_of_each_layer_on_the_maxima_of_the_one_below():
    task, states = trained(CONV)
    params = states[-1].params

    def features_of(family, own, x):
        task = make_task("autoencoder", x.shape[1:], None)(config_of(family))
        return apply(task.model, {"params": own}, x, method="features")

    alone = dataclasses.replace(CONV, second=None, third=None)
    first = {name: params[name] for name in ("maps", "decoder")}
    x, expected = jnp.asarray(IMAGE), [features_of(alone, first, IMAGE)]
    for own, layer in ((first, CONV.second), (params["second"], CONV.third)):
        x = features_of(dataclasses.replace(alone, pool=layer.pool_below), own, x)
        side = -(-8 // 2) if layer is CONV.second else -(-4 // 3)
        x = x.reshape(len(IMAGE), side, side, -1)
        alone = CONV.of_maps(layer)
        own = params["second"] if layer is CONV.second else params["third"]
        expected.append(features_of(alone, own, x))
    actual = apply(task.model, {"params": params}, IMAGE, method="features")
    np.testing.assert_allclose(actual, np.concatenate(expected, axis=1), rtol=1e-5, atol=1e-6)
    last = dataclasses.replace(task.model, config=dataclasses.replace(CONV, features_of="last"))
    np.testing.assert_array_equal(apply(last, {"params": params}, IMAGE, method="features"), actual[:, -4:])
    assert np.count_nonzero(actual) > 0.2 * actual.size


def test_what_a_layer_needs_is_fitted_once_the_layer_below_is_trained():
    """Patches of the trained maps are white and of mean 0 to the second layer, and stay so."""
    task, states = trained(DEEP)
    begun, *stages, _, last = [state.collections["patches"]["second"] for state in states]
    fitted = last
    jax.tree.map(np.testing.assert_array_equal, stages[1], begun)
    for later in stages[2:]:
        jax.tree.map(np.testing.assert_array_equal, later, fitted)
    assert np.any(begun["group"]["whitening"]["mean"] != fitted["group"]["whitening"]["mean"])
    assert fitted["maps"].shape == (2, 5)
    # A crop of 3 + (2 · 2 - 1) = 6 pixels gives 2 x 2 maps; such crops are 2 pixels apart.
    assert PATCHES.patches.crop(1) == (6, 2)
    variables = states[-1].current_variables()
    crop = some_patches(LOCAL, 150, 6, 2)
    maps = np.asarray(apply(task.model, variables, crop, 0, method="maps"))
    for own in range(2):
        rows = maps[..., fitted["maps"][own]].reshape(len(crop), -1)
        rows = (rows - rows.mean(axis=1)[:, None]) / np.sqrt(rows.var(axis=1) + 1.5e-4)[:, None]
        whitening = Whitening(**jax.tree.map(lambda leaf, own=own: leaf[own], fitted["group"]["whitening"]))
        white = np.asarray(jax.jit(lambda whitening, rows: whitening.apply(rows))(whitening, rows))
        np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
        expected = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
        np.testing.assert_allclose(
            np.linalg.eigvalsh(np.cov(white.T, bias=True)), np.sort(expected / (expected + 0.1)), atol=1e-3
        )


def test_the_maps_of_a_crop_are_those_of_its_place_in_the_image():
    task, states = trained(DEEP)
    variables = states[-1].current_variables()
    for layer, size in ((0, 2), (1, 2)):
        side, step = DEEP.patches.crop(layer + 1)
        whole = apply(task.model, variables, IMAGE, layer, method="maps")
        for row in range(whole.shape[1] - size + 1):
            crop = IMAGE[:, row * step : row * step + side, :side]
            maps = apply(task.model, variables, crop, layer, method="maps")
            np.testing.assert_allclose(maps, whole[:, row : row + size, :size], atol=1e-5)


def test_features_of_patches_are_those_of_all_layers_or_of_the_last():
    task, states = trained(DEEP)
    variables = states[-1].current_variables()
    features = apply(task.model, variables, IMAGE, method="features")
    assert features.shape == (24, 4 * 8 + 12 + 10)
    last = dataclasses.replace(task.model, config=with_patches(third=THIRD, features_of="last"))
    np.testing.assert_array_equal(apply(last, variables, IMAGE, method="features"), features[:, -10:])
    # By hand: of the second layer, the units of the first group.
    maps = np.asarray(apply(task.model, variables, IMAGE, 0, method="maps"))
    own, shared = jax.device_get((variables["params"]["second"]["group"], variables["patches"]["second"]))
    rows = []
    for row, column in itertools.product(range(2), range(2)):
        patch = maps[:, row : row + 2, column : column + 2][..., shared["maps"][0]].reshape(24, -1)
        patch = (patch - patch.mean(axis=1)[:, None]) / np.sqrt(patch.var(axis=1) + 1.5e-4)[:, None]
        white = (patch - shared["group"]["whitening"]["mean"][0]) @ shared["group"]["whitening"]["forward"][0]
        rows.append(white @ own["latent"]["kernel"][0] + own["latent"]["bias"][0])
    expected = np.sum([np.maximum(row - 0.25, 0) for row in rows], axis=0)
    np.testing.assert_allclose(features[:, 32:35], expected, rtol=1e-3, atol=1e-4)


def test_maps_that_are_copies_of_each_other_fall_into_one_group():
    generator = np.random.default_rng(0)
    sources = np.abs(generator.normal(size=(500, 4)))
    copy = generator.permutation(np.repeat(np.arange(4), 3))
    groups = jax.jit(similar_maps, static_argnums=(1, 2, 3))(jnp.asarray(sources[:, copy], jnp.float32), 6, 3, 0.1)
    for maps in np.asarray(groups):
        assert len(set(copy[maps].tolist())) == 1
        assert len(set(maps.tolist())) == 3


@pytest.mark.slow
def test_a_population_of_stacks_is_its_members_alone():
    (population,) = group(expand(config_of(PATCHES), grid("seed", [0, 1])))
    task = make_task("autoencoder", (8, 8, 1), None)
    (together,) = train(Members(population.members), task, LOCAL, write=lambda *_: None, description="").states
    for index, member in enumerate(population.members):
        (alone,) = train(Members([member]), task, LOCAL, write=lambda *_: None, description="").states
        for one, many in zip(jax.tree.leaves(alone), jax.tree.leaves(together), strict=True):
            np.testing.assert_array_equal(one[0], many[index])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "alone"), [(DEEP, with_patches(second=None)), (CONV, dataclasses.replace(CONV, second=None, third=None))]
)
def test_layers_above_change_nothing_below(family, alone):
    """The first layer of a stack is bitwise the layer alone."""
    first, expected = trained(family)[1][2], trained(alone)[1][-1]
    assert "second" not in expected.params
    jax.tree.map(np.testing.assert_array_equal, expected.params, {n: first.params[n] for n in expected.params})


@pytest.mark.slow
@pytest.mark.parametrize("family", [DEEP, CONV])
def test_cutting_a_stack_into_chunks_changes_nothing(family):
    """A run that goes on amid a stage does not fit again what its layer needs."""
    whole, cut = (trained(family, chunk)[1][-1] for chunk in (6, 1))
    jax.tree.map(np.testing.assert_array_equal, whole, cut)
    assert whole.epoch == 6


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="there is a third layer, and no second one"):
        check(config_of(dataclasses.replace(CONV, second=None)))
    large = dataclasses.replace(CONV, third=ConvLayerAbove(pool_below=5))
    with pytest.raises(DataError, match=r"autoencoder.third.pool_below=5 does not fit x: the maps below are 4 x 4"):
        check_data(config_of(large), DATASET)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"window_below": 7}, "second.window_below=7 is more than the 6 x 6 places below"),
        ({"size": 4}, "second.size=4 is more than the maps' 3 x 3 places"),
        ({"group_size": 9}, "second.group_size=9 is more than the 8 maps below"),
        ({"units": 7}, "second.groups=2 cannot share units=7 evenly"),
        ({"grid": 3}, "second.grid=3 has more cells than the 2 x 2 places of a patch"),
    ],
)
def test_patches_of_maps_that_do_not_fit_are_refused(second, message):
    config = config_of(with_patches(second=dataclasses.replace(PATCHES.patches.second, **second)))
    with pytest.raises(DataError, match=re.escape(f"autoencoder.patches does not fit x: {message}")):
        check_data(config, DATASET)


def test_families_and_layers_that_do_not_go_together_are_refused():
    patches = PATCHES.patches
    for family, message in (
        (with_patches(second=None, third=THIRD), "patches: there is a third layer, and no second one"),
        (VqVaeConfig(patches=patches), "'vq_vae' can only be trained in one layer"),
        (
            KSparseConfig(patches=patches, k=4, latent_size=9),
            "groups of 3 units, with autoencoder=k_sparse: k=4",
        ),
        (dataclasses.replace(CONV, patches=patches), "its layers above are of images"),
    ):
        with pytest.raises(ConfigError, match=message):
            check(config_of(family))
