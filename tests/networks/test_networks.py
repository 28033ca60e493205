"""What every network must do, and what is particular to one."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.networks.layers import ACTIVATIONS, INITIALIZERS, max_pool
from aejax.networks.lenet import LeNet
from aejax.networks.residual import Residual
from aejax.networks.vit import ViT, sincos_positions
from aejax.networks.zoo import NETWORKS, Mirror, examples_at_once, make_decoder, make_encoder

IMAGE = jnp.asarray(np.random.default_rng(0).normal(size=(3, 8, 4, 2)), jnp.float32)
SMALL = {
    "dense": Dense(widths=(7, 6)),
    "conv": Convolutional(widths=(3, 5), strides=(2, 1)),
    "resnet": Residual(widths=(4, 6), groups=2),
    "lenet": LeNet(widths=(3, 5), kernel_size=3),
    "vit": ViT(width=8, heads=2, depth=2),
}
BARE = Convolutional(widths=())  # The latent sees the pixels.
NORMS = [
    Residual(widths=(4,), norm="batch"),
    pytest.param(Residual(widths=(4,), norm="none"), marks=pytest.mark.slow),
    pytest.param(LeNet(widths=(3,), norm="none"), marks=pytest.mark.slow),
]


def test_every_network_is_tested():
    assert set(SMALL) == set(NETWORKS)


@pytest.mark.parametrize("config", [*SMALL.values(), *NORMS], ids=lambda config: config.kind)
def test_every_network_encodes_mirrors_and_trains_in_bfloat16(config):
    encoder = make_encoder(config)
    decoder = make_decoder(Mirror(), config, IMAGE.shape[1:])
    features, encoder_variables = jax.jit(encoder.init_with_output)(jax.random.key(0), IMAGE)
    latent = np.asarray(features).reshape(3, -1)[:, :5]
    image, decoder_variables = jax.jit(decoder.init_with_output)(jax.random.key(1), latent)
    assert features.shape[0] == 3
    assert image.shape == IMAGE.shape
    for network, variables, x in ((encoder, encoder_variables, IMAGE), (decoder, decoder_variables, latent)):
        others = {name: value for name, value in variables.items() if name != "params"}

        def loss(params, network=network, others=others, x=x):
            params = optax.tree.cast(params, jnp.bfloat16)
            output, _ = network.apply({"params": params, **others}, x, train=True, mutable=list(others))
            assert output.dtype == jnp.bfloat16  # The type of the parameters, though x is float32.
            return jnp.square(output.astype(jnp.float32) - 0.5).sum()

        for leaf in map(np.asarray, jax.tree.leaves(jax.jit(jax.grad(loss))(variables["params"]))):
            assert leaf.dtype == jnp.float32
            assert np.isfinite(leaf).all()
            assert np.any(leaf)


def test_a_convolutional_network_without_widths_is_a_dense_layer_each_way():
    np.testing.assert_array_equal(make_encoder(BARE).apply({}, IMAGE), IMAGE)
    decoder, latent = make_decoder(Mirror(), BARE, IMAGE.shape[1:]), jnp.asarray([[1.0, -1.0]])
    variables = jax.jit(decoder.init)(jax.random.key(0), latent)
    assert [leaf.shape for leaf in jax.tree.leaves(variables)] == [(64,), (2, 64)]
    decode = jax.jit(decoder.apply)
    image = np.asarray(decode(variables, latent))
    np.testing.assert_allclose(image, -np.asarray(decode(variables, -latent)), atol=1e-6)  # Unbounded on both sides.


def test_a_decoder_may_be_another_network_than_its_encoder():
    decoder = make_decoder(Convolutional(widths=(3,)), Dense(), IMAGE.shape[1:])
    image, _ = jax.jit(decoder.init_with_output)(jax.random.key(0), jnp.ones((2, 5)))
    assert image.shape == (2, 8, 4, 2)


def widths(params):
    return [layer["kernel"].shape for layer in jax.tree.leaves(params, is_leaf=lambda x: "kernel" in x)]


def test_a_dense_encoder_is_its_layers_in_order():
    encoder = make_encoder(Dense(widths=(7, 6), activation="tanh"))
    variables = jax.device_get(jax.jit(encoder.init)(jax.random.key(0), IMAGE))
    layers = variables["params"]["DenseStack_0"]
    hidden = np.asarray(IMAGE).reshape(3, 64)
    for name in ("Dense_0", "Dense_1"):
        hidden = np.tanh(hidden @ layers[name]["kernel"] + layers[name]["bias"][None])
    np.testing.assert_allclose(jax.jit(encoder.apply)(variables, IMAGE), hidden, rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [Dense(widths=(7,), bias=False), Convolutional(widths=(3,), bias=False), LeNet(widths=(3,), bias=False)],
    ids=lambda config: config.kind,
)
def test_without_biases_both_ways_there_are_kernels_alone(config):
    encoder, decoder = make_encoder(config), make_decoder(Mirror(), config, IMAGE.shape[1:])
    for network, x in ((encoder, IMAGE), (decoder, jnp.ones((3, 5)))):
        params = jax.eval_shape(network.init, jax.random.key(0), x)["params"]
        names = {jax.tree_util.keystr(path[-1:]) for path, _ in jax.tree_util.tree_leaves_with_path(params)}
        assert names == {"['kernel']"}


def test_a_lenet_is_convolutions_normalized_activated_and_pooled():
    config = LeNet(widths=(3,), kernel_size=3, activation="relu")
    encoder = make_encoder(config)
    variables = jax.device_get(jax.jit(encoder.init)(jax.random.key(0), IMAGE))
    params = variables["params"]["NormalizedConv_0"]
    norm = params["BatchNorm_0"]
    assert set(params["Conv_0"]) == {"kernel"}  # A bias would be subtracted with the mean.
    maps = jax.lax.conv(
        np.moveaxis(np.asarray(IMAGE), 3, 1), np.transpose(params["Conv_0"]["kernel"], (3, 2, 0, 1)), (1, 1), "SAME"
    )
    maps = np.moveaxis(np.asarray(maps), 1, 3)
    mean, variance = maps.mean(axis=(0, 1, 2)), maps.var(axis=(0, 1, 2))
    x = np.maximum((maps - mean) / np.sqrt(variance + 1e-5) * norm["scale"] + norm["bias"], 0)
    expected = x.reshape(3, 4, 2, 2, 2, 3).max(axis=(2, 4))
    train = jax.jit(lambda variables: encoder.apply(variables, IMAGE, train=True, mutable=["batch_stats"])[0])
    np.testing.assert_allclose(train(variables), expected, rtol=1e-4, atol=1e-5)


def test_the_mirror_of_a_lenet_fills_a_map_with_the_latent_and_doubles_it():
    decoder = make_decoder(Mirror(), LeNet(widths=(8, 4), bias=False), (28, 28, 1))
    params = jax.eval_shape(decoder.init, jax.random.key(0), jnp.ones((2, 32)))["params"]
    kernels = [layer["Conv_0"]["kernel"].shape for name, layer in sorted(params.items()) if "Normalized" in name]
    assert kernels == [(5, 5, 4, 2), (5, 5, 8, 4)]  # 32 numbers are 2 channels of 4 x 4, as in the authors' network.
    assert params["Conv_0"]["kernel"].shape == (5, 5, 1, 8)


def test_a_dense_decoder_has_the_encoders_widths_in_reverse():
    decoder = make_decoder(Mirror(), Dense(widths=(7, 6)), (8, 4, 2))
    params = jax.eval_shape(decoder.init, jax.random.key(0), jnp.ones((2, 3)))["params"]
    assert widths(params["DenseStack_0"]) == [(3, 6), (6, 7)]
    assert widths(params["Dense_0"]) == [(7, 64)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_and_initializer_trains(activation):
    @jax.jit
    def gradients(key, image):
        found = {}
        for initializer in INITIALIZERS:
            encoder = make_encoder(Dense(widths=(4,), activation=activation, initializer=initializer))
            loss = lambda variables: jnp.square(encoder.apply(variables, image)).sum()  # noqa: B023, E731
            found[initializer] = jax.grad(loss)(encoder.init(key, image))
        return found

    for initializer, gradient in jax.device_get(gradients(jax.random.key(0), IMAGE)).items():
        assert all(np.isfinite(leaf).all() and np.any(leaf) for leaf in jax.tree.leaves(gradient)), initializer


def test_batch_statistics_move_in_training_and_are_used_outside():
    encoder = make_encoder(Residual(widths=(4,), norm="batch"))
    variables = jax.jit(encoder.init)(jax.random.key(0), IMAGE)
    image = 3 * np.asarray(IMAGE) + 1
    train = jax.jit(lambda variables: encoder.apply(variables, image, train=True, mutable=["batch_stats"]))
    trained, updates = train(variables)
    before, after = (jax.tree.leaves(jax.device_get(tree["batch_stats"])) for tree in (variables, updates))
    assert all(np.any(new != old) for new, old in zip(after, before, strict=True))
    outside = jax.jit(encoder.apply)({"params": variables["params"], **updates}, image)
    assert np.abs(np.asarray(trained) - outside).max() > 0.01  # Statistics of this batch there, running ones here.


@pytest.mark.parametrize(
    ("config", "shape", "says"),
    [
        (Convolutional(widths=(4, 4)), (30, 28, 1), "such as 28, 32; the images are 30x28"),
        (Convolutional(widths=(4, 4), strides=(2, 2, 2)), (8, 8, 1), "2 widths and 3 strides"),
        (Residual(widths=()), (8, 8, 1), "there are no widths"),
        (LeNet(widths=()), (8, 8, 1), "there are no widths"),
        (LeNet(), (30, 28, 1), "2 halvings divide height and width by 4"),
        (Residual(widths=(4, 10), groups=4), (8, 8, 1), "groups=4 does not divide the width 10"),
        (ViT(patch_size=5), (28, 28, 1), "such as 25, 30"),
        (ViT(width=30, heads=3), (28, 28, 1), "width=30"),
    ],
)
def test_what_does_not_fit_says_what_would(config, shape, says):
    assert says in config.misfit(shape)
    for name, fitting in (*SMALL.items(), ("bare", BARE)):
        assert fitting.misfit((12, 8, 3)) is None, name


def test_positions_are_distinct_and_of_unit_scale():
    positions = np.asarray(sincos_positions((3, 4), 16))
    assert positions.shape == (1, 12, 16)
    np.testing.assert_allclose(np.square(positions).sum(axis=-1), 8, rtol=1e-5)  # sin² + cos², for 4 waves each way.
    distances = np.abs(positions[0][:, None] - positions[0][None]).sum(axis=-1)
    assert np.all(distances[~np.eye(12, dtype=bool)] > 0.1)
    # Height first: tokens of one row share the first half of the position.
    np.testing.assert_array_equal(positions[0, :4, :8], np.broadcast_to(positions[0, :1, :8], (4, 8)))


def test_a_vit_sees_only_the_visible_tokens():
    encoder = make_encoder(dataclasses.replace(SMALL["vit"], patch_size=2))
    visible = jnp.array([[0, 3], [1, 2], [4, 7]])
    tokens, variables = jax.jit(encoder.init_with_output)(jax.random.key(0), IMAGE, visible=visible)
    encode = jax.jit(encoder.apply)
    assert tokens.shape == (3, 2, 8)
    hidden_changed = IMAGE.at[0, 6:].add(1.0)  # Rows of tokens 6 and 7, which the first image does not show.
    np.testing.assert_allclose(encode(variables, hidden_changed, visible=visible)[0], tokens[0], rtol=1e-5)
    every = encode(variables, IMAGE, visible=jnp.tile(jnp.arange(8)[None], (3, 1)))
    np.testing.assert_allclose(every, encode(variables, IMAGE), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_pooling_is_that_of_flax_and_so_is_its_gradient(size):
    window = (size, size)
    flax = lambda x: nn.max_pool(x, window, strides=window, padding="SAME")  # noqa: E731
    for function in (lambda pool: pool, lambda pool: jax.grad(lambda x: jnp.square(pool(x)).sum())):
        ours, theirs = (jax.jit(function(pool))(IMAGE) for pool in (lambda x: max_pool(x, size), flax))
        np.testing.assert_array_equal(ours, theirs)


def test_the_gradient_of_pooling_is_finite_where_its_input_is_computed_twice():
    """As behind batch normalization: the values that a gradient looks at may be rounded otherwise than the largest."""
    image = jnp.asarray(np.random.default_rng(0).normal(size=(40, 4, 4, 4)), jnp.float32)

    def normalized(x):
        mean = jnp.mean(x, axis=(0, 1, 2), keepdims=True)
        variance = jnp.mean(jnp.square(x), axis=(0, 1, 2), keepdims=True) - jnp.square(mean)
        return nn.leaky_relu((x - mean) * jax.lax.rsqrt(variance + 1e-5))

    slope = lambda pool: jax.jit(jax.grad(lambda x: jnp.square(pool(normalized(x))).sum()))(image)  # noqa: E731
    theirs = slope(lambda x: nn.max_pool(x, (2, 2), strides=(2, 2)))
    np.testing.assert_allclose(slope(lambda x: max_pool(x, 2)), theirs, atol=1e-5)


def test_convolutions_are_given_fewer_images_at_once_on_a_cpu():
    numbers = {name: examples_at_once(config, IMAGE.shape[1:]) for name, config in SMALL.items()}
    assert numbers == {"dense": 1000, "conv": 100, "resnet": 100, "lenet": 100, "vit": 1000}
    large = {name: examples_at_once(config, (128, 128, 3)) for name, config in SMALL.items()}
    assert set(large.values()) == {83}
