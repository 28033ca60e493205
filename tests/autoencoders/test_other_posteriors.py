"""Families whose posteriors are no Gaussians: directions, hyperbolic space, moved draws, levels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax.autoencoders.hamiltonian_vae import HamiltonianVaeConfig
from aejax.autoencoders.hyperspherical_vae import HypersphericalVaeConfig
from aejax.autoencoders.ladder_vae import LadderVaeConfig
from aejax.autoencoders.poincare_vae import PoincareVaeConfig
from aejax.autoencoders.riemannian_hamiltonian_vae import RiemannianHamiltonianVaeConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import Batch, ResidentData
from aejax.errors import ConfigError, DataError
from aejax.evaluation.likelihood import likelihood_metrics, posterior_metrics
from aejax.experiment import Config, check, check_data
from aejax.methods.base import find_method
from aejax.networks.posterior_flows import PlanarConfig
from aejax.objectives.likelihoods import OptimalGaussian
from aejax.samplers.generator import make_generator
from aejax.samplers.prior import Prior
from tests.autoencoders.families import IMAGE, SMALL, assert_finite_at_extremes, changed, initialize
from tests.objectives.ball import log_density_on_ball, norm, to_ball
from tests.objectives.curved import CurvedMetric, implicit_steps

BATCH = Batch(IMAGE, None)


def close(found, expected, rtol=1e-5, atol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def moved(family):
    """A model with variables away from those it begins with."""
    model, variables = initialize(family, IMAGE)
    return model, changed(variables, lambda leaf: 1.5 * leaf + 0.1)


def of_model(model, variables, method):
    return jax.device_get(jax.jit(lambda variables: model.apply(variables, method=method))(variables))


def pieces(model):
    """Its terms, and what it makes of a draw of each image, outside training."""
    posterior = model.posterior(IMAGE)
    draw = model.draw(posterior, jax.random.key(0)).first
    return {
        "terms": model.terms(BATCH, train=False),
        "posterior": posterior,
        "draw": draw,
        "rate": model.rate(posterior, draw),
        "log_prior": model.prior().log_density(draw.latent),
        "code": model.encode(IMAGE),
        "output": model.decode(draw.latent),
    }


def bernoulli(output, image=IMAGE):
    logit = np.asarray(output, np.float64)
    return np.sum(np.logaddexp(0, logit) - image * logit, axis=(1, 2, 3))


def test_the_hyperspherical_loss_is_that_of_scipy():
    found = of_model(*moved(HypersphericalVaeConfig(**SMALL)), pieces)
    direction, concentration = found["posterior"]
    close(np.linalg.norm(direction, axis=1), 1)
    assert np.all(concentration > 1)
    close(found["code"], direction)
    close(found["terms"]["reconstruction"], bernoulli(found["output"]))
    close(found["terms"]["kl"], found["rate"])
    area = np.log(4 * np.pi)  # Of the sphere in three dimensions.
    close(found["log_prior"], np.full(6, -area))
    for index in range(6):
        of_scipy = scipy.stats.vonmises_fisher(
            direction[index] / np.linalg.norm(direction[index]), concentration[index]
        )
        latent = found["draw"].latent[index].astype(np.float64)
        close(found["draw"].log_density[index], of_scipy.logpdf(latent / np.linalg.norm(latent)), atol=1e-4)
        close(found["rate"][index], area - of_scipy.entropy(), atol=1e-4)


def test_the_poincare_loss_is_that_of_the_ball_in_float64():
    found = of_model(*moved(PoincareVaeConfig(**SMALL, curvature=0.7)), pieces)
    center, log_variance, _ = found["posterior"]
    close(found["code"], center)
    close(found["terms"]["reconstruction"], bernoulli(found["output"]))
    close(found["terms"]["kl"], found["rate"])
    z, mean = (to_ball(np.asarray(x, np.float64), 0.7) for x in (found["draw"].latent, center))
    log_posterior = log_density_on_ball(z, mean, np.exp(np.asarray(log_variance, np.float64)), 0.7)
    log_prior = log_density_on_ball(z, np.zeros_like(z), 1.0, 0.7)
    close(found["rate"], log_posterior - log_prior, atol=2e-4)
    length = np.sqrt(0.7) * norm(found["draw"].latent.astype(np.float64))[:, 0]
    close(found["log_prior"], log_prior + 2 * np.log(np.sinh(length) / length))


def test_without_curvature_the_poincare_vae_is_the_vae():
    plain, variables = moved(VaeConfig(**SMALL))
    poincare, _ = initialize(PoincareVaeConfig(**SMALL, curvature=0.0), IMAGE)
    expected, found = of_model(plain, variables, pieces), of_model(poincare, variables, pieces)
    for name in ("posterior", "draw", "log_prior", "code", "output"):
        for one, two in zip(jax.tree.leaves(expected[name]), jax.tree.leaves(found[name]), strict=True):
            close(two, one)
    close(found["rate"], found["draw"].log_density - found["log_prior"])  # Of a draw, without the closed form.


@pytest.mark.parametrize("family", [HamiltonianVaeConfig, RiemannianHamiltonianVaeConfig])
def test_without_steps_the_hamiltonian_vae_is_the_vae_to_the_bit(family):
    plain, variables = moved(VaeConfig(**SMALL, free_bits=0.1))
    other = make_autoencoder(family(**SMALL, num_steps=0, free_bits=0.1), IMAGE.shape[1:])
    expected, found = of_model(plain, variables, pieces), of_model(other, variables, pieces)
    for one, two in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        assert np.array_equal(one, two)


def dense(x, layer):
    return (x[:, :, None] * np.asarray(layer["kernel"], np.float64)).sum(axis=1) + np.asarray(layer["bias"], np.float64)


def of_potential(params):
    """The gradient of −log p(x, z) by z."""
    first, last = params["decoder"]["DenseStack_0"]["Dense_0"], params["decoder"]["Dense_0"]
    image = IMAGE.reshape(6, 64).astype(np.float64)

    def slope(z):
        hidden = np.tanh(dense(z, first))
        error = scipy.special.expit(dense(hidden, last)) - image
        back = (error[:, None, :] * np.asarray(last["kernel"], np.float64)).sum(axis=2) * (1 - hidden**2)
        return (back[:, None, :] * np.asarray(first["kernel"], np.float64)).sum(axis=2) + z

    return slope


def noises():
    """The noise of the Gaussian's draw, and that of the momentum."""
    keys = jax.random.key(0), jax.random.fold_in(jax.random.key(0), 1)
    return (np.asarray(jax.random.normal(key, (1, 6, 3)), np.float64)[0] for key in keys)


