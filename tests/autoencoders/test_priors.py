"""Learned priors within families: against the VAE's numbers, finite differences, and in populations."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.annealed_vae import AnnealedVaeConfig
from aejax.autoencoders.beta_tcvae import BetaTcVaeConfig
from aejax.autoencoders.dip_vae import DipVaeConfig
from aejax.autoencoders.info_vae import InfoVaeConfig
from aejax.autoencoders.iwae import IwaeConfig
from aejax.autoencoders.vae import BetaVaeConfig, VaeConfig
from aejax.autoencoders.variational import Variational
from aejax.autoencoders.wae import WaeConfig
from aejax.autoencoders.zoo import FAMILIES, make_autoencoder
from aejax.config import override
from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import Batch, ResidentData
from aejax.errors import ConfigError, DataError
from aejax.evaluation.likelihood import likelihood_metrics, posterior_metrics
from aejax.experiment import Config, check, check_data
from aejax.methods.base import find_method
from aejax.networks.dense import Dense
from aejax.networks.residual import Residual
from aejax.objectives.likelihoods import HalfSquaredError
from aejax.objectives.priors import MixturePrior, VampPrior
from aejax.samplers.generator import make_generator
from aejax.samplers.prior import Prior
from tests.autoencoders.families import IMAGE, SMALL, changed, fit_population, initialize

SMALL_TOO = SMALL | {"encoder": Dense(widths=(5,), activation="tanh")}
DENSITIES = {"train": IMAGE[:0], "validation": IMAGE, "test": IMAGE}


def loss_of(model, variables, key=0):
    """Returns the terms of a training step's loss."""
    return model.apply(
        variables,
        Batch(IMAGE, None, dataset_size=6),
        train=True,
        method="terms",
        rngs={"noise": jax.random.key(key)},
        mutable=[name for name in variables if name != "params"],
    )[0]


def measured(model, variables):
    """Returns the metrics of a model's posteriors and likelihood."""
    data = ResidentData({k: jnp.asarray(v) for k, v in DENSITIES.items()}, {}, Preprocessing(kind="none"))
    config, method = Config(autoencoder=model.config), find_method("autoencoder")
    density = method.represent(method.task(config, IMAGE.shape[1:], None), variables, config, data).density
    found = posterior_metrics(density, data, 6)
    return found | likelihood_metrics(density, data, 6, num_samples=5, num_images=None)


@pytest.mark.parametrize(
    "family",
    [
        BetaVaeConfig(**SMALL, beta=2.0),
        pytest.param(IwaeConfig(**SMALL, num_samples=4, gradient="dreg"), marks=pytest.mark.slow),
        pytest.param(BetaTcVaeConfig(**SMALL), marks=pytest.mark.slow),
    ],
    ids=lambda family: family.kind,
)
def test_one_pseudo_input_with_a_standard_normal_posterior_gives_the_numbers_of_the_standard_normal(family):
    model, variables = initialize(family, IMAGE)  # Biases are 0, so a black image has the posterior N(0, I).
    variables = changed(variables, lambda leaf: 1.5 * leaf)
    vamp = model.clone(config=dataclasses.replace(family, prior=VampPrior(num_components=1)))
    params = dict(variables["params"])
    pseudo = {"params": params | {"prior": {"pseudo_input": jnp.zeros((1, *IMAGE.shape[1:]))}}}

    @jax.jit
    def both():
        return [(loss_of(*one), measured(*one)) for one in ((model, variables), (vamp, pseudo))]

    standard, learned = both()
    for found, expected in zip(jax.tree.leaves(learned), jax.tree.leaves(standard), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    moved = {"params": params | {"prior": {"pseudo_input": jnp.ones((1, *IMAGE.shape[1:]))}}}
    other = jax.jit(lambda: loss_of(vamp, moved))()
    assert any(abs(jnp.mean(other[name] - standard[0][name])) > 1e-3 for name in other)


def test_gradients_of_pseudo_inputs_are_finite_differences():
    """And they reach the loss in no other way than by the prior: through the KL, whose draw is held."""
    model, variables = initialize(VaeConfig(**SMALL, prior=VampPrior(num_components=3)), IMAGE)
    variables = changed(variables, lambda leaf: 1.5 * leaf + 0.1)
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])
    posterior, latent = jax.jit(
        lambda: model.apply(
            variables, method=lambda model: (p := model.posterior(IMAGE), model.draw(p, jax.random.key(0)).latent[0])
        )
    )()

    def dense(x, layer):
        return (x[:, :, None] * layer["kernel"]).sum(axis=1) + layer["bias"]

    def loss(pseudo):
        """Returns the mean of log q − log p in float64, the latter by numpy."""
        hidden = np.tanh(dense(pseudo.reshape(3, -1), params["encoder"]["DenseStack_0"]["Dense_0"]))
        mean, log_variance = dense(hidden, params["latent"]), dense(hidden, params["log_variance"])
        z = np.asarray(latent, np.float64)[:, None]
        pairs = -0.5 * ((z - mean) ** 2 * np.exp(-log_variance) + log_variance + np.log(2 * np.pi)).sum(axis=2)
        own = np.asarray(posterior.mean, np.float64), np.asarray(posterior.log_variance, np.float64)
        log_q = -0.5 * ((z[:, 0] - own[0]) ** 2 * np.exp(-own[1]) + own[1] + np.log(2 * np.pi)).sum(axis=1)
        return (log_q - np.log(np.exp(pairs).mean(axis=1))).mean()

    @jax.jit
    @jax.value_and_grad
    def own(prior):
        terms = model.apply(
            {"params": {**variables["params"], "prior": prior}}, Batch(IMAGE, None), train=False, method="terms"
        )
        return jnp.mean(terms["kl"])

    value, slope = own(variables["params"]["prior"])
    pseudo = params["prior"]["pseudo_input"]
    np.testing.assert_allclose(value, loss(pseudo), rtol=1e-5)
    for index in [(0, 1, 2, 0), (1, 7, 7, 0), (2, 4, 0, 0)]:
        step = np.zeros_like(pseudo)
        step[index] = 1e-5
        expected = (loss(pseudo + step) - loss(pseudo - step)) / 2e-5
        np.testing.assert_allclose(slope["pseudo_input"][index], expected, rtol=1e-3, atol=1e-6)


