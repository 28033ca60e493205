"""Codes that are sparse by selection: how many units they keep, in training and outside, and what revives dead ones."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.batch_top_k import BatchTopKConfig
from aejax.autoencoders.conv_winner_take_all import ConvWinnerTakeAllConfig
from aejax.autoencoders.k_sparse import KSparseConfig
from aejax.autoencoders.winner_take_all import WinnerTakeAllConfig
from aejax.config import override
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.evaluation.classifier import Classifier
from aejax.experiment import Config, check
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.objectives.likelihoods import HalfSquaredError, MeanSquaredError
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import fit, fit_population, initialize

IMAGE = np.random.default_rng(0).uniform(size=(20, 8, 8, 1)).astype(np.float32)
GAUSSIAN = HalfSquaredError(output="identity")


@functools.partial(jax.jit, static_argnames=("model", "method", "train", "mutable"))
def apply(model, variables, x, method, **arguments):
    """Calls a method of the model, compiled: faster than one operation after another."""
    return model.apply(variables, x, method=method, **arguments)


def encode(model, variables, *, train):
    """Returns the code and the collections after it."""
    return apply(model, variables, IMAGE, "encode", train=train, mutable=("activity",) if train else ())


def step(model, variables):
    """Returns the terms of a training step and the variables after it, but for the parameters' update."""
    terms, collections = apply(model, variables, Batch(IMAGE, None), "terms", train=True, mutable=("activity",))
    return terms, {**variables, **collections}


def test_k_sparse_keeps_the_largest_units_of_each_image():
    model, variables = initialize(KSparseConfig(latent_size=30, k=3, inference_k=6), IMAGE)
    dense = np.asarray(apply(model, variables, IMAGE, "preactivate"))
    for train, k in ((True, 3), (False, 6)):
        latent, _ = encode(model, variables, train=train)
        assert (np.count_nonzero(latent, axis=1) == k).all()
        np.testing.assert_array_equal(latent, np.where(dense >= np.sort(dense, axis=1)[:, -k, None], dense, 0))
    model, variables = initialize(KSparseConfig(latent_size=30, k=3), IMAGE)
    assert (np.count_nonzero(encode(model, variables, train=False)[0], axis=1) == 3).all()


@pytest.mark.parametrize("family", [KSparseConfig(latent_size=30), BatchTopKConfig(latent_size=30)])
def test_members_that_keep_different_numbers_are_one_population(family, data):
    metrics = fit_population(family, "k", [2, 4, 8], data)
    loss = metrics["train_reconstruction"]
    assert (loss[:, -1] < loss[:, 0]).all()
    assert loss[0, -1] > loss[1, -1] > loss[2, -1]


REVIVING = KSparseConfig(
    latent_size=12,
    k=3,
    auxiliary_weight=0.25,
    auxiliary_k=2,
    dead_after=5,
    likelihood=GAUSSIAN,
    encoder=Dense(widths=()),
)


def auxiliary(model, variables):
    return apply(model, variables, Batch(IMAGE, None), "terms", train=False)["auxiliary"]


def test_auxk_is_that_of_gao_for_a_linear_decoder():
    """½‖e − W z‖² with e = x − x̂ and z the `auxiliary_k` largest of the dead units (Gao et al., 2024, A.2)."""
    model, variables = initialize(REVIVING, IMAGE)
    dead = np.isin(np.arange(12), [1, 4, 5, 9])
    variables["activity"]["idle_steps"] = jnp.where(dead, 5, 4)
    dense = np.asarray(apply(model, variables, IMAGE, "preactivate"))
    candidates = np.where(dead, dense, -np.inf)
    code = np.where(candidates >= np.sort(candidates, axis=1)[:, -2, None], candidates, 0)
    assert (np.count_nonzero(code, axis=1) == 2).all()
    error = IMAGE - apply(model, variables, IMAGE, "reconstruct")
    estimate = code @ variables["params"]["decoder"]["Dense_0"]["kernel"]
    expected = 0.25 * 0.5 * np.sum((error.reshape(20, 64) - estimate) ** 2, axis=1)
    np.testing.assert_allclose(auxiliary(model, variables), expected, rtol=1e-5)


