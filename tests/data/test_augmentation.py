import colorsys
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from aejax import config
from aejax.data import augmentation
from aejax.data.augmentation import Augmentation
from aejax.data.corruption import Deformation
from aejax.errors import ConfigError, DataError
from aejax.experiment import Config, check_data
from aejax.training.loop import train_chunk
from aejax.training.population import Members
from aejax.training.step import TrainingConfig, evaluate_terms, init_state
from tests.methods import make_task

augment = jax.jit(augmentation.augment, static_argnums=0)
transform = jax.jit(augmentation.transform)
KEY = jax.random.key(0)
IMAGE = jnp.asarray(np.random.default_rng(0).uniform(0.1, 1.0, (64, 9, 7, 2)), jnp.float32)


def test_nothing_happens_by_default():
    assert not Augmentation().is_on()
    np.testing.assert_array_equal(augment(Augmentation(), KEY, IMAGE), IMAGE)


def test_a_flip_mirrors_about_its_share_of_the_images():
    changed, images = np.asarray(augment(Augmentation(flip=0.25), KEY, IMAGE)), np.asarray(IMAGE)
    mirrored = np.array([np.array_equal(new, old[:, ::-1]) for new, old in zip(changed, images, strict=True)])
    kept = np.array([np.array_equal(new, old) for new, old in zip(changed, images, strict=True)])
    assert np.all(mirrored ^ kept)
    assert 4 <= mirrored.sum() <= 30  # 16 expected; further out has a probability below 1e-4.


