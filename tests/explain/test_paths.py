import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.errors import DataError
from aejax.explain import paths
from aejax.explain.paths import class_pairs, class_paths

interpolate = jax.jit(paths.interpolate, static_argnums=(2, 3))
rng = np.random.default_rng(0)


def test_a_spherical_way_of_equal_lengths_is_an_arc():
    ends = np.eye(3, dtype=np.float32)[None, 0], np.eye(3, dtype=np.float32)[None, 1]
    angle = np.linspace(0, np.pi / 2, 5)
    arc = np.stack([np.cos(angle), np.sin(angle), np.zeros(5)], axis=1)
    spherical, linear = (np.asarray(interpolate(*ends, 5, path)) for path in ("spherical", "linear"))
    np.testing.assert_allclose(spherical[0], arc, atol=1e-6)
    np.testing.assert_allclose(linear[0, 2], [0.5, 0.5, 0], atol=1e-6)
    # Where there is no angle it is the straight line.
    same = np.asarray(interpolate(ends[0], 3 * ends[0], 3, "spherical"))[0]
    np.testing.assert_allclose(same, [[1, 0, 0], [2, 0, 0], [3, 0, 0]], atol=1e-6)


def test_pairs_are_of_two_classes_and_all_occur_before_one_occurs_twice():
    label = np.repeat([0, 2, 5], 20)
    pairs = label[class_pairs(label, 6, seed=0)]
    assert sorted(map(tuple, pairs)) == [(0, 2), (0, 5), (2, 0), (2, 5), (5, 0), (5, 2)]
    more = class_pairs(label, 13, seed=1)
    assert more.shape == (13, 2)
    assert np.all(label[more[:, 0]] != label[more[:, 1]])
    np.testing.assert_array_equal(more, class_pairs(label, 13, seed=1))
    unlabelled = np.append(label, -np.ones(5, int))
    np.testing.assert_array_equal(more, class_pairs(unlabelled, 13, seed=1))
    with pytest.raises(DataError, match="all of class \\[3\\]"):
        class_pairs(np.full(4, 3), 2, seed=0)


def test_ways_go_from_one_class_to_the_other():
    start, end = jnp.asarray(rng.normal(-2, 0.1, (3, 4)), jnp.float32), jnp.asarray(rng.normal(2, 0.1, (3, 4)))
    ways = class_paths(
        start,
        end,
        5,
        "linear",
        decode=lambda latent: latent.reshape(-1, 2, 2, 1),
        probabilities=lambda latent: jax.nn.softmax(jnp.stack([-latent[:, 0], latent[:, 0]], axis=1)),
    )
    assert ways.image.shape == (3, 5, 2, 2, 1)
    assert ways.probability.shape == (3, 5, 2)
    np.testing.assert_allclose(ways.image[:, 0].reshape(3, 4), start, rtol=1e-6)
    np.testing.assert_allclose(ways.image[:, 2].reshape(3, 4), (start + end) / 2, atol=1e-6)
    np.testing.assert_allclose(ways.probability[1, 3, 1], 1 / (1 + np.exp(-2 * ways.image[1, 3, 0, 0, 0])), rtol=1e-5)
    assert np.all(np.diff(ways.probability[..., 1], axis=1) > 0)
