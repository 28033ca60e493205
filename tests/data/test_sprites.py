"""The sprites: every combination of factors once, factors that do what they say, and factors of other data sets."""

import itertools

import numpy as np
import pytest

from aejax.data.load import DataConfig, load
from aejax.data.sprites import CANVAS, GRIDS
from aejax.data.sprites.render import draw
from tests.data.loading import gray, load_file, refusal


@pytest.fixture(scope="module")
def sprites():
    dataset = load(DataConfig(name="aejax_sprites"))
    splits = (dataset.train, dataset.validation, dataset.test)
    image, factor = (np.concatenate([getattr(split, name) for split in splits]) for name in ("image", "factor"))
    factor = factor[:, [dataset.factor_names.index(name) for name in GRIDS["16x16"].factors()]]
    order = np.lexsort(factor.T[::-1])
    return dataset, image[order, ..., 0].astype(float), factor[order]


def test_every_combination_is_there_once_and_is_split_by_the_loader(sprites):
    dataset, image, factor = sprites
    sizes = list(GRIDS["16x16"].factors().values())
    assert dataset.factor_names == ("orientation", "scale", "shape", "x_position", "y_position")
    np.testing.assert_array_equal(factor, np.stack(np.unravel_index(np.arange(len(image)), sizes), axis=1))
    assert image.shape == (np.prod(sizes), 16, 16)
    assert (len(dataset.train.image), len(dataset.validation.image), len(dataset.test.image)) == (9000, 1000, 2000)
    assert dataset.num_classes is None


def test_positions_move_a_shape_by_as_much_each(sprites):
    _, image, factor = sprites
    total = image.sum(axis=(1, 2))
    pixels = np.arange(16)
    x = (image.sum(axis=1) * pixels[None]).sum(axis=1) / total
    y = (image.sum(axis=2) * pixels[None]).sum(axis=1) / total
    step = GRIDS["16x16"].step * 16 / CANVAS
    for center, column in ((x, 3), (y, 4)):
        others = [name for name in range(5) if name != column]
        for fixed in ([0, 0, 0, 4], [2, 3, 7, 9]):
            chosen = np.all(factor[:, others] == np.array(fixed)[None], axis=1)
            np.testing.assert_allclose(np.diff(center[chosen][np.argsort(factor[chosen, column])]), step, atol=0.1)


def test_scales_order_the_area_and_nothing_is_cut_off(sprites):
    _, image, factor = sprites
    area = image.sum(axis=(1, 2))
    for shape in range(3):
        of_scale = [area[(factor[:, 0] == shape) & (factor[:, 1] == scale)] for scale in range(4)]
        assert all(small.max() < large.min() for small, large in itertools.pairwise(of_scale))
        # The largest has twice the size of the smallest, up to pixels at the edge. What leaves the image loses area.
        assert np.mean(of_scale[3]) == pytest.approx(4 * np.mean(of_scale[0]), rel=0.05)
        largest = image[(factor[:, 0] == shape) & (factor[:, 1] == 3) & (factor[:, 2] == 0)]
        assert np.ptp(largest.sum(axis=(1, 2))) < 0.01 * largest.sum(axis=(1, 2)).mean()


def test_orientations_turn_a_shape(sprites):
    _, image, _ = sprites
    turned = image.reshape(3, 4, 10, 10, 10, 16, 16)[:, 3, :, 4, 4]
    unlike = lambda shape, left, right: abs(turned[shape, left] - turned[shape, right]).mean() / 255  # noqa: E731
    for shape, half_turn_is_seen in ((0, False), (1, False), (2, True)):
        assert (unlike(shape, 0, 5) > 0.03) == half_turn_is_seen
        assert all(unlike(shape, 0, other) > 0.01 for other in (1, 2, 3, 4))


def test_the_largest_grid_has_the_factors_of_dsprites_and_binary_images():
    assert list(GRIDS["64x64"].factors().values()) == [3, 6, 40, 32, 32]
    image, factor = next(draw(GRIDS["64x64"]))
    assert image.shape == (32 * 32, 64, 64)
    assert factor.shape == (32 * 32, 5)
    assert set(np.unique(image)) == {0, 255}
    assert len(np.unique(image.reshape(len(image), -1), axis=0)) == len(image)


def test_an_unknown_grid_is_refused():
    message = refusal(load, DataConfig(name="aejax_sprites/17x17"))
    assert "there is no such config; choose aejax_sprites/16x16, aejax_sprites/32x32" in message


def test_factors_of_a_file_follow_the_images(tmp_path):
    image, factor = gray(), np.stack([np.arange(60), np.arange(60) % 3], axis=1)
    dataset = load_file(tmp_path, image=image, factor=factor)
    assert dataset.factor_names == ("factor_0", "factor_1")
    for part in (dataset.train, dataset.validation, dataset.test):
        np.testing.assert_array_equal(part.image, image[part.factor[:, 0]])
        np.testing.assert_array_equal(part.factor[:, 1], part.factor[:, 0] % 3)
    other = load_file(tmp_path, image=image, factor=factor[:, ::-1])
    assert other.fingerprint != dataset.fingerprint
    chosen = load_file(
        tmp_path, image=image, factor=factor, label=np.arange(60) % 4, config={"classes": (1, 3), "test_size": 4}
    )
    np.testing.assert_array_equal(chosen.test.image, image[chosen.test.factor[:, 0]])


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (np.zeros(60, int), ["'factor' has shape (60,)", "(60, factors)"]),
        (np.zeros((59, 2), int), ["'factor' has shape (59, 2)"]),
        (np.zeros((60, 2)), ["'factor' is float64", "integers"]),
        (np.full((60, 1), -1), ["from -1 to -1", "none below 0"]),
    ],
)
def test_factors_that_are_none(tmp_path, factor, words):
    message = refusal(load_file, tmp_path, image=gray(), factor=factor)
    assert all(word in message for word in words), message


def test_factors_of_one_split_only(tmp_path):
    message = refusal(load_file, tmp_path, image=gray(), test_image=gray(5), factor=np.zeros((60, 2), int))
    assert "only one of 'factor' and 'test_factor' is there" in message
