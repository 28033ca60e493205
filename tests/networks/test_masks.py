"""Masks of squares: counts, permutations and patterns, against NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.networks import masks

PATTERNS = ("random", "block", "grid")
draw = jax.jit(masks.draw_masks, static_argnums=(1, 2, 3, 4))
KEY = jax.random.key(0)


@functools.cache
def drawn(pattern, grid=(4, 6), hidden=17, num_images=200):
    return jax.device_get(draw(KEY, num_images, grid, hidden, pattern))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tokens_and_masks_invert_each_other(pattern):
    found = drawn(pattern)
    assert found.visible.shape == (200, 7)
    assert found.hidden.shape == (200, 17)
    every = np.tile(np.arange(24), (200, 1))
    np.testing.assert_array_equal(np.sort(found.order, axis=1), every)
    np.testing.assert_array_equal(np.take_along_axis(found.order, np.asarray(found.inverse), axis=1), every)
    expected = np.zeros((200, 24), bool)
    np.put_along_axis(expected, found.hidden, True, axis=1)
    np.testing.assert_array_equal(found.is_hidden, expected)
    tokens = np.random.default_rng(0).normal(size=(200, 24))
    entered = np.take_along_axis(tokens, found.order, axis=1)
    np.testing.assert_array_equal(np.take_along_axis(entered, np.asarray(found.inverse), axis=1), tokens)
    assert len({row.tobytes() for row in expected}) > 10  # Each image's is drawn by itself.


@pytest.mark.parametrize("pattern", ["random", "block"])
def test_every_square_may_be_hidden_and_seen(pattern):
    share = np.asarray(drawn(pattern).is_hidden).mean(axis=0)
    assert share.min() > 0.3
    assert share.max() < 0.99


def test_random_squares_are_hidden_alike_and_independently():
    hidden = np.asarray(drawn("random").is_hidden)
    deviation = np.sqrt(17 / 24 * 7 / 24 / 200)
    assert np.abs(hidden.mean(axis=0) - 17 / 24).max() < 4 * deviation


def edges(hidden, grid):
    """How many pairs of neighbors there are of which one is hidden, for each image."""
    square = np.asarray(hidden).reshape(-1, *grid)
    return (square[:, 1:] != square[:, :-1]).sum((1, 2)) + (square[..., 1:] != square[..., :-1]).sum((1, 2))


def test_blocks_hang_together():
    grid = (8, 8)
    counts = {name: edges(drawn(name, grid, 32).is_hidden, grid).mean() for name in ("random", "block")}
    assert counts["block"] < 0.6 * counts["random"]


@pytest.mark.parametrize(("hidden", "distance"), [(48, (2, 2)), (32, (1, 1)), (60, (4, 4))])
def test_the_visible_squares_of_a_grid_are_evenly_spread(hidden, distance):
    grid = (8, 8)
    square = ~np.asarray(drawn("grid", grid, hidden, 50).is_hidden).reshape(-1, *grid)
    assert np.all(square == np.roll(square, distance, (1, 2)))  # Moved by the distance it is the same.
    other = {48: np.roll(square, 1, 1), 32: np.roll(square, 1, 1), 60: np.roll(square, 2, 2)}[hidden]
    assert not np.any(square & other)
    assert {48: 4, 32: 2, 60: 16}[hidden] >= len({row.tobytes() for row in square}) > 1


@pytest.mark.parametrize(
    ("ratio", "num", "expected"), [(0.75, 16, 12), (0.75, 49, 37), (0.6, 4, 2), (0.9, 10, 9), (0.5, 3, 2)]
)
def test_the_ratio_is_that_of_whole_squares(ratio, num, expected):
    assert masks.num_hidden(ratio, num) == expected


def test_squares_are_taken_put_and_covered_where_they_are():
    image = jnp.asarray(np.random.default_rng(0).normal(size=(3, 6, 8, 2)), jnp.float32)
    side, grid = 2, (3, 4)
    found = draw(KEY, 3, grid, 7, "random")
    squares = np.asarray(masks.to_squares(image, side))
    for index in range(12):
        row, column = side * (index // 4), side * (index % 4)
        np.testing.assert_array_equal(squares[:, index], image[:, row : row + side, column : column + side])
    np.testing.assert_array_equal(masks.to_image(squares, grid), image)
    strip = np.asarray(masks.take_squares(image, found.hidden, side))
    assert strip.shape == (3, 14, 2, 2)
    for example, row in enumerate(np.asarray(found.hidden)):
        np.testing.assert_array_equal(strip[example], np.concatenate([squares[example, index] for index in row]))
    covered = np.asarray(masks.cover(image, found, side, jnp.array([5.0, 6.0])))
    is_hidden = np.asarray(found.is_hidden)
    np.testing.assert_array_equal(masks.to_squares(covered, side)[~is_hidden], squares[~is_hidden])
    np.testing.assert_array_equal(
        masks.to_squares(covered, side)[is_hidden], np.broadcast_to([5.0, 6.0], (21, side, side, 2))
    )
    np.testing.assert_array_equal(masks.put_squares(jnp.asarray(covered), found.hidden, strip), image)