def test_a_shift_moves_each_image_by_itself_and_brings_in_black():
    changed = np.asarray(augment(Augmentation(shift=2), KEY, IMAGE))
    found = set()
    padded = np.pad(IMAGE, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for new, old in zip(changed, padded, strict=True):
        places = [(i, j) for i in range(5) for j in range(5) if np.array_equal(new, old[i : i + 9, j : j + 7])]
        assert len(places) == 1
        found.add(places[0])
    assert len(found) > 15  # Of the 25 possible ones.


def test_a_rotation_keeps_the_center_and_stays_within_its_angle():
    line = np.zeros((200, 15, 15, 1), np.float32)
    line[:, 7, :] = 1.0
    changed = np.asarray(augment(Augmentation(rotation=30.0), KEY, line))[..., 0]
    np.testing.assert_allclose(changed[:, 7, 7], 1.0, atol=1e-5)
    rows, columns = np.mgrid[-7:8, -7:8]
    right = changed * (columns > 0)
    angle = np.rad2deg(np.arctan2((right * rows).sum((1, 2)), (right * columns).sum((1, 2))))
    assert np.all(np.abs(angle) < 32)
    assert angle.min() < -20
    assert angle.max() > 20


@pytest.mark.parametrize("angle", [0.0, 0.3, -1.2, 3.1])
def test_a_rotation_is_that_of_scipy(angle):
    image = np.random.default_rng(0).uniform(size=(9, 12, 2)).astype(np.float32)
    expected = scipy.ndimage.rotate(image, np.rad2deg(angle), reshape=False, order=1, mode="grid-constant")
    np.testing.assert_allclose(transform(image, angle), expected, atol=1e-5)


@pytest.mark.parametrize(("shear", "zoom"), [(0.4, 1.0), (0.0, 1.3), (-0.3, 0.7)])
def test_an_image_is_zoomed_then_slanted_then_turned(shear, zoom):
    image, angle = np.random.default_rng(0).uniform(size=(9, 12, 2)).astype(np.float32), 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # (row, column), clockwise < 0.
    forward = turn @ np.array([[1.0, 0.0], [-shear, 1.0]]) * zoom
    center = (np.array(image.shape[:2]) - 1) / 2
    backward = np.linalg.inv(forward)
    expected = [
        scipy.ndimage.affine_transform(
            image[..., channel], backward, center - backward @ center, order=1, mode="grid-constant"
        )
        for channel in range(2)
    ]
    np.testing.assert_allclose(transform(image, angle, shear, zoom), np.stack(expected, -1), atol=1e-5)


def test_slants_and_zooms_keep_to_their_ranges():
    bar = np.zeros((300, 21, 21, 1), np.float32)
    bar[:, 5:16, 10] = 1.0
    rows, columns = np.mgrid[-10:11, -10:11]
    slanted = np.asarray(augment(Augmentation(shear=0.5), KEY, bar))[..., 0]
    slope = -(slanted * rows * columns).sum((1, 2)) / (slanted * rows**2).sum((1, 2))
    assert -0.51 < slope.min() < -0.45
    assert 0.45 < slope.max() < 0.51
    zoomed = np.asarray(augment(Augmentation(zoom=0.5), KEY, bar))[..., 0]
    height = zoomed[:, :, 10].sum(1) / 11
    assert 1 / 1.6 < height.min() < 0.75
    assert 1.4 < height.max() < 1.6
    assert 0.4 < np.mean(height > 1) < 0.6


def test_a_cutout_is_a_black_square():
    changed = np.asarray(augment(Augmentation(cutout=3), KEY, IMAGE))
    black = np.all(changed == 0, axis=-1)
    np.testing.assert_array_equal(changed[~black], np.asarray(IMAGE)[~black])
    assert black.sum(axis=(1, 2)).max() == 9
    assert np.all(black.sum(axis=(1, 2)) >= 4)  # A corner hides part of it.
    assert len({square.tobytes() for square in black}) > 20


def test_random_erasing_makes_noise_of_a_rectangle_of_the_share_it_may_take():
    images = jnp.full((600, 20, 30, 2), 2.0)  # Which no noise is.
    changed = np.asarray(augment(Augmentation(erasing=0.5, erasing_area=0.2), KEY, images))
    erased = np.any(changed != 2, axis=-1)
    touched = erased.any(axis=(1, 2))
    assert 250 < touched.sum() < 350
    rows, columns = erased.any(axis=2), erased.any(axis=1)
    sides = np.stack([rows.sum(axis=1), columns.sum(axis=1)], axis=1)[touched]
    for one, row, column in zip(erased, rows, columns, strict=True):
        np.testing.assert_array_equal(one, row[:, None] & column[None])  # Whole rectangles.
    area = sides.prod(axis=1) / 600
    assert 0.015 < area.min() < 0.03
    assert 0.18 < area.max() < 0.23  # Sides are rounded.
    ratio = np.log(sides[:, 0] / sides[:, 1])
    assert np.abs(ratio[area > 0.1]).max() < np.log(1 / 0.3) + 0.1
    assert np.abs(ratio.mean()) < 0.15
    assert ratio.std() > 0.5
    noise = changed[np.broadcast_to(erased[..., None], changed.shape)]
    assert abs(noise.mean() - 0.5) < 0.01
    assert abs(noise.var() - 1 / 12) < 0.005
    first = np.argwhere(erased[:, 0, 0] & touched).size
    assert first < touched.sum() / 4  # They begin anywhere.


def test_members_of_a_population_may_differ_in_strength_and_evaluation_is_untouched(dataset, data):
    """Two strengths are one program; what a network says of an image outside training does not depend on them."""
    settings = [
        Augmentation(
            brightness=angle / 50,
            contrast=angle / 50,
            flip=0.5,
            rotation=angle,
            shear=angle / 50,
            zoom=angle / 50,
            shift=1,
            cutout=2,
            erasing=0.5,
            erasing_area=angle / 50,
        )
        for angle in (1.0, 40.0)
    ]
    configs = [
        Config(training=TrainingConfig(epochs=1, batch_size=60, augmentation=augmentation)) for augmentation in settings
    ]
    members, task = Members(configs), make_task("autoencoder", (8, 8, 1), 4)
    states = members.compile(lambda config, _, data: init_state(task(config), data), (), data)(0, (), data)
    program = members.compile(lambda config, state, data: train_chunk(task(config), state, data, 1), states, data)
    (after, metrics) = jax.device_get(program(0, states, data))
    assert np.isfinite(metrics["train_loss"]).all()
    assert metrics["train_loss"][0] != metrics["train_loss"][1]
    variables = jax.tree.map(lambda leaf: leaf[0], {"params": after.params})
    losses = []
    for own in configs:
        one = task(own)
        terms = jax.jit(lambda variables, one=one: evaluate_terms(one, one.stages[0], variables, data, "validation"))
        losses.append(terms(variables)["loss"])
    np.testing.assert_array_equal(*losses)


@pytest.mark.parametrize(
    "other",
    [
        *({"flip": 1.0}, {"rotation": 10.0}, {"shift": 1}, {"shear": 0.2}, {"zoom": 0.2}),
        *({"brightness": 0.5}, {"contrast": 0.5}),
    ],
)
def test_switching_one_change_on_leaves_the_others_as_they_were(other):
    """Each has a key of its own, so an ablation compares what it means to compare."""
    white = jnp.ones((8, 30, 30, 1))
    alone = np.asarray(augment(Augmentation(cutout=3), KEY, white))
    beside = np.asarray(augment(Augmentation(cutout=3, **other), KEY, white))
    assert np.all(beside[alone == 0] == 0)


# Colors. Those of a picture of any hue, saturation and value, black, white and gray among them.

COLORS = np.random.default_rng(1).uniform(size=(8, 6, 3)).astype(np.float32)
COLORS[0, :3] = [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5]]
COLORS[1, :3] = [[1, 0, 0], [0, 0.25, 0], [0.5, 0.5, 1]]
LUMA = np.array([0.299, 0.587, 0.114])
EVERY = Augmentation(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.5)


def blend(image, other, factor):
    """The blend by which torchvision's ColorJitter changes all but the hue."""
    return np.clip(factor * image + (1 - factor) * other, 0, 1)


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.7])
def test_brightness_contrast_and_saturation_are_those_of_torchvision(factor):
    image = COLORS.astype(np.float64)
    gray = image @ LUMA
    cases = [
        (augmentation.brighten, 0.0),
        (augmentation.change_contrast, gray.mean()),
        (augmentation.saturate, gray[..., None]),
    ]
    for function, other in cases:
        np.testing.assert_allclose(jax.jit(function)(COLORS, factor), blend(image, other, factor), atol=1e-6)
    one = image[..., :1]
    np.testing.assert_allclose(
        augmentation.change_contrast(COLORS[..., :1], factor), blend(one, one.mean(), factor), atol=1e-6
    )


