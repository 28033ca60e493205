"""Families that hide squares: what is seen, what the loss is of, and what cannot be."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.autoencoders.masked import MaskedConfig
from aejax.autoencoders.simmim import SimMimConfig
from aejax.config import override
from aejax.data.resident import Batch
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check, check_data
from aejax.networks.convolutional import Convolutional
from aejax.networks.masks import take_squares, to_squares
from aejax.networks.named import blocks, layer_shapes
from aejax.networks.vit import ViT
from aejax.objectives.likelihoods import Laplace
from aejax.training.flops import matmul_flops
from tests.autoencoders.families import initialize

IMAGE = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 8, 12, 2)), jnp.float32)
NETWORK = ViT(patch_size=2, width=8, depth=1, heads=2)
MASKED = MaskedConfig(encoder=NETWORK, latent_size=8, decoder_width=4, decoder_depth=1)
SMALL = {
    "masked": dataclasses.replace(MASKED, normalize=False),
    "normalized": dataclasses.replace(MASKED, pool="cls"),
    "simmim": SimMimConfig(encoder=Convolutional(widths=(3,)), latent_size=4, patch_size=2, likelihood=Laplace()),
}
HIDDEN = {"masked": 18, "normalized": 18, "simmim": 14}  # Of 24 squares.


@functools.cache
def begun(name):
    """A family's model and variables: none is zero, so that a learned color counts."""
    model, variables = initialize(SMALL[name], IMAGE)
    return model, jax.tree.map(lambda leaf: leaf + 0.01, variables)


@functools.cache
def program(name, function):
    """A function of a family's bound model and of arrays, compiled."""
    model, variables = begun(name)
    return jax.jit(lambda *arrays: model.apply(variables, *arrays, method=function))


def masks_of(model):
    return model.draw(3, train=False)


def seen_and_predicted(model, image):
    """The masks of evaluation, what the network says of the hidden squares, the targets, and the loss."""
    masks = masks_of(model)
    output = model.predict(image, masks, train=False)
    loss = model.terms(Batch(image, None), train=False)["reconstruction"]
    return masks, output, model.target(image, masks), loss


def squares(image):
    return np.asarray(to_squares(jnp.asarray(image), 2))