VARIATIONAL = [kind for kind in FAMILIES if issubclass(FAMILIES.config(kind), Variational)]
REFUSED = ("annealed_vae", "dip_vae")
# Like `vae`, `iwae` or `hamiltonian_vae`.
LIKE_ANOTHER = ("beta_vae", "factor_vae", "vae_gan", "miwae", "piwae", "ciwae", "riemannian_hamiltonian_vae")
LEARNED = (MixturePrior(num_components=3), VampPrior(num_components=3))


def test_every_variational_family_learns_a_prior_or_refuses_it():
    assert {"vae", "iwae", "vae_gan", "info_vae"} < set(VARIATIONAL)
    for kind in VARIATIONAL:
        for prior in LEARNED:
            config = Config(autoencoder=FAMILIES.config(kind)(prior=prior))
            if kind not in REFUSED and (kind, prior.kind) != ("vade", "vamp"):  # Whose clusters are its components.
                check(config)
                continue
            with pytest.raises(ConfigError, match=f"autoencoder={kind}: prior={prior.kind}"):
                check(config)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if kind in LIKE_ANOTHER else ())
        for kind in VARIATIONAL
        if kind not in REFUSED
    ],
)
def test_a_step_of_every_family_moves_every_parameter_of_the_prior_and_all_is_finite(kind):
    small = SMALL_TOO | ({"likelihood": HalfSquaredError()} if kind == "vae_gan" else {})
    small |= {"discriminator_widths": (5,)} if kind == "factor_vae" else {}
    small |= {"discriminator": Dense(widths=(5,))} if kind == "vae_gan" else {}
    models = [initialize_shapes(FAMILIES.config(kind)(**small, prior=prior)) for prior in LEARNED]

    @jax.jit
    def run():
        found = []
        for model, variables in models:

            def loss(params, model=model, variables=variables):
                terms = loss_of(model, {**variables, "params": params})
                foreign = [name for _, names in model.config.opponents() for name in names]
                return sum(jnp.mean(term) for name, term in terms.items() if name not in foreign)

            found.append(jax.value_and_grad(loss)(variables["params"]))
        return found

    for value, slope in run():
        assert np.isfinite(value)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slope))
        for name, leaf in slope["prior"].items():
            assert np.abs(leaf).max() > 1e-6, name


def initialize_shapes(family):
    """Returns (model, variables) with random numbers for variables, without the compilation of an initialization."""
    model = make_autoencoder(family, IMAGE.shape[1:])
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), Batch(IMAGE, None), train=False, method="terms"))
    generator = np.random.default_rng(0)
    return model, jax.tree.map(lambda leaf: (0.3 * generator.normal(size=leaf.shape)).astype(leaf.dtype), shapes)


