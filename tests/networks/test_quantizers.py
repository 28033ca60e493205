"""Codebooks and grids by themselves: the nearest vector, vectors that move, levels there and back, entropies."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax.networks import grids, quantizers
from aejax.networks.quantizers import Codebook, Codebooks


def close(found, expected, rtol=1e-5):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-5)


def draw(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def test_the_nearest_vector_is_that_of_brute_force_and_of_equals_the_first():
    x, vectors = draw(3000, 5), draw(700, 5)[::-1]
    vectors = np.concatenate([vectors, vectors[:50]])
    distance = np.sum((x[:, None].astype(np.float64) - vectors[None]) ** 2, axis=2)
    found = np.asarray(jax.jit(quantizers.nearest)(x, vectors))
    np.testing.assert_array_equal(found, distance[:, :700].argmin(axis=1))
    assert jax.jit(quantizers.nearest)(x * np.nan, vectors).max() < 750


def test_a_codebook_follows_the_averages_of_counts_and_sums():
    """Van den Oord et al. (2017), appendix A.1, with the paper's own two averages kept in numpy."""
    vectors, decay = draw(6, 3), 0.9
    codebook = Codebook(vectors, np.ones(6, np.float32))
    number, total = np.ones(6), vectors.astype(np.float64)
    for step in range(4):
        x = np.random.default_rng(step).normal(size=(30, 3)).astype(np.float32)
        index = np.random.default_rng(step).integers(0, 5, 30)  # Never the last.
        codebook = jax.jit(quantizers.follow)(codebook, x, index, decay)
        hot = np.eye(6)[index]
        number = decay * number + (1 - decay) * hot.sum(axis=0) * 6 / 30
        total = decay * total + (1 - decay) * hot.T @ x * 6 / 30
    close(codebook.usage, number)
    close(codebook.vectors, total / number[:, None])
    np.testing.assert_array_equal(np.asarray(codebook.vectors)[5], vectors[5])
    means = np.asarray(jax.jit(quantizers.follow)(codebook, x, index, 0.0).vectors)
    close(means[:5], np.stack([x[index == code].mean(axis=0) for code in range(5)]))


def test_what_is_hardly_used_is_replaced_with_what_has_an_error():
    x, error = draw(10, 3), np.array([0, 0, 1, 0, 4, 0, 0, 0, 0, 0.5], np.float32)
    codebook = Codebook(draw(400, 3)[::-1], np.float32(np.where(np.arange(400) < 300, 0.05, 2.0)))
    revived = jax.device_get(jax.jit(quantizers.revive)(codebook, x, error, 0.1, jax.random.key(0)))
    np.testing.assert_array_equal(revived.vectors[300:], codebook.vectors[300:])
    np.testing.assert_array_equal(revived.usage, np.where(np.arange(400) < 300, np.float32(0.2), 2.0))
    row = np.argmax(np.all(np.asarray(revived.vectors)[:300, None] == x[None], axis=2), axis=1)
    share = np.bincount(row, minlength=10) / 300
    assert np.all((share > 0) == (error > 0))
    assert np.abs(share - error / error.sum()).max() < 0.1
    everyone = jax.jit(quantizers.revive)(codebook, x, 0 * error, 0.0, jax.random.key(0))
    np.testing.assert_array_equal(everyone.vectors, codebook.vectors)


def quantize(x, variables, *, train):
    model = Codebooks(depth=3, size=4, width=4, are_parameters=False, decay=0.99, revive_below=0.1)
    call = lambda variables, x: model.apply(  # noqa: E731
        variables, x, train=train, method="quantize", mutable=["codebook"], rngs={"noise": jax.random.key(0)}
    )
    return jax.jit(call)(variables, x)


def test_each_codebook_quantizes_what_those_before_it_leave_and_pays_for_it():
    x = draw(20, 4)
    vectors = draw(3, 4, 4)
    variables = {"codebook": {"vectors": vectors, "usage": np.ones((3, 4), np.float32)}}
    found, after = quantize(x, variables, train=False)
    rest, paid = x.astype(np.float64), 0
    for level in range(3):
        index = np.sum((rest[:, None] - vectors[level][None]) ** 2, axis=2).argmin(axis=1)
        np.testing.assert_array_equal(found.indices[:, level], index)
        rest = rest - vectors[level][index]
        paid = paid + np.sum(rest**2, axis=1)
    close(found.vectors, x - rest)
    close(found.commitment, paid)
    close(found.distance, paid)
    for before, now in zip(jax.tree.leaves(variables), jax.tree.leaves(after), strict=True):
        np.testing.assert_array_equal(before, now)
    _, after = quantize(x, variables, train=True)
    assert all(np.all(np.any(after["codebook"]["vectors"][level] != vectors[level])) for level in range(3))


@pytest.mark.parametrize("levels", [(2, 3, 4, 5), (8, 7), (2,)])
def test_finite_scalars_reach_every_level_and_every_code_comes_back(levels):
    size = int(np.prod(levels))

    @jax.jit
    def there_and_back(index):
        vectors = grids.index_to_levels(index, levels)
        return vectors, grids.levels_to_index(vectors, levels)

    vectors, index = jax.device_get(there_and_back(np.arange(size)))
    np.testing.assert_array_equal(index, np.arange(size))
    assert len(np.unique(vectors, axis=0)) == size
    assert np.abs(vectors).max() == 1
    line = np.concatenate([[-1e4], np.linspace(-5, 5, 2001), [1e4]]).astype(np.float32)
    quantize_levels = jax.jit(lambda x: grids.quantize_levels(x, levels))
    found = np.asarray(quantize_levels(np.tile(line[:, None], (1, len(levels)))))
    for column, number in enumerate(levels):
        close(np.unique(found[:, column]), (np.arange(number) - number // 2) / (number // 2))
        assert np.all(np.diff(found[:, column]) >= 0)
    # About where the paper has 0: between the lower and the upper half of the levels.
    bounded = jax.jit(lambda x: grids.bound_levels(x, levels))(np.zeros((1, len(levels)), np.float32))
    assert np.abs(bounded).max() < 0.05


def test_the_entropies_of_signs_are_those_of_all_codes():
    logit = 2 * draw(7, 5)
    rate = scipy.special.expit(logit.astype(np.float64))
    every = np.array(list(itertools.product([0, 1], repeat=5)))
    joint = np.prod(np.where(every[None] == 1, rate[:, None], 1 - rate[:, None]), axis=2)
    each, mean = jax.jit(grids.sign_entropies)(logit)
    close(each, scipy.stats.entropy(joint, axis=1))
    close(mean, scipy.stats.entropy(joint.mean(axis=0)))
    total = lambda logit: sum(jnp.sum(part) for part in grids.sign_entropies(logit))  # noqa: E731
    slopes = jax.jit(jax.grad(total))(logit * 1e4)
    assert np.isfinite(slopes).all()