@pytest.mark.parametrize("name", SMALL)
def test_the_loss_is_of_hidden_squares_alone(name):
    masks, output, _, loss = jax.device_get(program(name, seen_and_predicted)(IMAGE))
    assert masks.hidden.shape == (3, HIDDEN[name])
    target = np.take_along_axis(squares(IMAGE), masks.hidden[:, :, None, None, None], axis=1).astype(np.float64)
    if name == "normalized":
        mean = target.mean(axis=(2, 3, 4), keepdims=True)
        target = (target - mean) / np.sqrt(((target - mean) ** 2).mean(axis=(2, 3, 4), keepdims=True) + 1e-6)
    predicted = output.reshape(target.shape).astype(np.float64)
    if name == "simmim":
        error = np.abs(target - 1 / (1 + np.exp(-predicted))) / 0.1 + np.log(2 * 0.1)
    else:
        error = (target - predicted) ** 2 / 2
    np.testing.assert_allclose(loss, error.sum(axis=(1, 2, 3, 4)), rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_visible_pixels_are_no_targets(name):
    def of_targets(model, seen, image):
        masks = masks_of(model)
        output = model.predict(seen, masks, train=False)
        return masks.is_hidden, model.compare(output, model.target(image, masks), train=False).sum()

    def gradient(model, image):
        (_, is_hidden), slope = jax.value_and_grad(
            lambda image: of_targets(model, jax.lax.stop_gradient(image), image)[::-1], has_aux=True
        )(image)
        return is_hidden, slope

    is_hidden, slope = jax.device_get(program(name, gradient)(IMAGE))
    own = np.abs(squares(slope)).max(axis=(2, 3, 4))
    np.testing.assert_array_equal(own[~is_hidden], 0)
    assert np.all(own[is_hidden] > 0)


@pytest.mark.parametrize("name", SMALL)
def test_what_is_predicted_does_not_depend_on_hidden_pixels(name):
    masks, output, *_ = jax.device_get(program(name, seen_and_predicted)(IMAGE))
    for changed, same in ((masks.is_hidden, True), (~masks.is_hidden, False)):
        pixels = np.repeat(np.repeat(np.asarray(changed).reshape(3, 4, 6), 2, axis=1), 2, axis=2)[..., None]
        other = program(name, seen_and_predicted)(jnp.where(pixels, 1 - IMAGE, IMAGE))[1]
        assert np.allclose(output, other, rtol=1e-6, atol=1e-6) == same


def test_the_encoder_is_given_the_visible_tokens_alone_and_takes_less_the_fewer_they_are():
    def tokens(model, image):
        masks = masks_of(model)
        return masks.is_hidden, model.encoder(image, visible=masks.visible)

    is_hidden, before = jax.device_get(program("masked", tokens)(IMAGE))
    assert before.shape == (3, 6, 8)
    pixels = np.repeat(np.repeat(is_hidden.reshape(3, 4, 6), 2, axis=1), 2, axis=2)[..., None]
    np.testing.assert_array_equal(program("masked", tokens)(jnp.where(pixels, 7.0, IMAGE))[1], before)

    def flops(ratio):
        model, variables = initialize_shapes(dataclasses.replace(SMALL["masked"], ratio=ratio))
        return matmul_flops(lambda variables: model.apply(variables, IMAGE, method=tokens)[1], variables)

    counts = np.array([flops(ratio) for ratio in (0.25, 0.5, 0.75)])
    # Of t tokens of width 8: patches and blocks, 2 · 8 · t · (8 + (3 + 1 + 4 + 4) · 8), and attention, 4 · 8 · t².
    visible = np.array([18, 12, 6])
    np.testing.assert_array_equal(counts, 3 * (2 * 8 * visible * (8 + 12 * 8) + 4 * 8 * visible**2))


def initialize_shapes(family):
    model = begun("masked")[0].clone(config=family)
    return model, begun("masked")[1]


@pytest.mark.parametrize("name", SMALL)
def test_a_square_is_reconstructed_from_others(name):
    """Its own pixels change no more than its mean and deviation, where these are given back."""
    model, variables = begun(name)
    reconstruct = jax.jit(lambda image: model.apply(variables, image, method="reconstruct"))
    before = np.asarray(reconstruct(IMAGE))
    assert before.shape == IMAGE.shape
    changed = IMAGE.at[:, :2, 4:6].set(1 - IMAGE[:, :2, 4:6] if name != "normalized" else 2 * IMAGE[:, :2, 4:6] + 1)
    difference = squares(reconstruct(changed)) - squares(before)
    if name == "normalized":
        own = squares(before)[:, 2]
        mean = squares(IMAGE)[:, 2].mean(axis=(1, 2, 3), keepdims=True)
        np.testing.assert_allclose(difference[:, 2], own + 1, rtol=1e-3, atol=1e-3)
        assert np.all(np.abs(own - mean) > 0)
    else:
        np.testing.assert_allclose(difference[:, 2], 0, atol=1e-6)
    assert np.abs(difference).max() > 1e-6


@pytest.mark.parametrize("pool", ["mean", "cls"])
def test_the_latent_is_the_mean_of_all_tokens_or_the_one_before_them(pool):
    model, variables = begun("masked" if pool == "mean" else "normalized")
    tokens = jax.jit(lambda image: model.apply(variables, image, method=lambda model, x: model.encoder(x)))(IMAGE)
    latent = jax.jit(lambda image: model.apply(variables, image, method="encode"))(IMAGE)
    assert tokens.shape[1] == (24 if pool == "mean" else 25)
    expected = np.asarray(tokens).mean(axis=1) if pool == "mean" else np.asarray(tokens)[:, 0]
    np.testing.assert_allclose(latent, expected, rtol=1e-5, atol=1e-5)
    decoded = jax.jit(lambda latent: model.apply(variables, latent, method="decode"))(latent)
    assert decoded.shape == IMAGE.shape
    assert np.ptp(np.asarray(decoded), axis=0).max() > 0  # It depends on the latent.
    names = list(layer_shapes(model, IMAGE.shape[1:], "features"))
    first = ["encoder/patches"] + ([] if pool == "mean" else ["encoder/class_token"])
    assert blocks(names) == [*first, "encoder/Block_0", "encoder/LayerNorm_0"]


def test_masks_are_drawn_anew_in_training_and_are_the_same_outside():
    model, variables = begun("masked")

    def draw(key, num, train):
        return model.apply(variables, num, train=train, method="draw", rngs={"noise": key}).hidden

    keys = jax.random.split(jax.random.key(1), 2)
    anew = [np.asarray(draw(key, 3, True)) for key in keys]
    assert np.any(anew[0] != anew[1])
    same = [np.asarray(draw(key, num, False)) for key, num in zip(keys, (3, 7), strict=True)]
    np.testing.assert_array_equal(same[0], same[1][:3])  # However many images there are beside it.
    assert np.any(same[0][0] != same[0][1])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"encoder.width": 64}, "latent_size=128 and encoder.width=64, .* set both alike"),
        ({"decoder_width": 30}, "decoder_width=30 must be a multiple of 4 .* encoder.heads=4"),
        ({"likelihood": "bernoulli"}, "autoencoder.normalize=true gives targets outside"),
        ({"ratio": 1.0}, "autoencoder.ratio: "),
        ({"decoder": "dense"}, "autoencoder.decoder"),
    ],
)
def test_fields_that_do_not_go_together_are_one_line(changes, says):
    fields = {f"autoencoder.{name}": value for name, value in changes.items()}
    with pytest.raises(ConfigError, match=says) as error:
        check(override(Config(autoencoder=MaskedConfig()), fields))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("family", "says"),
    [
        (MaskedConfig(encoder=ViT(patch_size=3)), "autoencoder.encoder=vit does not fit .* such as 6, 9"),
        (SimMimConfig(patch_size=3), "hidden squares are 3 pixels high and wide, so .* such as 6, 9"),
        (MaskedConfig(ratio=0.9), "autoencoder=masked does not fit .* ratio=0.9 hides all 4 squares .* at most 0.75"),
        (SimMimConfig(ratio=0.1), "ratio=0.1 hides none of the 4 squares of an image; use at least 0.25"),
        (SimMimConfig(patch_size=8), "a square of 8 pixels is the whole image"),
    ],
)
def test_squares_that_images_do_not_have_are_one_line(family, says, dataset):
    with pytest.raises(DataError, match=says) as error:
        check_data(Config(autoencoder=family), dataset)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", SMALL)
def test_networks_compute_in_the_type_of_their_parameters(name):
    model, variables = begun(name)
    low = optax.tree.cast(variables, jnp.bfloat16)
    _, output, target, loss = jax.eval_shape(lambda low: model.apply(low, IMAGE, method=seen_and_predicted), low)
    assert (output.dtype, target.dtype, loss.dtype) == (jnp.bfloat16, jnp.float32, jnp.float32)


def test_targets_are_whole_squares():
    masks, _, target, _ = jax.device_get(program("masked", seen_and_predicted)(IMAGE))
    np.testing.assert_array_equal(target, take_squares(IMAGE, jnp.asarray(masks.hidden), 2))
