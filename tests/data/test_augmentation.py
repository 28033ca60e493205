import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from aejax.data import augmentation
from aejax.data.augmentation import Augmentation
from aejax.experiment import Config
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


def test_members_of_a_population_may_differ_in_strength_and_evaluation_is_untouched(dataset, data):
    """Two strengths are one program; what a network says of an image outside training does not depend on them."""
    settings = [
        Augmentation(flip=0.5, rotation=angle, shear=angle / 50, zoom=angle / 50, shift=1, cutout=2)
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
    for config in configs:
        one = task(config)
        terms = jax.jit(lambda variables, one=one: evaluate_terms(one, one.stages[0], variables, data, "validation"))
        losses.append(terms(variables)["loss"])
    np.testing.assert_array_equal(*losses)


@pytest.mark.parametrize("other", [{"flip": 1.0}, {"rotation": 10.0}, {"shift": 1}, {"shear": 0.2}, {"zoom": 0.2}])
def test_switching_one_change_on_leaves_the_others_as_they_were(other):
    """Each has a key of its own, so an ablation compares what it means to compare."""
    white = jnp.ones((8, 30, 30, 1))
    alone = np.asarray(augment(Augmentation(cutout=3), KEY, white))
    beside = np.asarray(augment(Augmentation(cutout=3, **other), KEY, white))
    assert np.all(beside[alone == 0] == 0)
