"""Batches: complete, without repetition, and a pure function of the key."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.data import batches
from aejax.data.batches import num_batches

epoch_indices = jax.jit(batches.epoch_indices, static_argnums=(1, 2, 3))


@pytest.mark.parametrize(("num_examples", "batch_size", "expected"), [(23, 5, 4), (20, 5, 4), (5, 5, 1), (4, 5, 0)])
def test_num_batches_drops_the_remainder(num_examples, batch_size, expected):
    assert num_batches(num_examples, batch_size) == expected
    indices = jax.eval_shape(lambda key: epoch_indices(key, num_examples, batch_size), jax.random.key(0))
    assert (indices.shape, indices.dtype) == ((expected, batch_size), jnp.int32)


def test_epoch_visits_each_example_at_most_once():
    indices = np.asarray(epoch_indices(jax.random.key(0), 23, 5))
    assert len(np.unique(indices)) == 20
    assert indices.min() >= 0
    assert indices.max() < 23


def test_order_is_a_pure_function_of_the_key():
    one, other = jax.random.split(jax.random.key(0))
    np.testing.assert_array_equal(epoch_indices(one, 23, 5), batches.epoch_indices(one, 23, 5))
    assert not np.array_equal(epoch_indices(one, 23, 5), epoch_indices(other, 23, 5))


def test_every_example_is_used_over_the_epochs():
    epochs = [epoch_indices(key, 23, 5) for key in jax.random.split(jax.random.key(0), 20)]
    assert set(np.concatenate(epochs).ravel().tolist()) == set(range(23))


def test_full_batch_is_sequential():
    np.testing.assert_array_equal(epoch_indices(jax.random.key(0), 6, 6), np.arange(6)[None])


@pytest.mark.parametrize("count", [1, 12, 23])
def test_the_batches_of_the_examples_that_count_do_not_depend_on_the_others(count):
    first = [np.asarray(epoch_indices(jax.random.key(0), size, 4, count))[: count // 4] for size in (23, 64)]
    np.testing.assert_array_equal(*first)
    assert len(np.unique(first[0])) == first[0].size
    assert np.all(first[0] < count)
    if count == 23:
        assert set(
            np.concatenate([epoch_indices(key, 23, 4, 23) for key in jax.random.split(jax.random.key(0), 20)])
            .ravel()
            .tolist()
        ) == set(range(23))