def test_the_steps_of_the_hamiltonian_vae_are_numpys_in_float64():
    model, variables = moved(HamiltonianVaeConfig(**SMALL, num_steps=3, step_size=0.2, tempering=0.4))
    found = of_model(model, variables, pieces)
    params = variables["params"]
    slope = of_potential(params)
    gaussian = found["posterior"].gaussian
    mean, log_variance = (np.asarray(x, np.float64) for x in gaussian[:2])
    noise, gamma = noises()
    size = 2 * 0.2 * scipy.special.expit(np.asarray(params["step_size"], np.float64))
    beta = scipy.special.expit(float(params["tempering"]))

    def steps(z, momentum):
        root = [1 / ((1 - 1 / np.sqrt(beta)) * (k / 3) ** 2 + 1 / np.sqrt(beta)) for k in range(4)]
        for k in range(3):
            momentum = momentum - size / 2 * slope(z)
            z = z + size * momentum
            momentum = root[k] / root[k + 1] * (momentum - size / 2 * slope(z))
        return z, momentum

    z, momentum = steps(mean + np.exp(log_variance / 2) * noise, gamma / np.sqrt(beta))
    close(found["draw"].latent, z)
    normal = scipy.stats.norm.logpdf
    log_density = np.sum(normal(noise) - log_variance / 2 + normal(gamma) - normal(momentum), axis=1)
    close(found["draw"].log_density, log_density)
    close(found["terms"]["kl"], log_density - normal(z).sum(axis=1), atol=1e-4)
    close(found["terms"]["reconstruction"], bernoulli(found["output"]))
    close(found["code"], steps(mean, np.zeros_like(mean))[0])


RIEMANNIAN = {"num_centroids": 3, "width": 4, "temperature": 3.0, "floor": 0.1}