def test_auxk_teaches_dead_units_alone_and_is_nothing_without_them():
    model, variables = initialize(REVIVING, IMAGE)

    def gradient(idle_steps):
        def loss(params):
            return auxiliary(model, {"params": params, "activity": {"idle_steps": idle_steps}}).sum()

        value, gradient = jax.jit(jax.value_and_grad(loss))(variables["params"])
        return value, gradient["latent"]["kernel"], gradient["decoder"]["Dense_0"]["kernel"]

    value, encoder, decoder = gradient(jnp.asarray([5, 9, 0, 4, 5] + [0] * 7))
    assert value > 0
    assert np.flatnonzero(np.any(encoder != 0, axis=0)).tolist() == [0, 1, 4]
    assert np.flatnonzero(np.any(decoder != 0, axis=1)).tolist() == [0, 1, 4]
    for part in gradient(jnp.full(12, 4)):
        np.testing.assert_array_equal(part, 0)
    # One dead unit, although two are wanted: no other takes the place.
    _, encoder, _ = gradient(jnp.asarray([5] + [0] * 11))
    assert np.flatnonzero(np.any(encoder != 0, axis=0)).tolist() == [0]


def test_units_are_dead_after_steps_in_which_no_image_kept_them():
    model, variables = initialize(dataclasses.replace(REVIVING, dead_after=3), IMAGE)
    # No image can keep the last three units, and every image keeps the first.
    bias = jnp.asarray([1e3] + [0.0] * 8 + [-1e3] * 3)
    variables["params"]["latent"]["bias"] = bias
    for count in (1, 2, 3):
        terms, variables = step(model, variables)
        idle = np.asarray(variables["activity"]["idle_steps"])
        kept = np.any(encode(model, variables, train=False)[0] != 0, axis=0)
        np.testing.assert_array_equal(idle, np.where(kept, 0, count))
        assert kept[0]
        assert not kept[-3:].any()
        assert (np.asarray(terms["auxiliary"]) > 0).all() == (count == 3)
    variables["params"]["latent"]["bias"] = -bias
    _, variables = step(model, variables)
    assert variables["activity"]["idle_steps"][-3:].tolist() == [0, 0, 0]
    assert variables["activity"]["idle_steps"][0] == 1


def test_unit_norm_holds_from_tied_vectors_on_and_turns_them_only():
    """The gradient of a vector that is divided by its norm has nothing along it (Gao et al., 2024, A.1)."""
    model, variables = initialize(dataclasses.replace(REVIVING, unit_norm=True), IMAGE)
    variables = model.init_from_data(variables, None)
    encoder = np.asarray(variables["params"]["latent"]["kernel"]).T
    draws = jax.jit(lambda variables, code: model.apply(variables, code, method="decode").reshape(-1, 64))

    def vectors(variables):
        return np.asarray(draws(variables, jnp.eye(12)) - draws(variables, jnp.zeros((1, 12))))

    np.testing.assert_allclose(vectors(variables), encoder / np.linalg.norm(encoder, axis=1, keepdims=True), atol=1e-6)
    loss = lambda params: jnp.sum(draws({**variables, "params": params}, jnp.ones((1, 12))) ** 3)  # noqa: E731
    gradient = jax.tree.map(np.asarray, jax.jit(jax.grad(loss))(variables["params"]))["decoder"]
    (kernel,) = (leaf for leaf in jax.tree.leaves(gradient) if leaf.ndim == 2)
    assert np.abs(kernel).max() > 0.1
    np.testing.assert_allclose(np.sum(kernel * encoder, axis=1), 0, atol=1e-5)

    config = Config(
        autoencoder=dataclasses.replace(REVIVING, unit_norm=True), training=TrainingConfig(epochs=3, batch_size=10)
    )
    _, _, trained, _ = fit(config, IMAGE)
    np.testing.assert_allclose(np.linalg.norm(vectors(trained), axis=1), 1, rtol=1e-5)
    assert not np.allclose(vectors(trained), vectors(variables), atol=1e-3)


def test_only_auxk_has_a_second_term():
    plain = KSparseConfig(likelihood=MeanSquaredError())
    check(Config(autoencoder=plain))
    assert plain.term_names() == ("reconstruction",)
    reviving = dataclasses.replace(plain, auxiliary_weight=0.03125)
    assert reviving.term_names() == ("reconstruction", "auxiliary")
    with pytest.raises(ConfigError, match="other terms of 'k_sparse' \\(auxiliary\\); use half_squared_error"):
        check(Config(autoencoder=reviving))