def test_both_estimates_of_the_importance_weighted_gradient_train_the_prior_alike():
    """Draws are not made of a mixture's parameters, so that of these there is but one estimate."""
    prior = MixturePrior(num_components=3)
    _, variables = initialize_shapes(IwaeConfig(**SMALL_TOO, prior=prior))

    @jax.jit
    def slopes():
        def loss(parameters, gradient):
            model = make_autoencoder(IwaeConfig(**SMALL_TOO, prior=prior, gradient=gradient), IMAGE.shape[1:])
            return jnp.mean(loss_of(model, {"params": {**variables["params"], "prior": parameters}})["bound"])

        return [jax.grad(loss)(variables["params"]["prior"], gradient) for gradient in ("standard", "dreg")]

    standard, dreg = slopes()
    for name in standard:
        assert np.abs(standard[name]).max() > 1e-3
        np.testing.assert_allclose(dreg[name], standard[name], rtol=1e-4, atol=1e-5)


def test_the_prior_sampler_draws_from_the_prior_that_was_learned():
    model, variables = initialize(VaeConfig(**SMALL, prior=MixturePrior(num_components=2)), IMAGE)
    prior = {
        "logit": np.float32(np.log([0.25, 0.75])),
        "mean": np.float32([[4.0, 0.0, 1.0], [-4.0, 2.0, 1.0]]),
        "log_variance": np.full((2, 3), np.log(0.01), np.float32),
    }
    generator = make_generator(model, Prior())
    variables = {"params": {"autoencoder": {**variables["params"], "prior": prior}}}
    draw = jax.jit(lambda variables, key: generator.apply(variables, 4000, key, method="sample"))
    drawn = np.asarray(draw(variables, jax.random.key(0)))
    first = drawn[:, 0] > 0
    np.testing.assert_allclose(first.mean(), 0.25, atol=0.03)
    np.testing.assert_allclose(drawn[first].mean(axis=0), [4, 0, 1], atol=0.02)
    np.testing.assert_allclose(drawn[~first].mean(axis=0), [-4, 2, 1], atol=0.02)
    np.testing.assert_allclose(drawn[~first].std(axis=0), 0.1, rtol=0.1)


def test_pseudo_inputs_begin_as_training_images(data):
    model, variables = initialize_shapes(VaeConfig(**SMALL, prior=VampPrior(num_components=4)))
    begun = model.init_from_data(variables, data)["params"]
    expected = data.batch("train", jnp.array([0, 79, 159, 239])).image
    assert np.array_equal(begun["prior"]["pseudo_input"], expected)
    assert all(begun[name] is variables["params"][name] for name in begun if name != "prior")


@pytest.mark.slow
def test_members_of_a_population_have_their_own_spread_of_components(data):
    metrics = fit_population(VaeConfig(**SMALL, prior=MixturePrior(num_components=4)), "prior.spread", [0.1, 1.0], data)
    assert np.isfinite(metrics["train_loss"]).all()
    assert metrics["train_loss"][0, 0] != metrics["train_loss"][1, 0]


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (AnnealedVaeConfig(prior=VampPrior()), "prior=vamp would move away from the codes"),
        (DipVaeConfig(prior=MixturePrior()), "prior=mixture: the covariance of codes"),
        (VaeConfig(prior=MixturePrior(), free_bits=0.1), "free_bits=0.1"),
        (VaeConfig(prior=VampPrior(), encoder=Residual(norm="batch")), "encoder.norm=batch"),
        (InfoVaeConfig(prior=VampPrior(), alpha=2.0), "negative weight"),
    ],
)
def test_what_does_not_go_with_a_learned_prior_is_refused_in_one_line(family, message):
    with pytest.raises(ConfigError, match=message) as error:
        check(Config(autoencoder=family))
    assert "\n" not in str(error.value)


def test_more_pseudo_inputs_than_images_and_a_prior_of_a_family_without_one_are_refused(dataset):
    config = Config(autoencoder=VaeConfig(prior=VampPrior(num_components=241)))
    with pytest.raises(DataError, match=r"autoencoder.prior.num_components=241 .* there are 240"):
        check_data(config, dataset)
    check_data(override(config, {"autoencoder.prior.num_components": 240}), dataset)
    with pytest.raises(ConfigError, match=r"unknown field 'autoencoder.prior': not of this autoencoder, but of .*vae"):
        override(Config(autoencoder=WaeConfig()), {"autoencoder.prior": "vamp"})
