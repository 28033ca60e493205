import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.networks import decoders, encoders
from aejax.networks.layers import ACTIVATIONS, INITIALIZERS

IMAGE = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5, 4, 2)), jnp.float32)


def widths(params):
    return [layer["kernel"].shape for layer in jax.tree.leaves(params, is_leaf=lambda x: "kernel" in x)]


def test_a_dense_encoder_is_its_layers_in_order():
    encoder = encoders.make_encoder(encoders.Dense(widths=(7, 6), activation="tanh"))
    variables = encoder.init(jax.random.key(0), IMAGE)
    layers = variables["params"]["DenseStack_0"]
    hidden = IMAGE.reshape(3, 40)
    for name in ("Dense_0", "Dense_1"):
        hidden = np.tanh(hidden @ layers[name]["kernel"] + layers[name]["bias"][None])
    np.testing.assert_allclose(encoder.apply(variables, IMAGE), hidden, rtol=1e-5)


def test_a_decoder_mirrors_its_encoder_unless_told_otherwise():
    encoder, latent = encoders.Dense(widths=(7, 6)), jnp.ones((2, 3))
    mirrored = decoders.make_decoder(decoders.Dense(), encoder, (5, 4, 2))
    params = mirrored.init(jax.random.key(0), latent)["params"]
    assert widths(params["DenseStack_0"]) == [(3, 6), (6, 7)]
    assert mirrored.apply({"params": params}, latent).shape == (2, 5, 4, 2)
    own = decoders.make_decoder(decoders.Dense(widths=()), encoder, (5, 4, 2))
    assert widths(own.init(jax.random.key(0), latent)["params"]) == [(3, 40)]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("initializer", INITIALIZERS)
def test_every_activation_and_initializer_trains(activation, initializer):
    encoder = encoders.make_encoder(encoders.Dense(widths=(4,), activation=activation, initializer=initializer))
    variables = encoder.init(jax.random.key(0), IMAGE)
    gradient = jax.grad(lambda variables: jnp.square(encoder.apply(variables, IMAGE)).sum())(variables)
    assert all(np.isfinite(leaf).all() and np.any(leaf) for leaf in jax.tree.leaves(gradient))