def test_batch_top_k_keeps_k_units_on_average_and_remembers_a_threshold():
    model, variables = initialize(BatchTopKConfig(latent_size=30, k=4), IMAGE)
    dense = np.maximum(apply(model, variables, IMAGE, "preactivate"), 0)
    np.testing.assert_array_equal(encode(model, variables, train=False)[0], dense)

    latent, collections = encode(model, variables, train=True)
    counts = np.count_nonzero(latent, axis=1)
    assert counts.sum() == 4 * 20
    assert counts.min() < 4 < counts.max()
    first = np.asarray(latent)[np.asarray(latent) > 0].min()
    np.testing.assert_array_equal(latent, np.where(dense >= first, dense, 0))
    assert collections["activity"]["threshold"] == first

    # The codes of all images half as large: the threshold of the next step is half as high.
    halved = {"params": {**variables["params"], "latent": jax.tree.map(lambda x: x / 2, variables["params"]["latent"])}}
    _, collections = encode(model, {**halved, **collections}, train=True)
    threshold = float(collections["activity"]["threshold"])
    np.testing.assert_allclose(threshold, 0.1 * first + 0.9 * first / 2, rtol=1e-5)
    latent, _ = encode(model, {**variables, **collections}, train=False)
    np.testing.assert_array_equal(latent, np.where(dense >= threshold, dense, 0))
    # Where nothing is positive there is no threshold to learn from.
    silent = {**variables["params"], "latent": jax.tree.map(jnp.zeros_like, variables["params"]["latent"])}
    _, after = encode(model, {"params": silent, **collections}, train=True)
    assert after["activity"]["threshold"] == threshold
    # Late in training a step counts for a hundredth.
    late = {"activity": {"threshold": jnp.float32(first), "num_averaged": jnp.int32(5000)}}
    _, after = encode(model, {**halved, **late}, train=True)
    np.testing.assert_allclose(after["activity"]["threshold"], 0.995 * first, rtol=1e-5)


@pytest.mark.parametrize(("rate", "winners"), [(0.01, 1), (0.1, 2), (0.15, 3), (1.0, 20)])
def test_winner_take_all_keeps_a_share_of_the_images_of_each_unit(rate, winners):
    model, variables = initialize(WinnerTakeAllConfig(latent_size=30, rate=rate), IMAGE)
    dense = np.maximum(apply(model, variables, IMAGE, "preactivate"), 0)
    latent, _ = encode(model, variables, train=True)
    positive = np.count_nonzero(dense, axis=0)
    np.testing.assert_array_equal(np.count_nonzero(latent, axis=0), np.minimum(positive, winners))
    np.testing.assert_array_equal(latent, np.where(dense >= np.sort(dense, axis=0)[-winners][None], dense, 0))
    np.testing.assert_array_equal(encode(model, variables, train=False)[0], dense)


CONV = ConvWinnerTakeAllConfig(
    encoder=Convolutional(widths=(4,), strides=(1,)), latent_size=5, decoder_kernel_size=3, rate=0.1, pool=3
)


def test_a_map_keeps_its_largest_place_and_in_training_its_largest_images():
    model, variables = initialize(CONV, IMAGE)
    maps = np.maximum(apply(model, variables, IMAGE, "preactivate"), 0)
    assert maps.shape == (20, 8, 8, 5)
    winners = maps.max(axis=(1, 2))
    assert np.count_nonzero(winners, axis=0).min() > 2
    spatial = np.where(maps == winners[:, None, None], maps, 0)
    np.testing.assert_array_equal(encode(model, variables, train=False)[0], spatial.reshape(20, -1))
    latent, _ = encode(model, variables, train=True)
    assert np.count_nonzero(latent.reshape(20 * 64, 5), axis=0).tolist() == [2] * 5
    lasting = np.where(winners >= np.sort(winners, axis=0)[-2][None], winners, 0)
    np.testing.assert_array_equal(latent.reshape(20, 64, 5).max(axis=1), lasting)
    without = initialize(dataclasses.replace(CONV, rate=None), IMAGE)[0]
    np.testing.assert_array_equal(encode(without, variables, train=True)[0], spatial.reshape(20, -1))

    # Of 8 pixels, windows of 3 are 3, centered.
    padded = np.pad(maps, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=-np.inf)
    pooled = padded.reshape(20, 3, 3, 3, 3, 5).max(axis=(2, 4))
    np.testing.assert_array_equal(apply(model, variables, IMAGE, "features"), pooled.reshape(20, -1))


