"""The losses of variational families against numpy, at extremes, and within populations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax.autoencoders.annealed_vae import AnnealedVaeConfig
from aejax.autoencoders.beta_tcvae import BetaTcVaeConfig
from aejax.autoencoders.dip_vae import DipVaeConfig
from aejax.autoencoders.factor_vae import FactorVaeConfig
from aejax.autoencoders.info_vae import InfoVaeConfig
from aejax.autoencoders.iwae import CiwaeConfig, IwaeConfig, PiwaeConfig
from aejax.autoencoders.vae import BetaVaeConfig, VaeConfig
from aejax.autoencoders.wae import SwaeConfig, WaeConfig
from aejax.cli.experiment_file import load_experiment
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.experiment import Config, check
from aejax.objectives.divergences import (
    InverseMultiquadratic,
    RadialBasis,
    decompose_kl,
    maximum_mean_discrepancy,
)
from aejax.objectives.likelihoods import MeanSquaredError, OptimalGaussian
from aejax.objectives.priors import StandardNormal
from aejax.sweep import expand, grid, group
from tests.autoencoders.families import IMAGE, SMALL, assert_finite_at_extremes, changed, fit_population, initialize

FAMILIES = (
    VaeConfig(**SMALL),
    BetaVaeConfig(**SMALL),
    AnnealedVaeConfig(**SMALL),
    FactorVaeConfig(**SMALL, discriminator_widths=(5,)),
    BetaTcVaeConfig(**SMALL),
    DipVaeConfig(**SMALL),
    InfoVaeConfig(**SMALL),
    WaeConfig(**SMALL),
    SwaeConfig(**SMALL),
    IwaeConfig(**SMALL),
    IwaeConfig(**SMALL, gradient="dreg"),
    IwaeConfig(**SMALL, average="elbo"),
    PiwaeConfig(**SMALL, num_bounds=2),  # Whose encoder learns by the loss of `miwae`.
    CiwaeConfig(**SMALL),
)


class Computed:
    """A model with its posterior, the draw that it takes outside training, and what numpy makes of them."""

    def __init__(self, family, image=IMAGE):
        self.image = image
        self.model, variables = initialize(family, image)
        # Biases are zero at first, and posteriors all alike.
        self.variables = changed(variables, lambda leaf: 1.5 * leaf + 0.1)
        self.terms, posterior = self.apply_all()
        if posterior is None:
            return
        self.mean, self.log_variance = (np.asarray(x, np.float64) for x in posterior[:2])
        num = getattr(family, "num_samples", 1)
        noise = np.asarray(jax.random.normal(jax.random.key(0), (num, *self.mean.shape)), np.float64)
        self.latent = self.mean + np.exp(self.log_variance / 2) * noise
        self.kl = 0.5 * np.sum(self.mean**2 + np.exp(self.log_variance) - 1 - self.log_variance, axis=1)

    def apply_all(self):
        """The terms outside training and the posterior, if there is one."""

        @jax.jit
        def both(variables):
            apply = functools.partial(self.model.apply, variables)
            terms = apply(Batch(self.image, None), train=False, method="terms")
            return terms, apply(self.image, method="posterior") if self.model.config.POSTERIOR else None

        return both(self.variables)

    def apply(self, method, *arguments, **keywords):
        # Jitted: operation by operation it would take several times as long.
        call = lambda variables: self.model.apply(variables, *arguments, method=method, **keywords)  # noqa: E731
        return jax.jit(call)(self.variables)

    def distortion(self, latent):
        logit = np.asarray(self.apply("decode", latent.astype(np.float32)), np.float64)
        return np.sum(np.logaddexp(0, logit) - self.image * logit, axis=(1, 2, 3))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("shape", "latent_size"), [((6, 8, 8, 1), 3), ((2, 1, 1, 1), 1), ((3, 4, 5, 3), 20)])
def test_beta_multiplies_the_kl_in_nats_and_nothing_else_whatever_the_sizes(shape, latent_size):
    image = np.random.default_rng(1).uniform(size=shape).astype(np.float32)
    small = SMALL | {"latent_size": latent_size}
    plain, weighted = Computed(VaeConfig(**small), image), Computed(BetaVaeConfig(**small, beta=2.5), image)
    close(plain.terms["reconstruction"], plain.distortion(plain.latent[0]))
    close(plain.terms["kl"], plain.kl)
    close(weighted.terms["reconstruction"], plain.terms["reconstruction"])
    close(weighted.terms["kl"], 2.5 * plain.kl)


def test_the_annealed_kl_is_held_at_its_capacity():
    computed = Computed(AnnealedVaeConfig(**SMALL, gamma=7.0, capacity=1.5, warmup_epochs=4.0))
    close(computed.terms["kl"], np.full(6, 7 * abs(computed.kl.mean() - 1.5)))
    early = computed.apply("terms", Batch(IMAGE, None, epoch=jnp.asarray(1.0)), train=False)
    close(early["kl"], np.full(6, 7 * abs(computed.kl.mean() - 0.375)))


def test_factor_vae_reads_the_total_correlation_from_its_discriminator():
    computed = Computed(FactorVaeConfig(**SMALL, gamma=3.0, discriminator_widths=(5,)))
    params = jax.tree.map(np.asarray, computed.variables["params"]["discriminator"])
    first, last = params["Dense_0"], params["Dense_1"]

    def dense(x, layer):  # No product of BLAS, which now and then warns of invalid values where there are none.
        return (x[:, :, None] * layer["kernel"]).sum(axis=1) + layer["bias"]

    def logit(latent):
        hidden = dense(latent, first)
        return dense(np.where(hidden > 0, hidden, 0.2 * hidden), last)[:, 0]

    latent = computed.latent[0]
    close(computed.terms["kl"], computed.kl)
    close(computed.terms["total_correlation"], 3 * logit(latent))
    key = jax.random.fold_in(jax.random.key(0), 1)
    permuted = np.asarray(jax.random.permutation(key, latent[3:].astype(np.float32), axis=0, independent=True))
    assert np.all(np.sort(permuted, axis=0) == np.sort(latent[3:].astype(np.float32), axis=0))
    wrong = np.logaddexp(0, -logit(latent[:3])).mean() + np.logaddexp(0, logit(permuted)).mean()
    close(computed.terms["discriminator"], np.full(6, wrong / 2))


def test_the_parts_of_beta_tcvae_have_their_weights_and_the_datas_size():
    computed = Computed(BetaTcVaeConfig(**SMALL, alpha=2.0, beta=3.0, gamma=4.0))
    terms = computed.apply("terms", Batch(IMAGE, None, dataset_size=100), train=False)
    latent, mean, log_variance = (
        x.astype(np.float32) for x in (computed.latent[0], computed.mean, computed.log_variance)
    )
    for found, size in ((computed.terms, 6), (terms, 100)):
        prior = StandardNormal(3).log_density
        parts = jax.jit(decompose_kl, static_argnums=(1, 4, 5))(latent, prior, mean, log_variance, size, "stratified")
        close(found["mutual_information"], 2 * parts.mutual_information)
        close(found["total_correlation"], 3 * parts.total_correlation)
        close(found["kl"], 4 * parts.dimension_wise_kl)


@pytest.mark.parametrize("of", ["means", "codes"])
def test_dip_vae_draws_the_codes_covariance_to_the_priors(of):
    computed = Computed(DipVaeConfig(**SMALL, covariance_of=of, off_diagonal=2.0, diagonal=5.0))
    covariance = np.cov(computed.mean.T, bias=True)
    if of == "codes":
        covariance = covariance + np.diag(np.exp(computed.log_variance).mean(axis=0))
    variance = np.diag(covariance)
    expected = 2 * (np.sum(covariance**2) - np.sum(variance**2)) + 5 * np.sum((variance - 1) ** 2)
    close(computed.terms["covariance"], np.full(6, expected))
    close(computed.terms["kl"], computed.kl)


def test_info_vae_and_wae_weigh_the_discrepancy_from_the_prior():
    prior = jax.random.normal(jax.random.fold_in(jax.random.key(0), 1), (6, 3))
    info = Computed(InfoVaeConfig(**SMALL, alpha=0.25, scale=10.0))
    close(info.terms["kl"], 0.75 * info.kl)
    latent = info.latent[0].astype(np.float32)
    discrepancy = jax.jit(maximum_mean_discrepancy, static_argnums=0)
    close(info.terms["discrepancy"], np.full(6, 9.25 * discrepancy(RadialBasis(), latent, prior)))
    wae, prior = Computed(WaeConfig(**SMALL, weight=4.0)), jax.random.normal(jax.random.key(0), (6, 3))
    latent = wae.apply("encode", IMAGE)
    expected = 4 * discrepancy(InverseMultiquadratic(), latent, prior)
    close(wae.terms["discrepancy"], np.full(6, expected))
    close(wae.terms["reconstruction"], wae.distortion(np.asarray(latent)))


def test_the_sliced_wae_weighs_the_distance_from_the_prior_in_some_directions():
    swae = Computed(SwaeConfig(**SMALL, weight=4.0, num_projections=7))
    prior = jax.random.normal(jax.random.key(0), (6, 3))
    latent = np.asarray(swae.apply("encode", IMAGE))
    direction = np.asarray(jax.random.normal(jax.random.fold_in(jax.random.key(0), 1), (3, 7)))
    direction = direction / np.sqrt(np.sum(direction**2, axis=0))
    code, drawn = (np.sort(np.sum(np.asarray(x)[:, :, None] * direction, axis=1), axis=0) for x in (latent, prior))
    close(swae.terms["discrepancy"], np.full(6, 4 * np.mean((code - drawn) ** 2)))
    close(swae.terms["reconstruction"], swae.distortion(latent))


@pytest.mark.parametrize("average", ["iwae", "elbo"])
def test_iwae_averages_weights_and_the_vae_beside_it_their_logarithms(average):
    computed = Computed(IwaeConfig(**SMALL, num_samples=4, average=average))
    deviation = np.exp(computed.log_variance / 2)
    log_weight = np.stack(
        [
            scipy.stats.norm.logpdf(z).sum(axis=1)
            - scipy.stats.norm.logpdf(z, computed.mean, deviation).sum(axis=1)
            - computed.distortion(z)
            for z in computed.latent
        ]
    )
    mean = log_weight.mean(axis=0) if average == "elbo" else scipy.special.logsumexp(log_weight, axis=0) - np.log(4)
    close(computed.terms["bound"], -mean)


def test_the_kls_weight_warms_up_and_free_bits_cost_nothing():
    warm = Computed(BetaVaeConfig(**SMALL, beta=2.0, warmup_epochs=4.0))
    close(warm.terms["kl"], 2 * warm.kl)

    @jax.jit
    def terms_at(epoch):
        return warm.model.apply(warm.variables, Batch(IMAGE, None, epoch=epoch), train=False, method="terms")

    for epoch, share in ((1.0, 0.25), (4.0, 1.0), (9.0, 1.0)):
        terms = terms_at(np.float32(epoch))
        close(terms["kl"], share * 2 * warm.kl)
        close(terms["reconstruction"], warm.terms["reconstruction"])
    units = 0.5 * (warm.mean**2 + np.exp(warm.log_variance) - 1 - warm.log_variance)
    bits = float(np.sort(units.mean(axis=0))[1] + 1e-3)
    free = Computed(VaeConfig(**SMALL, free_bits=bits))
    close(np.mean(free.terms["kl"]), np.sum(np.maximum(units.mean(axis=0), bits)))

    def mean_kl(bias):
        params = dict(free.variables["params"])
        params["latent"] = dict(params["latent"]) | {"bias": bias}
        return free.model.apply({"params": params}, Batch(IMAGE, None), train=False, method="terms")["kl"].mean()

    slope = jax.jit(jax.grad(mean_kl))(free.variables["params"]["latent"]["bias"])
    assert np.array_equal(np.abs(slope) > 0, units.mean(axis=0) > bits)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.kind)
def test_extremes_stay_finite_with_their_gradients(family):
    assert_finite_at_extremes(family, "log_variance" if family.POSTERIOR else None)


def test_every_weight_varies_within_a_population():
    weights = {
        "beta_vae": ("free_bits", "warmup_epochs"),
        "annealed_vae": ("gamma", "warmup_epochs"),
        "beta_tcvae": ("alpha", "gamma"),
        "dip_vae": ("off_diagonal",),
        "info_vae": ("alpha", "kernel.bandwidth"),
        "wae": ("weight",),
        "swae": ("weight",),
        "ciwae": ("share",),
    }
    for family in FAMILIES:
        for name in weights.get(family.kind, ()):
            members = expand(Config(autoencoder=family), grid(f"autoencoder.{name}", [0.25, 0.5, 1.0]))
            assert [len(population.members) for population in group(members)] == [3]


@pytest.mark.slow
def test_a_step_may_be_in_bfloat16(data):
    """With all that there is to be computed in it: encoder, decoder, posterior, discriminator."""
    family = FactorVaeConfig(**SMALL, discriminator_widths=(5,))
    metrics = fit_population(family, "gamma", [0.1, 10.0], data, precision="bfloat16")
    assert np.isfinite(metrics["train_loss"]).all()


def test_a_larger_weight_of_the_kl_leaves_more_untold_and_the_study_of_it_is_one_population(data):
    metrics = fit_population(BetaVaeConfig(**SMALL), "beta", [0.0, 1.0, 30.0], data)
    assert np.all(np.diff(metrics["train_reconstruction"][:, -1]) > 0)
    experiment = load_experiment("experiments/beta.py")
    members = expand(experiment.config, experiment.sweep)
    assert len(members) == 8
    assert len(group(members)) == 1


@pytest.mark.parametrize(
    ("family", "message"),
    [
        (VaeConfig(latent_activation="relu"), "latent_activation=relu"),
        (InfoVaeConfig(alpha=0.0, scale=0.001), "negative weight"),
        (InfoVaeConfig(alpha=1.5), "negative weight"),
        (BetaTcVaeConfig(free_bits=0.5), "free_bits=0.5"),
        (IwaeConfig(average="elbo", gradient="dreg"), "gradient=dreg"),
        (IwaeConfig(likelihood=OptimalGaussian()), "closest"),
        (IwaeConfig(likelihood=MeanSquaredError()), "no log-likelihood"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(family, message):
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=family))


def test_the_default_weight_of_the_discrepancy_is_positive():
    assert InfoVaeConfig().alpha + InfoVaeConfig().scale - 1 > 0
    assert WaeConfig().weight > 0