@pytest.mark.parametrize("turn", [-0.5, -0.2, 0.1, 1 / 3, 0.49])
def test_hues_are_turned_as_by_colorsys(turn):
    expected = np.empty(COLORS.shape)
    for place in np.ndindex(COLORS.shape[:2]):
        hue, saturation, value = colorsys.rgb_to_hsv(*COLORS[place].tolist())
        expected[place] = colorsys.hsv_to_rgb((hue + turn) % 1, saturation, value)
    np.testing.assert_allclose(jax.jit(augmentation.turn_hue)(COLORS, turn), expected, atol=2e-6)


def test_each_image_draws_its_own_factor_from_the_whole_range():
    red = jnp.broadcast_to(jnp.array([0.4, 0.1, 0.1]), (400, 2, 2, 3))
    pixel = lambda **changes: np.asarray(augment(Augmentation(**changes), KEY, red))[:, 0, 0]  # noqa: E731
    brightness = pixel(brightness=0.5)[:, 0] / 0.4
    saturation = np.ptp(pixel(saturation=0.5), axis=1) / 0.3
    split = red.at[:, 0].set(0.2)  # Of two colors, whose difference is multiplied.
    contrast = np.asarray(augment(Augmentation(contrast=0.5), KEY, split))
    contrast = (contrast[:, 1, 0, 0] - contrast[:, 0, 0, 0]) / 0.2
    for factor in (brightness, saturation, contrast):
        assert 0.5 <= factor.min() < 0.52
        assert 1.48 < factor.max() <= 1.5 + 1e-5
        assert abs(factor.mean() - 1) < 4 * 0.5 / np.sqrt(3 * 400)
    assert np.corrcoef([brightness, saturation, contrast])[np.triu_indices(3, 1)].max() < 0.2
    hue = np.array([colorsys.rgb_to_hsv(*color)[0] for color in pixel(hue=0.2).tolist()])
    turn = (hue + 0.5) % 1 - 0.5  # Red has the hue 0.
    assert -0.2 - 1e-5 <= turn.min() < -0.19
    assert 0.19 < turn.max() <= 0.2 + 1e-5


def test_colors_stay_in_the_unit_interval_and_a_strength_of_zero_changes_no_bit():
    images = jnp.broadcast_to(jnp.asarray(COLORS), (100, *COLORS.shape))
    changed = np.asarray(augment(EVERY, KEY, images))
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert np.all(np.any(changed != images, axis=(1, 2, 3)))
    nothing = Augmentation(brightness=0.0, contrast=0.0, saturation=0.0, hue=0.0)
    np.testing.assert_array_equal(augment(nothing, KEY, images), images)
    moves = Augmentation(flip=0.5, shift=2, cutout=2)
    both = dataclasses.replace(nothing, flip=0.5, shift=2, cutout=2)
    np.testing.assert_array_equal(augment(both, KEY, images), augment(moves, KEY, images))


def test_what_comes_in_stays_black():
    moved = np.asarray(augment(dataclasses.replace(EVERY, shift=3), KEY, jnp.full((50, 6, 6, 3), 0.5)))
    came_in = np.asarray(augment(Augmentation(shift=3), KEY, jnp.ones((50, 6, 6, 3)))) == 0
    assert came_in.any()
    assert np.all(moved[came_in] == 0)


@pytest.mark.parametrize("change", [{"saturation": 0.5}, {"hue": 0.1}])
@pytest.mark.parametrize("field", ["training.augmentation", "fine_tuning.augmentation", "autoencoder.corruption"])
def test_images_that_are_not_of_three_colors_have_no_saturation_and_no_hue(dataset, field, change):
    given = Deformation(**change) if field == "autoencoder.corruption" else Augmentation(**change)
    tree = {"autoencoder": {"kind": "denoising"}, "fine_tuning": {"epochs": 1}}
    part, name = field.split(".")
    gray = config.load(Config, tree | {part: tree.get(part, {}) | {name: config.to_tree(given)}})
    with pytest.raises(DataError) as error:
        check_data(gray, dataset)
    (strength,) = change
    assert str(error.value) == (
        f"{field}.{strength} changes the colors of red, green and blue; images of one channel have none"
    )


@pytest.mark.parametrize("change", [{"brightness": -0.1}, {"contrast": 1.1}, {"hue": 0.6}, {"saturation": "much"}])
def test_a_strength_that_cannot_be_is_one_line(change):
    (name,) = change
    with pytest.raises(ConfigError, match=rf"^training.augmentation.{name}: should be ") as error:
        config.override(Config(), {f"training.augmentation.{name}": change[name]})
    assert "\n" not in str(error.value)
