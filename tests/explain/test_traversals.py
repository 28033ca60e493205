import numpy as np
import pytest
from scipy.stats import norm

from aejax.explain.traversals import latent_grid, rank_units, traverse, unit_values
from aejax.objectives.priors import StandardNormal

rng = np.random.default_rng(0)


def test_units_are_ranked_by_their_kl_or_their_variance():
    code = rng.normal(size=(4000, 3)) * np.array([0.1, 2.0, 1.0])
    unit, variance = rank_units(code)
    assert unit.tolist() == [1, 2, 0]
    np.testing.assert_allclose(variance, code.var(axis=0)[unit], rtol=1e-5)
    # A unit of little variance over images may still be the one that the posteriors are surest of.
    deviation = np.broadcast_to([0.01, 1.0, 0.5], code.shape)
    unit, kl = rank_units(code, StandardNormal(3).unit_kl(code, 2 * np.log(deviation)))
    expected = np.mean((code**2 + deviation**2 - 1) / 2 - np.log(deviation), axis=0)
    assert unit.tolist() == np.argsort(-expected).tolist() != [1, 2, 0]
    np.testing.assert_allclose(kl, expected[unit], rtol=1e-4)


def test_values_reach_three_deviations_or_the_codes():
    code = np.stack([rng.normal(2.0, 0.5, 100_000), rng.uniform(0.0, 1.0, 100_000)], axis=1)
    value = unit_values(code, 7)
    np.testing.assert_allclose(value[0], np.linspace(0.5, 3.5, 7), atol=0.02)
    np.testing.assert_allclose(value[1], np.linspace(0.0, 1.0, 7), atol=0.01)


def test_a_traversal_changes_one_unit_alone():
    decode = lambda latent: latent.reshape(-1, 2, 2, 1)  # noqa: E731
    base = np.array([1.0, 2.0, 3.0, 4.0])
    image = traverse(decode, base, np.array([2, 0]), np.array([[7.0, 8.0, 9.0], [-1.0, 0.0, 1.0]]))
    assert image.shape == (2, 3, 2, 2, 1)
    np.testing.assert_array_equal(image[0, :, 1, 0, 0], [7, 8, 9])
    np.testing.assert_array_equal(image[1, :, 0, 0, 0], [-1, 0, 1])
    rest = image.reshape(2, 3, 4)
    np.testing.assert_array_equal(rest[0][:, [0, 1, 3]], np.tile([1, 2, 4], (3, 1)))
    np.testing.assert_array_equal(rest[1][:, 1:], np.tile([2, 3, 4], (3, 1)))


@pytest.mark.parametrize("size", [1, 4])
def test_a_grid_lies_at_quantiles_of_the_widest_directions(size):
    scale = np.array([3.0, 1.0, 0.1, 0.1])[:size]
    axes = np.linalg.qr(rng.normal(size=(size, size)))[0]
    code = rng.normal(size=(20_000, size)) * scale @ axes + 5
    grid = latent_grid(code, 3).reshape(3, 3, size)
    np.testing.assert_allclose(grid[1, 1], np.full(size, 5.0), atol=0.1)
    step = norm.ppf(5 / 6)
    np.testing.assert_allclose(np.abs((grid[2, 1] - grid[1, 1]) @ axes.T)[0], 3 * step, rtol=0.03)
    if size > 1:
        np.testing.assert_allclose(np.abs((grid[1, 2] - grid[1, 1]) @ axes.T)[1], step, rtol=0.03)
