"""Patches of images against NumPy: what is drawn, normalized, whitened and pooled, and at which places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.networks import patches
from aejax.networks.patches import PatchesConfig

IMAGE = np.random.default_rng(0).uniform(size=(3, 7, 9, 2)).astype(np.float32)


def test_the_patches_of_all_places_are_cut_out_of_the_image():
    found = patches.patches_at_all_places(jnp.asarray(IMAGE), PatchesConfig(size=3, stride=2))
    assert found.shape == (3, 3, 4, 18)
    for row in range(3):
        for column in range(4):
            expected = IMAGE[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3].reshape(3, -1)
            np.testing.assert_array_equal(found[:, row, column], expected)


def test_drawn_patches_are_of_their_image_and_of_every_place_alike():
    # Each pixel tells where it is, and in which image.
    image = np.arange(2 * 5 * 6, dtype=np.float32).reshape(2, 5, 6, 1)
    found = np.asarray(patches.draw_patches(jax.random.key(0), jnp.asarray(image), 3, 6000)).reshape(2, 6000, 3, 3)
    first = found[:, :, 0, 0].astype(int) - 30 * np.arange(2)[:, None]
    rows, columns = first // 6, first % 6
    np.testing.assert_array_equal(found - found[:, :, :1, :1], np.broadcast_to(image[0, :3, :3, 0], found.shape))
    counts = np.stack([np.bincount(own, minlength=12) for own in 4 * rows + columns])
    assert rows.max() == 2
    assert columns.max() == 3
    assert counts.shape == (2, 12)
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500)
    assert not np.array_equal(rows[0], rows[1])


def test_contrast_is_the_mean_and_the_root_of_the_variance_and_what_is_added():
    rows = np.random.default_rng(1).normal(size=(20, 12)).astype(np.float32)
    mean, deviation = patches.contrast(jnp.asarray(rows), 0.3)
    np.testing.assert_allclose(mean[:, 0], rows.mean(axis=1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(deviation[:, 0], np.sqrt(rows.var(axis=1) + 0.3), rtol=1e-5)


@pytest.mark.parametrize(
    ("length", "fields", "expected"),
    [
        (27, {"grid": 2}, [(0, 14), (14, 27)]),
        (6, {"grid": 3}, [(0, 2), (2, 4), (4, 6)]),
        (5, {"grid": 5}, [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        (7, {"window": 3}, [(0, 3), (2, 5), (4, 7)]),
        (8, {"window": 4, "window_stride": 3}, [(0, 4), (3, 7)]),
    ],
)
def test_cells_are_a_grid_or_windows(length, fields, expected):
    assert patches.spans(length, PatchesConfig(**fields)) == expected


def test_tiles_cover_an_axis_and_stay_in_it():
    assert list(patches.tiles(9, 3)) == [0, 3, 6]
    assert list(patches.tiles(8, 3)) == [0, 3, 5]
    assert list(patches.tiles(3, 3)) == [0]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"size": 8}, "size=8 is more than the images' 7 x 9 pixels"),
        ({"size": 5, "grid": 4}, "grid=4 has more cells than the 3 x 5 places of a patch"),
        ({"size": 5, "window": 4}, "window=4 is more than the 3 x 5 places of a patch"),
        ({"size": 2, "fitted_to": 3, "whitening": None}, None),
        ({"size": 5, "stride": 3, "grid": 2}, "grid=2 has more cells than the 1 x 2 places of a patch"),
        ({"size": 7, "grid": 1}, None),
        ({"size": 5, "grid": 3}, None),
    ],
)
def test_what_does_not_fit_an_image_is_named(fields, problem):
    assert PatchesConfig(**fields).misfit((7, 9, 1)) == problem


def test_whitening_takes_as_many_patches_as_a_patch_has_numbers():
    assert PatchesConfig(size=2, fitted_to=12).misfit((7, 9, 3)) is None
    problem = PatchesConfig(size=2, fitted_to=11).misfit((7, 9, 3))
    assert problem.startswith("fitted_to=11 patches are fewer than the 12 numbers of each"), problem
