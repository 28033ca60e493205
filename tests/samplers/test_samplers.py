"""Distributions of codes: their densities against closed forms, their samples, and what the learned ones learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from sklearn.mixture import GaussianMixture

from aejax.networks.flows import Made
from aejax.samplers.base import CodeSpace
from aejax.samplers.fit import fit_sampler
from aejax.samplers.zoo import SAMPLERS, GenerationConfig, make_sampler
from aejax.training.optimizers import Adam

GENERATOR = np.random.default_rng(0)
# Two clusters, far apart along a diagonal: no single Gaussian is like it.
SIDE = GENERATOR.choice([-2.0, 2.0], size=(2000, 1))
CLUSTERS = (SIDE * [1.0, 0.5] + 0.3 * GENERATOR.normal(size=(2000, 2)) + [3.0, -1.0]).astype(np.float32)


def fitted(kind, code=CLUSTERS, epochs=30, num_categories=None, **fields):
    config = GenerationConfig(
        sampler=SAMPLERS.config(kind)(**fields), epochs=epochs, batch_size=200, optimizer=Adam(learning_rate=5e-3)
    )
    return fit_sampler(config, code, num_categories=num_categories)


# Fitted at once.


def test_the_prior_is_standard_normal_or_uniform():
    prior = fitted("prior")
    x = CLUSTERS[:5]
    np.testing.assert_allclose(prior.map("log_density", x), scipy.stats.norm.logpdf(x).sum(axis=1), rtol=1e-5)
    discrete = fitted("prior", np.zeros((9, 3)), num_categories=4)
    drawn = np.asarray(discrete.apply("sample", 4000, jax.random.key(0)))
    np.testing.assert_allclose(discrete.map("log_density", drawn[:2]), -3 * np.log(4), rtol=1e-6)
    np.testing.assert_allclose(np.bincount(drawn.ravel(), minlength=4) / drawn.size, 0.25, atol=0.02)


def test_a_gaussian_has_the_codes_moments():
    sampler = fitted("gaussian")
    mean, covariance = CLUSTERS.mean(axis=0), np.cov(CLUSTERS.T, bias=True)
    expected = scipy.stats.multivariate_normal(mean, covariance).logpdf(CLUSTERS[:50])
    np.testing.assert_allclose(sampler.map("log_density", CLUSTERS[:50]), expected, rtol=1e-3, atol=1e-3)
    drawn = np.asarray(sampler.apply("sample", 20_000, jax.random.key(0)))
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.06)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.1)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("gaussian", {}),
        ("mixture", {"num_components": 2}),
        ("kernel_density", {"num_kernels": 100}),
        ("masked_flow", {"num_layers": 1, "widths": (4,)}),
        pytest.param("inverse_flow", {"num_layers": 1, "widths": (4,)}, marks=pytest.mark.slow),
        ("two_stage", {"widths": (4,)}),
        pytest.param("flow_matching", {"widths": (4,), "num_steps": 4}, marks=pytest.mark.slow),
    ],
)
def test_a_unit_that_never_varies_never_does_among_what_is_drawn(kind, fields):
    """Whatever its value and those of the others, whose distribution is as without it."""
    constant = np.tile(np.float32([7.3, 0.0, -1e-4]), (400, 1))
    code = np.concatenate([10 * CLUSTERS[:400], constant], axis=1)
    drawn = np.asarray(fitted(kind, code, epochs=0, **fields).apply("sample", 100, jax.random.key(0)))
    np.testing.assert_allclose(drawn[:, 2:], constant[:100], rtol=1e-6)
    assert np.all(drawn[:, :2].std(axis=0) > 5)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("gaussian", {}), ("mixture", {"num_components": 2}), ("kernel_density", {"num_kernels": 400, "bandwidth": 0.5})],
)
def test_a_unit_of_small_scale_is_drawn_with_its_own_deviation_and_a_constant_adds_nothing_to_densities(kind, fields):
    other = GENERATOR.normal(size=(400, 1)).astype(np.float32)
    code = np.hstack([1e4 * CLUSTERS[:400], other, np.full((400, 1), 7.3, np.float32)])
    samplers = [fitted(kind, of, **fields) for of in (code, code[:, :3])]
    assert np.asarray(samplers[0].apply("sample", 4000, jax.random.key(0)))[:, 2].std() < 1.5
    densities = [sampler.map("log_density", code[:50, :size]) for sampler, size in zip(samplers, (4, 3), strict=True)]
    np.testing.assert_allclose(*densities, rtol=1e-3, atol=1e-3)


def test_a_mixture_of_codes_that_are_all_the_same_is_that_code_without_a_warning():
    code = np.tile(np.float32([7.3, 0.0]), (40, 1))
    drawn = fitted("mixture", code, num_components=3).apply("sample", 10, jax.random.key(0))
    np.testing.assert_array_equal(drawn, code[:10])


def test_a_mixture_is_that_of_scikit_learn():
    sampler = fitted("mixture", num_components=2)
    scale = np.std(CLUSTERS.astype(float))
    model = GaussianMixture(2, random_state=0).fit(CLUSTERS.astype(float) / scale)
    expected = model.score_samples(CLUSTERS[:50] / scale) - 2 * np.log(scale)
    np.testing.assert_allclose(sampler.map("log_density", CLUSTERS[:50]), expected, rtol=1e-3, atol=1e-3)
    drawn = np.asarray(sampler.apply("sample", 5000, jax.random.key(0)))
    np.testing.assert_allclose(np.mean(drawn[:, 0] > 3), np.mean(SIDE > 0), atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(CLUSTERS.T), atol=0.15)


def test_a_mixture_of_codes_that_are_not_finite_is_not_either():
    code = CLUSTERS.copy()
    code[3] = np.nan
    assert np.isnan(fitted("mixture", code, num_components=2).apply("sample", 2, jax.random.key(0))).all()


def test_a_kernel_density_is_the_mean_of_its_kernels():
    sampler = fitted("kernel_density", num_kernels=500)
    bandwidth = 500 ** (-1 / 6)  # Scott's, in two dimensions.
    kernel = scipy.stats.multivariate_normal(np.zeros(2), bandwidth**2 * np.cov(CLUSTERS.T, bias=True))
    expected = np.log(kernel.pdf(CLUSTERS[:50, None] - CLUSTERS[None, :500]).mean(axis=1))
    np.testing.assert_allclose(sampler.map("log_density", CLUSTERS[:50]), expected, atol=1e-3)
    drawn = np.asarray(sampler.apply("sample", 5000, jax.random.key(0)))
    np.testing.assert_allclose(np.mean(drawn[:, 0] > 3), np.mean(SIDE[:500] > 0), atol=0.03)


def test_a_kernel_density_of_fewer_codes_than_kernels_uses_these_alone():
    drawn = np.asarray(fitted("kernel_density", CLUSTERS[:40], bandwidth=1e-3).apply("sample", 200, jax.random.key(0)))
    distance = np.linalg.norm(drawn[:, None] - CLUSTERS[None, :40], axis=2).min(axis=1)
    assert distance.max() < 0.02


# Flows.


@pytest.fixture(scope="module", params=["masked_flow", "inverse_flow"])
def flow(request):
    """A flow whose weights are random, so that it is far from the identity, of codes with mean and deviation."""
    config = SAMPLERS.config(request.param)(num_layers=2, widths=(16,), activation="tanh")
    sampler = make_sampler(config, CodeSpace(2))
    variables = jax.jit(lambda: sampler.init(jax.random.key(0), CLUSTERS[:1], method="log_density"))()
    generator = np.random.default_rng(1)
    disturb = lambda leaf: leaf + 0.5 * generator.normal(size=leaf.shape).astype(np.float32)  # noqa: E731
    params = jax.tree.map(disturb, jax.device_get(variables["params"]))
    return sampler, {"params": params, "fitted": dict(sampler.fit(CLUSTERS, 0))}


def apply(flow, method):
    """Returns a method of a flow, compiled, as a function of codes or of noise."""
    sampler, variables = flow
    return jax.jit(lambda x: sampler.apply(variables, x, method=method))


def test_a_flows_density_integrates_to_one(flow):
    sampler, variables = flow
    center, deviation = CLUSTERS.mean(axis=0), CLUSTERS.std(axis=0)
    side = np.linspace(-25, 25, 601)
    x, y = np.meshgrid(side, side)
    points = (np.stack([x.ravel(), y.ravel()], axis=1) * deviation + center).astype(np.float32)
    density = jax.jit(lambda points: jnp.exp(sampler.apply(variables, points, method="log_density")))(points)
    cell = (side[1] - side[0]) ** 2 * deviation.prod()
    assert abs(np.sum(np.asarray(density, np.float64)) * cell - 1) < 0.01


def test_sampling_inverts_the_density(flow):
    noise = jax.random.normal(jax.random.key(2), (500, 2))
    code = apply(flow, "from_noise")(noise)
    assert np.std(np.asarray(code)) > 0.1
    np.testing.assert_allclose(apply(flow, "to_noise")(code), noise, atol=1e-4)


def test_a_flows_density_is_that_of_the_map_from_noise(flow):
    noise = jax.random.normal(jax.random.key(3), (20, 2))
    from_noise = apply(flow, "from_noise")
    volume = np.linalg.slogdet(jax.jit(jax.vmap(jax.jacfwd(lambda x: from_noise(x[None])[0])))(noise))[1]
    expected = scipy.stats.norm.logpdf(noise).sum(axis=1) - volume
    np.testing.assert_allclose(apply(flow, "log_density")(from_noise(noise)), expected, atol=1e-3)


def test_an_output_of_made_depends_on_the_inputs_before_it_alone():
    made = Made((9, 7), "tanh")
    x = jax.random.normal(jax.random.key(0), (4,))
    variables = jax.device_get(jax.jit(made.init)(jax.random.key(1), x[None]))
    variables = jax.tree.map(lambda leaf: leaf + np.float32(0.3), variables)
    for jacobian in jax.device_get(
        jax.jit(jax.jacobian(lambda x: [part[0] for part in made.apply(variables, x[None])]))(x)
    ):
        assert np.all(np.triu(jacobian) == 0)
        assert np.all(np.tril(jacobian, -1)[np.tril_indices(4, -1)] != 0)


# What is learned.


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.slow if kind == "inverse_flow" else ())
        for kind in SAMPLERS
        if SAMPLERS.config(kind).LEARNED and kind != "autoregressive"
    ],
)
def test_learned_samplers_find_both_clusters(kind):
    small = {"num_layers": 3} if "flow" in kind and kind != "flow_matching" else {}
    drawn = np.asarray(fitted(kind, widths=(64, 64), epochs=60, **small).apply("sample", 2000, jax.random.key(0)))
    side = np.where(drawn[:, :1] > 3, 2.0, -2.0)
    off = np.linalg.norm(drawn - (side * [1.0, 0.5] + [3.0, -1.0]), axis=1)
    # Of a Gaussian of the same codes less than a third lies so near.
    assert np.mean(off < 0.9) > 0.75
    assert 0.35 < np.mean(side > 0) < 0.65


def test_a_causal_transformer_learns_which_indices_follow_which():
    generator = np.random.default_rng(0)
    first = generator.integers(0, 5, size=(1000, 1))
    code = np.concatenate([first, (first + 1) % 5, generator.integers(0, 5, size=(1000, 1)), (2 * first) % 5], axis=1)
    sampler = fitted("autoregressive", code, num_categories=5, epochs=15, width=16, depth=1, heads=2)
    drawn = np.asarray(sampler.apply("sample", 500, jax.random.key(0)))
    assert np.mean((drawn[:, 1] == (drawn[:, 0] + 1) % 5) & (drawn[:, 3] == (2 * drawn[:, 0]) % 5)) > 0.9
    assert len(set(drawn[:, 2].tolist())) == 5
    np.testing.assert_allclose(np.mean(sampler.map("log_density", code)), -2 * np.log(5), atol=0.2)


def test_sampling_place_by_place_sees_what_training_sees():
    """The kept keys and values give the logits of a whole row: no place sees another than those before it."""
    sampler = make_sampler(SAMPLERS.config("autoregressive")(width=8, depth=2, heads=2), CodeSpace(5, 7))
    code = jax.random.randint(jax.random.key(0), (3, 5), 0, 7)
    variables = jax.jit(lambda: sampler.init(jax.random.key(1), code, method="log_density"))()
    drawn = jax.jit(lambda: sampler.apply(variables, 3, jax.random.key(2), method="sample"))()

    @jax.jit
    def draw_again(drawn):
        logits = sampler.bind(variables).transformer(drawn)
        draws = [jax.random.categorical(jax.random.fold_in(jax.random.key(2), i), logits[:, i]) for i in range(5)]
        return jnp.stack(draws, axis=1)

    np.testing.assert_array_equal(drawn, draw_again(drawn))


def test_the_same_key_draws_the_same():
    sampler = fitted("mixture", num_components=2)
    draws = [np.asarray(sampler.apply("sample", 10, jax.random.key(seed))) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.all(draws[0] != draws[2])
