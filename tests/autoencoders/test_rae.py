"""The terms of regularized autoencoders against NumPy, and what a normalized decoder computes with."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from aejax.autoencoders.rae import RaeGPConfig, RaeL2Config, RaeSNConfig
from aejax.data.resident import Batch
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.networks.residual import Residual
from aejax.networks.spectral import follow_vectors, normalize
from aejax.objectives.penalties import squared_jacobian
from aejax.sweep import expand, grid, group
from aejax.training.step import TrainingConfig
from tests.autoencoders.families import apply, changed, fit, fit_population, initialize

IMAGE = np.random.default_rng(0).uniform(size=(6, 8, 8, 1)).astype(np.float32)
SMALL = Dense(widths=(12,), activation="tanh")


@functools.partial(jax.jit, static_argnums=0)
def terms_of(model, variables, key=None):
    """The terms in training if there is a key for its noise, else outside it."""
    rngs = {} if key is None else {"noise": key}
    return model.apply(variables, Batch(IMAGE, None), method="terms", train=key is not None, rngs=rngs)


def test_the_embedding_and_the_decoders_norm_are_those_of_numpy():
    model, variables = initialize(
        RaeL2Config(encoder=SMALL, latent_size=3, embedding_weight=0.5, decoder_weight=0.2), IMAGE
    )
    # Biases are zero at first.
    params = changed(variables["params"], lambda leaf: leaf + 0.1)
    terms = terms_of(model, {"params": params})
    latent = np.asarray(apply(model, {"params": params}, IMAGE, method="encode"))
    decoder = params["decoder"]
    layers = decoder["DenseStack_0"]["Dense_0"], decoder["Dense_0"]
    square = sum(np.sum(np.asarray(layer[name]) ** 2) for layer in layers for name in ("kernel", "bias"))
    np.testing.assert_allclose(terms["embedding"], 0.5 * 0.5 * np.sum(latent**2, axis=1), rtol=1e-5)
    np.testing.assert_allclose(terms["decoder"], np.full(6, 0.2 * square), rtol=1e-5)


def test_the_gradient_penalty_of_all_probes_is_that_of_the_jacobian_in_pixels():
    model, variables = initialize(RaeGPConfig(encoder=SMALL, latent_size=3, decoder_weight=0.2, num_probes=None), IMAGE)

    def pixels(z):
        return jax.nn.sigmoid(model.apply(variables, z[None], method="decode"))[0]

    @jax.jit
    def jacobians(image):
        return jax.vmap(jax.jacobian(pixels))(model.apply(variables, image, method="encode"))

    jacobian = np.asarray(jacobians(IMAGE)).reshape(6, 64, 3)
    expected = 0.2 * np.sum(jacobian**2, axis=(1, 2))
    np.testing.assert_allclose(terms_of(model, variables)["decoder"], expected, rtol=1e-5)


def test_random_probes_estimate_the_squared_jacobian_without_bias():
    matrix = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    points = np.random.default_rng(2).uniform(1, 2, size=(4, 5)).astype(np.float32)
    num_probes = 2000
    random = (num_probes, jax.random.key(0))
    estimates = jax.jit(
        lambda points: [squared_jacobian(lambda x: (x**2 / 2) @ matrix, points, *how) for how in (random, (None, None))]
    )
    estimate, whole = map(np.asarray, estimates(points))
    gram = np.einsum("bi,io,jo,bj->bij", points, matrix, matrix, points)
    exact = np.trace(gram, axis1=1, axis2=2)
    np.testing.assert_allclose(whole, exact, rtol=1e-5)
    # The variance of uᵀ A u over random signs u is twice the sum of the squares off the diagonal of A.
    off_diagonal = gram * (1 - np.eye(5))
    error = np.sqrt(2 * np.sum(off_diagonal**2, axis=(1, 2)) / num_probes)
    assert np.all(np.abs(estimate - exact) < 4 * error)
    assert np.any(np.abs(estimate - exact) > 0.05 * error)


def test_probes_are_drawn_in_training_and_fixed_outside():
    model, variables = initialize(RaeGPConfig(encoder=SMALL, latent_size=3), IMAGE)
    outside = [terms_of(model, variables)["decoder"] for _ in range(2)]
    inside = [terms_of(model, variables, jax.random.key(i))["decoder"] for i in range(2)]
    np.testing.assert_array_equal(*outside)
    assert np.any(inside[0] != inside[1])


def spectral_norm(kernel):
    kernel = np.asarray(kernel, np.float64)
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


@jax.jit
def effective(variables):
    """Returns the parameters that a normalized decoder computes with."""
    params, vectors = variables["params"]["decoder"]["network"], variables["spectral"]["decoder"]["vectors"]
    return normalize(params, follow_vectors(params, vectors))


def test_a_trained_decoder_decodes_with_kernels_of_spectral_norm_one(dataset):
    family = RaeSNConfig(encoder=SMALL, latent_size=3)
    config = Config(autoencoder=family, training=TrainingConfig(epochs=8, batch_size=20))
    _, model, variables, _ = fit(config, dataset.train.image)
    params = jax.device_get(effective(variables))
    hidden, output = params["DenseStack_0"]["Dense_0"], params["Dense_0"]
    for name, layer in (("DenseStack_0", hidden), ("Dense_0", output)):
        raw = variables["params"]["decoder"]["network"][name]
        assert spectral_norm(raw.get("Dense_0", raw)["kernel"]) > 1.1
        assert 0.999 < spectral_norm(layer["kernel"]) < 1.05

    latent = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    expected = np.tanh(latent @ hidden["kernel"] + hidden["bias"][None]) @ output["kernel"] + output["bias"][None]
    decoded = np.asarray(apply(model, variables, latent, method="decode")).reshape(10, 64)
    np.testing.assert_allclose(decoded, expected, rtol=1e-4, atol=1e-5)


def test_every_kernel_of_a_decoder_is_normalized_from_the_start_and_follows_in_bfloat16():
    encoder = Residual(widths=(6,), blocks=0, norm="batch")
    model, variables = initialize(RaeSNConfig(encoder=encoder, latent_size=3), IMAGE)

    @jax.jit
    def step(params, collections):
        def loss(params):
            low = {"params": optax.tree.cast(params, jnp.bfloat16), **collections}
            output, after = model.apply(low, IMAGE[:, :3, 0, 0], train=True, method="decode", mutable=list(collections))
            assert output.dtype == jnp.bfloat16
            return jnp.square(output.astype(jnp.float32) - 0.5).mean(), after

        gradient, after = jax.grad(loss, has_aux=True)(params)
        return jax.tree.map(lambda leaf, slope: leaf - 0.1 * slope, params, gradient), {**collections, **after}

    params, collections = variables["params"], {name: variables[name] for name in variables if name != "params"}
    for _ in range(3):
        decoder, normalized = params["decoder"]["network"], effective({"params": params, **collections})
        for before, after in zip(jax.tree.leaves(decoder), jax.tree.leaves(normalized), strict=True):
            if after.ndim > 1:
                assert 0.999 < spectral_norm(after) < 1.01
            else:
                np.testing.assert_array_equal(before, after)
        params, collections = step(params, collections)
    assert set(collections) == {"spectral", "batch_stats"}


def test_the_derivative_of_a_normalized_kernel_is_that_of_dividing_by_the_largest_singular_value():
    kernel = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
    vector = np.linalg.svd(kernel)[2][0]
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)

    def divided(kernel):
        return kernel / jnp.linalg.svd(kernel, full_matrices=False)[1][0]

    ours, exact = (
        jax.jit(jax.grad(lambda kernel, scale=scale: jnp.sum(weights * scale(kernel))))(kernel)
        for scale in (lambda kernel: normalize(kernel, vector), divided)
    )
    np.testing.assert_allclose(ours, exact, rtol=1e-3, atol=1e-4)


def test_a_larger_weight_of_the_decoder_makes_its_term_smaller_within_one_population(data):
    weights = [1e-3, 1e-1, 10.0]
    metrics = fit_population(RaeGPConfig(encoder=SMALL), "decoder_weight", weights, data)
    assert np.all(np.diff(metrics["validation_decoder"][:, -1] / np.asarray(weights)) < 0)


def test_a_larger_weight_of_the_embedding_makes_the_code_smaller_within_one_population(data):
    weights = [1e-3, 1e-1, 10.0]
    metrics = fit_population(RaeSNConfig(encoder=SMALL), "embedding_weight", weights, data)
    assert np.all(np.diff(metrics["validation_embedding"][:, -1] / np.asarray(weights)) < 0)


def test_every_weight_of_every_kind_varies_within_a_population():
    for family in (RaeL2Config(), RaeGPConfig(), RaeSNConfig()):
        for field in {"embedding_weight", "decoder_weight"} & {field.name for field in dataclasses.fields(family)}:
            members = expand(Config(autoencoder=family), grid(f"autoencoder.{field}", [0.0, 0.1, 1.0]))
            assert [len(population.members) for population in group(members)] == [3]
