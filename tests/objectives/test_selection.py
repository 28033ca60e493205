"""The k-th largest value against numpy's sort, and the gradient of what is kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.objectives.selection import drop_below, keep_largest, kth_largest

GENERATOR = np.random.default_rng(0)
INPUTS = {
    "random": GENERATOR.normal(size=(6, 7, 5)),
    "negative": -GENERATOR.exponential(size=(6, 7, 5)),
    "tied": GENERATOR.integers(-2, 3, size=(6, 7, 5)),
    "rectified": np.maximum(GENERATOR.normal(size=(6, 7, 5)), 0),
    "zero": np.zeros((6, 7, 5)),
    "all magnitudes": GENERATOR.normal(size=(6, 7, 5)) * 10.0 ** GENERATOR.integers(-38, 38, size=(6, 7, 5)),
    "infinite": np.where(GENERATOR.uniform(size=(6, 7, 5)) < 0.3, -np.inf, 1.0),
}
traced_kth_largest = jax.jit(kth_largest, static_argnums=2)
traced_keep_largest = jax.jit(keep_largest, static_argnums=2)


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 1), (0, 1, 2)])
@pytest.mark.parametrize("name", INPUTS)
def test_the_kth_largest_is_that_of_a_sort(name, axis):
    x = INPUTS[name].astype(np.float32)
    axes = (axis,) if isinstance(axis, int) else axis
    last = np.moveaxis(x, axes, range(-len(axes), 0)).reshape(*np.delete(x.shape, axes), -1)
    descending = -np.sort(-last, axis=-1)
    for k in (1, 2, last.shape[-1] // 2, last.shape[-1]):
        threshold = np.asarray(traced_kth_largest(x, k, axis))
        assert threshold.shape == tuple(np.where(np.isin(np.arange(3), np.mod(axes, 3)), 1, x.shape))
        np.testing.assert_array_equal(threshold.ravel(), descending[..., k - 1].ravel())
        kept = traced_keep_largest(x, k, axis)
        np.testing.assert_array_equal(kept, np.where(x >= threshold, x, 0))


def test_numbers_beyond_the_size_are_the_nearest_that_there_are():
    x = np.float32([[3.0, -1.0, 2.0]])
    assert traced_kth_largest(x, 0, 1).item() == 3
    assert traced_kth_largest(x, 25, 1).item() == -1


def test_ties_at_the_threshold_are_all_kept():
    np.testing.assert_array_equal(traced_keep_largest(np.float32([1.0, 2.0, 2.0, 3.0]), 2, 0), [0, 2, 2, 3])


def test_members_may_keep_different_numbers():
    x = INPUTS["random"][0].astype(np.float32)
    kept = np.asarray(jax.jit(jax.vmap(lambda k: keep_largest(x, k, 1)))(np.asarray([1, 3, 5])))
    for values, k in zip(kept, (1, 3, 5), strict=True):
        np.testing.assert_array_equal(values, traced_keep_largest(x, k, 1))
        assert np.count_nonzero(values) == 7 * k


def test_gradients_pass_to_what_is_kept_and_ignore_the_choice():
    x = INPUTS["random"][0].astype(np.float32)
    mask = np.asarray(traced_keep_largest(x, 2, 1)) != 0
    gradient = jax.jit(jax.grad(lambda x: keep_largest(x, 2, 1).sum()))(x)
    np.testing.assert_array_equal(gradient, mask)
    largest = jax.jit(jax.grad(lambda x: drop_below(x, jnp.max(x)).sum()))(x)
    np.testing.assert_array_equal(largest, x == x.max())
    _, tangent = jax.jit(lambda x: jax.jvp(lambda x: keep_largest(x, 2, 1), (x,), (jnp.ones_like(x),)))(x)
    np.testing.assert_array_equal(tangent, mask)


def test_a_diverged_value_stays_visible():
    assert np.isnan(np.asarray(traced_keep_largest(np.float32([1.0, np.nan, 3.0]), 1, 0))[1])


def test_bfloat16_keeps_its_type():
    x = jnp.asarray(INPUTS["random"][0], jnp.bfloat16)
    kept = np.asarray(traced_keep_largest(x, 2, 1))
    assert kept.dtype == jnp.bfloat16
    assert np.count_nonzero(kept.astype(np.float32)) >= 14
