"""Views of an image: what they show, and in which order."""

import jax
import numpy as np
import pytest

from aejax.evaluation.views import Views

IMAGES = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5, 1)


def moved(images, down, right):
    """Copies of images by numpy: what leaves is lost, and the border is repeated."""
    rows, columns = (np.arange(size) - by for size, by in zip(images.shape[1:3], (down, right), strict=True))
    return images[:, np.clip(rows, 0, 3)[:, None], np.clip(columns, 0, 4)[None]]


@pytest.mark.parametrize("shift", [0, 1, 3])
@pytest.mark.parametrize("flip", [False, True])
def test_each_view_is_there_once_and_the_first_is_the_image(flip, shift):
    views = Views(flip=flip, shift=shift)
    found = [np.asarray(jax.jit(views.of)(IMAGES, number)) for number in range(views.num)]
    np.testing.assert_array_equal(found[0], IMAGES)
    places = [(down, right) for down in (-shift, 0, shift) for right in (-shift, 0, shift)] if shift else [(0, 0)]
    images = [IMAGES, IMAGES[:, :, ::-1]] if flip else [IMAGES]
    expected = [moved(image, *place) for image in images for place in places]
    assert len(found) == len(expected) == (9 if shift else 1) * (2 if flip else 1)
    assert {x.tobytes() for x in found} == {x.tobytes() for x in expected}
    assert all(x.dtype == np.uint8 for x in found)