def test_the_steps_of_the_riemannian_vae_are_numpys_in_float64():
    family = RiemannianHamiltonianVaeConfig(
        **SMALL, **RIEMANNIAN, num_steps=2, step_size=0.02, tempering=0.4, num_iterations=2
    )
    model, variables = moved(family)

    def with_mass(model):
        mass = model.mass()
        return {**pieces(model), "centroid": mass.centroid, "factor": mass.factor}

    found = of_model(model, variables, with_mass)
    params, image = variables["params"], np.asarray(variables["centroids"]["image"], np.float64).reshape(3, 64)
    entries = dense(np.maximum(dense(image, params["metric_hidden"]), 0), params["metric"])
    factor = np.zeros((3, 3, 3))
    for k in range(3):
        factor[k][np.tril_indices(3)] = entries[k]
        np.fill_diagonal(factor[k], np.exp(np.diagonal(factor[k]) / 2))
    close(found["factor"], factor)
    mean_of = dense(np.tanh(dense(image, params["encoder"]["DenseStack_0"]["Dense_0"])), params["latent"])
    close(found["centroid"], mean_of)
    metric = CurvedMetric(mean_of, factor, 3.0, 0.1)

    gaussian = found["posterior"].gaussian
    mean, log_variance = (np.asarray(x, np.float64) for x in gaussian[:2])
    noise, gamma = noises()
    size = 2 * 0.02 * scipy.special.expit(np.asarray(params["step_size"], np.float64))
    beta = scipy.special.expit(float(params["tempering"]))
    root = [1 / ((1 - 1 / np.sqrt(beta)) * (k / 2) ** 2 + 1 / np.sqrt(beta)) for k in range(3)]
    cooling = [root[0] / root[1], root[1] / root[2]]

    def steps(z, momentum):
        return implicit_steps(of_potential(params), metric, z, momentum, size, cooling, 2)

    start = mean + np.exp(log_variance / 2) * noise
    cholesky = np.linalg.cholesky(metric.inverse(start)).transpose(0, 2, 1)
    rho = np.linalg.solve(cholesky, gamma[..., None])[..., 0]
    z, momentum = steps(start, rho / np.sqrt(beta))
    close(found["draw"].latent, z, atol=1e-4)
    normal = scipy.stats.norm.logpdf
    log_density = np.sum(normal(noise) - log_variance / 2, axis=1) - metric.energy(start, rho)
    log_density += metric.energy(z, momentum)
    close(found["draw"].log_density, log_density, atol=1e-3)
    close(found["terms"]["kl"], log_density - normal(z).sum(axis=1), atol=1e-3)
    close(found["code"], steps(mean, np.zeros_like(mean))[0], atol=1e-4)


def test_far_from_its_centroids_the_riemannian_vae_is_the_hamiltonian_vae():
    steps = {"num_steps": 1, "step_size": 0.1}
    nowhere = {"temperature": 1e-3, "floor": 1.0}
    curved, variables = moved(
        RiemannianHamiltonianVaeConfig(**SMALL, **RIEMANNIAN | nowhere, **steps, num_iterations=1)
    )
    flat = make_autoencoder(HamiltonianVaeConfig(**SMALL, **steps), IMAGE.shape[1:])
    own = {name: tree for name, tree in variables["params"].items() if not name.startswith("metric")}
    expected, found = of_model(flat, {"params": own}, pieces), of_model(curved, variables, pieces)
    for one, two in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True):
        close(two, one)


def test_centroids_are_training_images_chosen_evenly():
    family = RiemannianHamiltonianVaeConfig(**SMALL, **RIEMANNIAN, num_steps=1)
    model, variables = initialize(family, IMAGE)
    data = ResidentData({"train": jnp.asarray(IMAGE)}, {}, Preprocessing(kind="none"))
    found = model.init_from_data(variables, data)
    assert np.array_equal(found["centroids"]["image"], IMAGE[np.asarray(data.evenly("train", 3))])
    assert len(np.unique(data.evenly("train", 3))) == 3


def test_more_centroids_than_training_images_are_refused(dataset):
    family = RiemannianHamiltonianVaeConfig(num_centroids=10_000)
    with pytest.raises(DataError, match=r"autoencoder\.num_centroids=10000 are training images"):
        check_data(Config(autoencoder=family), dataset)


def test_a_ladder_of_one_level_is_the_vae():
    plain, variables = moved(VaeConfig(**SMALL))
    ladder, _ = initialize(LadderVaeConfig(**SMALL, upper_sizes=()), IMAGE)
    expected, found = of_model(plain, variables, pieces), of_model(ladder, variables, pieces)
    close(found["terms"]["kl_1"], expected["terms"]["kl"], rtol=1e-6, atol=1e-6)
    for name in ("draw", "rate", "log_prior", "code", "output"):
        for one, two in zip(jax.tree.leaves(expected[name]), jax.tree.leaves(found[name]), strict=True):
            close(two, one, rtol=1e-6, atol=1e-6)


