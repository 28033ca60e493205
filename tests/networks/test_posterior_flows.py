"""Flows of posteriors: their inverse, the volume that autodiff finds, and what they leave of a VAE."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.beta_tcvae import BetaTcVaeConfig
from aejax.autoencoders.dip_vae import DipVaeConfig
from aejax.autoencoders.iwae import IwaeConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.experiment import Config, check
from aejax.networks.posterior_flows import (
    FLOWS,
    CouplingConfig,
    InverseAutoregressiveConfig,
    PlanarConfig,
    RadialConfig,
    make_flow,
)
from aejax.objectives.priors import VampPrior
from tests.autoencoders.families import IMAGE, SMALL, changed, initialize

GENERATOR = np.random.default_rng(0)
CONFIGS = (
    PlanarConfig(num_layers=3),
    RadialConfig(num_layers=3),
    InverseAutoregressiveConfig(num_layers=2, widths=(7,)),
    CouplingConfig(num_layers=3, widths=(7, 5)),
)
SIZES = (1, 4)


def single(x):
    return np.asarray(x, np.float32)


def drawn(config, units):
    """A flow with weights far from those it begins with, and draws and contexts."""
    flow = make_flow(config, units)
    latent, context = single(2 * GENERATOR.normal(size=(3, 2, units))), single(GENERATOR.normal(size=(2, 5)))
    variables = jax.jit(flow.init)(jax.random.key(0), latent, context)
    noise = np.random.default_rng(1)
    variables = jax.tree.map(lambda leaf: leaf + 0.4 * single(noise.normal(size=leaf.shape)), jax.device_get(variables))
    return flow, variables, latent, context


@pytest.mark.parametrize("units", SIZES)
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_it_inverts_and_its_volume_is_that_of_the_jacobian(config, units):
    flow, variables, latent, context = drawn(config, units)

    @jax.jit
    def all_of(variables, latent, context):
        moved, log_volume = flow.apply(variables, latent, context)
        back, of_inverse = flow.apply(variables, moved, context, method="inverse")

        def one(z, told):
            return flow.apply(variables, z[None, None], told[None])[0][0, 0]

        jacobian = jax.vmap(jax.vmap(jax.jacfwd(one)), (0, None))(latent, context)
        return moved, log_volume, back, of_inverse, jacobian

    moved, log_volume, back, of_inverse, jacobian = jax.device_get(all_of(variables, latent, context))
    assert np.abs(moved - latent).max() > 0.1
    np.testing.assert_allclose(back, latent, atol=1e-4)
    np.testing.assert_allclose(of_inverse, log_volume, atol=1e-3)
    sign, expected = np.linalg.slogdet(np.asarray(jacobian, np.float64))
    # Orders of units are turned around in an autoregressive flow, and nothing folds.
    assert len(np.unique(sign)) == 1
    np.testing.assert_allclose(log_volume, expected, rtol=1e-4, atol=1e-5)


def test_every_kind_is_tried():
    assert {config.kind for config in CONFIGS} == set(FLOWS)


def test_a_planar_and_a_radial_layer_are_those_of_the_paper():
    latent, context = single(GENERATOR.normal(size=(4, 1, 3))), np.zeros((1, 2), np.float32)
    for config in (PlanarConfig(num_layers=1), RadialConfig(num_layers=1)):
        flow = make_flow(config, 3)
        bias = GENERATOR.normal(size=7 if config.kind == "planar" else 5)
        variables = {"params": {"parameters": {"kernel": np.zeros((2, len(bias)), np.float32), "bias": single(bias)}}}
        moved, log_volume = jax.device_get(jax.jit(flow.apply)(variables, latent, context))
        for z, found, volume in zip(latent[:, 0].astype(np.float64), moved[:, 0], log_volume[:, 0], strict=True):
            if config.kind == "planar":
                u, w, b = bias[:3], bias[3:6], bias[6]
                u = u + (-1 + np.log1p(np.exp(w @ u)) - w @ u) * w / (w @ w)
                bent = np.tanh(w @ z + b)
                expected, determinant = z + u * bent, 1 + u @ ((1 - bent**2) * w)
            else:
                center, alpha = bias[:3], np.log1p(np.exp(bias[3]))
                beta = -alpha + np.log1p(np.exp(bias[4]))
                radius = np.linalg.norm(z - center)
                h, slope = 1 / (alpha + radius), -1 / (alpha + radius) ** 2
                expected = z + beta * h * (z - center)
                determinant = (1 + beta * h) ** 2 * (1 + beta * h + beta * slope * radius)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(volume, np.log(determinant), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_extremes_stay_finite_with_their_gradients(config):
    flow = make_flow(config, 2)
    zeros = jnp.zeros((1, 2, 2)), jnp.zeros((2, 3))
    variables = jax.jit(flow.init)(jax.random.key(0), *zeros)

    @jax.jit
    @jax.value_and_grad
    def loss(variables, latent, context):
        moved, log_volume = flow.apply(variables, latent, context)
        return jnp.mean(jnp.square(moved)) - jnp.mean(log_volume)

    for shift, scale in ((0.0, 0.0), (0.0, 100.0), (-10.0, 1.0), (10.0, 1.0)):
        moved = changed(variables, lambda leaf: leaf + shift)  # noqa: B023
        for of in (variables, moved):
            value, slopes = jax.device_get(loss(of, zeros[0] + scale, zeros[1] + scale))
            assert np.isfinite(value)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))


def test_a_flow_that_is_the_identity_leaves_the_vae_and_another_has_the_bound_of_its_draws():
    identity = CouplingConfig(num_layers=1, widths=(4,))
    plain, variables = initialize(VaeConfig(**SMALL), IMAGE)
    with_flow, more = initialize(VaeConfig(**SMALL, flow=identity), IMAGE)
    variables = changed(variables, lambda leaf: 1.5 * leaf + 0.1)
    params = variables["params"]
    batch = Batch(IMAGE, None)

    def terms(model, params):
        return model.apply({"params": params}, batch, train=False, method="terms")

    def pieces(model):
        posterior = model.posterior(IMAGE)
        draw = model.draw(posterior, jax.random.key(0)).first
        return draw, model.center(posterior), model.encode(IMAGE), model.rate(posterior, draw)

    @jax.jit
    def all_of(flow):
        own = {"params": {**params, "flow": flow}}
        return terms(plain, params), terms(with_flow, own["params"]), with_flow.apply(own, method=pieces)

    bent = jax.tree.map(lambda leaf: leaf + 0.3, more["params"]["flow"])
    expected, found, (draw, center, code, rate) = jax.device_get(all_of(more["params"]["flow"]))
    np.testing.assert_allclose(found["reconstruction"], expected["reconstruction"], rtol=1e-6)
    # The KL of one draw, where the VAE's is in closed form.
    log_prior = -0.5 * np.sum(draw.latent**2 + np.log(2 * np.pi), axis=1)
    np.testing.assert_allclose(found["kl"], draw.log_density - log_prior, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(code, center, rtol=1e-6)
    _, other, (moved, _, _, rate) = jax.device_get(all_of(bent))
    log_prior = -0.5 * np.sum(moved.latent**2 + np.log(2 * np.pi), axis=1)
    np.testing.assert_allclose(rate, moved.log_density - log_prior, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(other["kl"], rate, rtol=1e-6)
    assert np.abs(moved.latent - draw.latent).max() > 0.1


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (BetaTcVaeConfig(), "autoencoder=beta_tcvae"),
        (DipVaeConfig(), "autoencoder=dip_vae"),
        (IwaeConfig(gradient="dreg"), "gradient=dreg"),
        (VaeConfig(prior=VampPrior()), "prior=vamp"),
        (VaeConfig(free_bits=0.5), "free_bits=0.5"),
    ],
)
def test_what_needs_gaussian_posteriors_is_refused(family, message):
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=dataclasses.replace(family, flow=PlanarConfig())))
