"""The bounds of several draws against numpy, and which network learns by which of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax import rng
from aejax.autoencoders.iwae import CiwaeConfig, IwaeConfig, MiwaeConfig, PiwaeConfig
from aejax.autoencoders.zoo import make_autoencoder
from aejax.data.resident import Batch
from aejax.errors import ConfigError
from aejax.experiment import Config, check
from aejax.objectives.likelihoods import LearnedGaussian, OptimalGaussian
from aejax.objectives.priors import MixturePrior, VampPrior
from aejax.training.optimizers import Sgd, make_optimizer
from aejax.training.step import TrainingConfig, init_state, train_step
from tests.autoencoders.families import IMAGE, SMALL, changed, initialize
from tests.methods import make_task

DRAWS = {  # Twelve of each posterior.
    "iwae": IwaeConfig(**SMALL, num_samples=12),
    "elbo": IwaeConfig(**SMALL, num_samples=12, average="elbo"),
    "miwae": MiwaeConfig(**SMALL, num_bounds=3, num_samples=4),
    "one": MiwaeConfig(**SMALL, num_bounds=1, num_samples=12),
    "piwae": PiwaeConfig(**SMALL, num_bounds=3, num_samples=4),
    "ciwae": CiwaeConfig(**SMALL, num_samples=12, share=0.25),
    "none": CiwaeConfig(**SMALL, num_samples=12, share=0.0),
    "all": CiwaeConfig(**SMALL, num_samples=12, share=1.0),
}


def test_bounds_are_numpys_of_the_same_draws():
    """The mean is over three bounds, and the logarithm is of the mean of four weights, and not the other way around."""
    model, variables = initialize(DRAWS["iwae"], IMAGE)
    variables = changed(variables, lambda leaf: 1.5 * leaf + 0.1)
    noise = jax.random.normal(jax.random.key(0), (12, 6, 3))

    @jax.jit
    def compute(variables):
        mean, log_variance, _ = model.apply(variables, IMAGE, method="posterior")
        latent = mean[None] + jnp.exp(log_variance / 2)[None] * noise
        logit = model.apply(variables, latent.reshape(72, 3), method="decode").reshape(12, *IMAGE.shape)
        terms = {
            name: make_autoencoder(family, IMAGE.shape[1:]).apply(
                variables, Batch(IMAGE, None), train=False, method="terms"
            )
            for name, family in DRAWS.items()
        }
        return terms, mean, log_variance, latent, logit

    terms, *rest = compute(variables)
    mean, log_variance, latent, logit = (np.asarray(x, np.float64) for x in rest)
    distortion = np.sum(np.logaddexp(0, logit) - IMAGE * logit, axis=(2, 3, 4))
    log_prior = scipy.stats.norm.logpdf(latent).sum(axis=2)
    log_posterior = scipy.stats.norm.logpdf(latent, mean, np.exp(log_variance / 2)).sum(axis=2)
    log_weight = log_prior - distortion - log_posterior  # [draws, images]

    def bound(log_weight):
        return scipy.special.logsumexp(log_weight, axis=0) - np.log(len(log_weight))

    close, of_all, elbo = np.testing.assert_allclose, bound(log_weight), log_weight.mean(axis=0)
    three = np.mean([bound(group) for group in np.split(log_weight, 3)], axis=0)
    assert np.all(np.abs(three - np.mean([bound(group) for group in np.split(log_weight, 4)], axis=0)) > 1e-3)
    close(terms["iwae"]["bound"], -of_all, rtol=1e-5)
    close(terms["elbo"]["bound"], -elbo, rtol=1e-5)
    close(terms["miwae"]["bound"], -three, rtol=1e-5)
    close(terms["piwae"]["bound"], -three, rtol=1e-5)
    close(terms["piwae"]["decoder"], -of_all, rtol=1e-5)
    close(terms["ciwae"]["bound"], -(0.25 * elbo + 0.75 * of_all), rtol=1e-5)
    close(terms["one"]["bound"], terms["iwae"]["bound"], rtol=1e-6)
    close(terms["none"]["bound"], terms["iwae"]["bound"], rtol=1e-6)
    close(terms["all"]["bound"], terms["elbo"]["bound"], rtol=1e-6)
    assert DRAWS["miwae"].num_draws() == DRAWS["piwae"].num_draws() == 12


def size(tree):
    return max(np.abs(leaf).max() for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    "prior", [VampPrior(num_components=2), pytest.param(MixturePrior(num_components=2), marks=pytest.mark.slow)]
)
def test_encoder_and_model_learn_by_their_own_bounds_of_the_same_draws_alone(prior, data):
    """Of `piwae` the model is the decoder, the prior and the likelihood's scale; a VampPrior is the encoder's too."""
    small = SMALL | {"likelihood": LearnedGaussian(), "prior": prior}
    own = PiwaeConfig(**small, num_bounds=2, num_samples=3)
    bounds = {
        "encoder": MiwaeConfig(**small, num_bounds=2, num_samples=3),
        "model": IwaeConfig(**small, num_samples=6),
    }
    config = Config(autoencoder=own, optimizer=Sgd(learning_rate=1.0), training=TrainingConfig(epochs=1, batch_size=20))
    task = make_task("autoencoder", (8, 8, 1), None)(config)
    (stage,) = task.stages
    batch = data.batch("train", jnp.arange(20))
    key = rng.at(rng.stream(rng.root(0), "noise"), 0)

    @jax.jit
    def step():
        state = init_state(task, data)
        # Biases are zero at first, and posteriors all alike; an image asks little of its code with a σ of 1.
        params = {**jax.tree.map(lambda leaf: 2 * leaf + 0.1, state.params), "log_scale": jnp.asarray(-1.5)}
        optimizer = make_optimizer(config.optimizer, 1, 1)
        after, metrics = train_step(task, stage, optimizer, state.replace(params=params), batch, False)

        def loss(params, family):
            model = make_autoencoder(family, (8, 8, 1))
            terms = model.apply({"params": params}, batch, train=True, method="terms", rngs={"noise": key})
            return jnp.mean(terms["bound"])

        expected = {name: jax.value_and_grad(loss)(params, family) for name, family in bounds.items()}
        return jax.tree.map(lambda old, new: old - new, params, after.params), expected, metrics

    moved, expected, metrics = step()
    (encoder, by_encoders), (model, by_models) = expected["encoder"], expected["model"]
    np.testing.assert_allclose((metrics["loss"], metrics["decoder"]), (encoder, model), rtol=1e-5)
    assert set(moved) == {"encoder", "latent", "log_variance", "decoder", "prior", "log_scale"}
    for name, found in moved.items():
        right, wrong = by_encoders[name], by_models[name]
        if name in ("decoder", "prior", "log_scale"):
            right, wrong = wrong, right
        assert size(jax.tree.map(jnp.subtract, right, wrong)) > 0.01 * size(right), name
        for leaf, wanted in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
            np.testing.assert_allclose(leaf, wanted, rtol=1e-3, atol=1e-4 * size(right), err_msg=name)


def test_what_has_no_parameters_has_no_bound_of_its_own():
    assert [name for name, _ in PiwaeConfig(**SMALL).opponents()] == ["decoder"]


@pytest.mark.parametrize("family", [MiwaeConfig, PiwaeConfig, CiwaeConfig])
def test_a_scale_that_suits_the_mean_of_all_draws_is_refused(family):
    with pytest.raises(ConfigError, match="not the one that makes the bound closest; use learned_gaussian"):
        check(Config(autoencoder=family(likelihood=OptimalGaussian())))