def test_the_levels_of_a_ladder_are_numpys_in_float64():
    family = LadderVaeConfig(**SMALL, upper_sizes=(2, 4), width=5, activation="tanh")
    model, variables = moved(family)
    found = of_model(model, variables, pieces)
    params = variables["params"]
    said = [(np.asarray(m, np.float64), np.asarray(v, np.float64)) for m, v in found["posterior"]]
    latents = np.split(np.asarray(found["draw"].latent, np.float64), [3, 5], axis=1)

    def below(level, above):
        network = params[f"downward_{level}"]
        hidden = np.tanh(dense(above, network["Dense_0"]))
        return dense(hidden, network["Dense_1"]), dense(hidden, network["Dense_2"])

    log_posterior = log_prior = 0.0
    divergences = []
    for level in (2, 1, 0):
        mean, log_variance = said[level]
        if level == 2:
            prior_mean, prior_log_variance = np.zeros((6, 4)), np.zeros((6, 4))
        else:
            prior_mean, prior_log_variance = below(level, latents[level + 1])
            precision = np.exp(-log_variance) + np.exp(-prior_log_variance)
            mean = (mean * np.exp(-log_variance) + prior_mean * np.exp(-prior_log_variance)) / precision
            log_variance = -np.log(precision)
        normal = scipy.stats.norm.logpdf
        log_posterior = log_posterior + normal(latents[level], mean, np.exp(log_variance / 2)).sum(axis=1)
        log_prior = log_prior + normal(latents[level], prior_mean, np.exp(prior_log_variance / 2)).sum(axis=1)
        ratio = np.exp(log_variance - prior_log_variance)
        distance = (mean - prior_mean) ** 2 / np.exp(prior_log_variance)
        divergences.insert(0, 0.5 * np.sum(ratio + distance - 1 - np.log(ratio), axis=1))
        noise_key = jax.random.fold_in(jax.random.key(0), level) if level else jax.random.key(0)
        noise = np.asarray(jax.random.normal(noise_key, (1, *mean.shape)), np.float64)[0]
        close(latents[level], mean + np.exp(log_variance / 2) * noise)
    close(found["draw"].log_density, log_posterior)
    close(found["log_prior"], log_prior)
    for level, expected in enumerate(divergences, start=1):
        close(found["terms"][f"kl_{level}"], expected)
    close(found["rate"], np.sum(divergences, axis=0))
    close(found["terms"]["reconstruction"], bernoulli(found["output"]))
    assert found["code"].shape == (6, 9)


FAMILIES = (
    HypersphericalVaeConfig(**SMALL),
    PoincareVaeConfig(**SMALL),
    HamiltonianVaeConfig(**SMALL, num_steps=1),
    RiemannianHamiltonianVaeConfig(**SMALL, num_steps=1, num_iterations=1, num_centroids=3, width=4),
    LadderVaeConfig(**SMALL, upper_sizes=(2,), width=4),
)


# The Riemannian one is evaluated by what evaluates the Hamiltonian one.
EVALUATED = [
    pytest.param(family, id=family.kind, marks=pytest.mark.slow if "riemannian" in family.kind else ())
    for family in FAMILIES
]


@pytest.mark.parametrize("family", EVALUATED)
def test_they_are_evaluated_and_draw_images_of_their_own_prior(family):
    model, variables = moved(family)
    image = {"train": IMAGE[:0], "validation": IMAGE[:0], "test": IMAGE}
    data = ResidentData({split: jnp.asarray(images) for split, images in image.items()}, {}, Preprocessing(kind="none"))
    config, method = Config(autoencoder=family), find_method("autoencoder")
    generator = make_generator(model, Prior())

    @jax.jit
    def measured(variables):
        representation = method.represent(method.task(config, IMAGE.shape[1:], None), variables, config, data)
        density = representation.density
        found = posterior_metrics(density, data, 6)
        found |= likelihood_metrics(density, data, 6, num_samples=300, num_images=None)
        wrapped = {name: {"autoencoder": tree} for name, tree in variables.items()}
        draws = generator.apply(wrapped, 5, jax.random.key(0), method="generate")
        codes = generator.apply(wrapped, 500, jax.random.key(0), method="sample")
        return found, draws, codes, model.apply(variables, method="prior").variance()

    found, draws, codes, variance = jax.device_get(measured(variables))
    # The bound of many draws is closer than that of one, and rate and distortion are about the latter.
    assert found["test_nll"] < -found["test_elbo"]
    np.testing.assert_allclose(found["test_rate"] + found["test_distortion"], -found["test_elbo"], rtol=0.2)
    assert "test_mutual_information" not in found
    assert draws.shape == (5, *IMAGE.shape[1:])
    np.testing.assert_allclose(np.var(codes, axis=0), variance, rtol=0.4)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.kind)
def test_extremes_stay_finite_with_their_gradients(family):
    assert_finite_at_extremes(family, "concentration" if family.kind == "hyperspherical_vae" else "log_variance")


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (HypersphericalVaeConfig(latent_size=1), "latent_size=1"),
        (HypersphericalVaeConfig(latent_activation="relu"), "latent_activation=relu"),
        (PoincareVaeConfig(latent_activation="relu"), "latent_activation=relu"),
        (HamiltonianVaeConfig(flow=PlanarConfig()), "flow=planar"),
        (HamiltonianVaeConfig(likelihood=OptimalGaussian()), "likelihood=optimal_gaussian"),
        (HamiltonianVaeConfig(free_bits=0.1), "free_bits=0.1"),
        (RiemannianHamiltonianVaeConfig(flow=PlanarConfig()), "flow=planar"),
        (LadderVaeConfig(upper_sizes=(8, 8, 8, 8, 8)), "upper_sizes has 5"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(family, message):
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=family))