def test_two_sided_features_are_those_of_the_maps_and_of_their_negatives():
    # A single layer: its filters see the pixels.
    config = dataclasses.replace(CONV, encoder=Convolutional(widths=(), strides=(1,)), two_sided=True, pool=8)
    model, variables = initialize(config, IMAGE)
    assert set(variables["params"]) == {"maps", "decoder"}
    maps = apply(model, variables, IMAGE, "preactivate")
    expected = np.concatenate([maps.max(axis=(1, 2)), -maps.min(axis=(1, 2))], axis=1)
    np.testing.assert_array_equal(apply(model, variables, IMAGE, "features"), np.maximum(expected, 0))


def test_a_winner_draws_its_maps_kernel_at_its_place():
    model, variables = initialize(CONV, IMAGE)
    code = np.zeros((1, 8, 8, 5), np.float32)
    code[0, 2, 5, 3] = 7
    drawn, empty = (
        apply(model, variables, x.reshape(1, -1), "decode")[0, :, :, 0] for x in (code, np.zeros_like(code))
    )
    expected = np.zeros((8, 8))
    expected[1:4, 4:7] = 7 * variables["params"]["decoder"]["kernel"][:, :, 0, 3]
    np.testing.assert_allclose(drawn - empty, expected, atol=1e-6)


@pytest.mark.parametrize("family", [WinnerTakeAllConfig(latent_size=30), CONV])
def test_the_supervised_baseline_learns_from_codes_without_sparsity(family):
    model, variables = initialize(family, IMAGE)
    classifier = Classifier(model, 4)
    label = jnp.zeros(20, jnp.int32)
    init = jax.jit(lambda key: classifier.init(key, Batch(IMAGE, label), train=False, method="terms"))
    params = init(jax.random.key(0))["params"]
    assert jax.tree.structure(params["autoencoder"]) == jax.tree.structure(
        {name: part for name, part in variables["params"].items() if name != "decoder"}
    )
    trained = apply(classifier, {"params": params}, IMAGE, "encode", train=True)
    tested = apply(model, {"params": params["autoencoder"]}, IMAGE, "features")
    np.testing.assert_array_equal(trained, tested)
    assert np.count_nonzero(tested) > 0.3 * tested.size


@pytest.mark.parametrize("family", [REVIVING, BatchTopKConfig(latent_size=12, k=3)])
def test_steps_in_bfloat16_leave_what_is_counted_as_it_is(family):
    config = Config(autoencoder=family, training=TrainingConfig(epochs=1, batch_size=10, precision="bfloat16"))
    _, _, variables, metrics = fit(config, IMAGE)
    assert np.isfinite(metrics["train_loss"]).all()
    for leaf in jax.tree.leaves(variables):
        assert leaf.dtype in (jnp.float32, jnp.int32)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (KSparseConfig(latent_size=10), "autoencoder=k_sparse: k=25 is more than the 10 units"),
        (KSparseConfig(latent_size=10, k=2, inference_k=11), "inference_k=11 is more than the 10 units"),
        (KSparseConfig(latent_size=31, auxiliary_weight=0.1), "auxiliary_k=32 is more than the 31 units"),
        (KSparseConfig(unit_norm=True, encoder=Dense(widths=(20,))), "unit_norm is for one layer on either side"),
        (KSparseConfig(unit_norm=True, decoder=Dense(widths=(20,))), "unit_norm is for one layer on either side"),
        (BatchTopKConfig(latent_size=10), "autoencoder=batch_top_k: k=25 is more than the 10 units"),
        (ConvWinnerTakeAllConfig(encoder=Convolutional(strides=(1, 2))), r"encoder.strides=\[1, 2\], but its maps"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(family, message):
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=family))


def test_what_makes_sense_is_not_refused():
    check(Config(autoencoder=KSparseConfig(latent_size=30)))  # Without AuxK its number of units is asked by nobody.
    check(Config(autoencoder=ConvWinnerTakeAllConfig()))


@pytest.mark.parametrize("field", ["encoder", "decoder"])
def test_a_convolutional_code_has_no_choice_of_network(field):
    config = Config(autoencoder=ConvWinnerTakeAllConfig())
    with pytest.raises(ConfigError, match=f"autoencoder.{field}"):
        override(config, {f"autoencoder.{field}": "resnet"})
