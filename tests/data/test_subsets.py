"""The fixed subsets of labelled examples."""

import jax
import numpy as np

from aejax.data.subsets import draw_per_class

LABEL = np.random.default_rng(0).integers(0, 4, 400).astype(np.int32)


def test_every_class_has_as_many_of_its_own_and_none_twice():
    indices = np.asarray(draw_per_class(LABEL, 4, 20, 0))
    assert indices.shape == (4, 20)
    np.testing.assert_array_equal(LABEL[indices], np.broadcast_to(np.arange(4)[:, None], (4, 20)))
    assert len(set(indices.ravel().tolist())) == 80


def test_fewer_lie_within_more_and_draws_differ():
    many = np.asarray(draw_per_class(LABEL, 4, 20, 3))
    np.testing.assert_array_equal(draw_per_class(LABEL, 4, 5, 3), many[:, :5])
    assert not np.array_equal(many, draw_per_class(LABEL, 4, 20, 4))


def test_a_traced_draw_gives_the_same_examples():
    traced = jax.jit(lambda draw: draw_per_class(LABEL, 4, 5, draw))(2)
    np.testing.assert_array_equal(traced, draw_per_class(LABEL, 4, 5, 2))
