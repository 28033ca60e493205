import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from aejax.evaluation.information import discretize
from aejax.evaluation.likelihood import ACTIVE
from aejax.explain.units import (
    class_purity,
    dead_units,
    decoder_atoms,
    describe_units,
    duplicate_units,
    label_information,
    top_images,
)

rng = np.random.default_rng(0)


def test_the_top_images_are_the_largest_and_not_those_far_from_zero():
    activation = np.array([[0.0, 1.0], [-9.0, 1.0], [3.0, 0.0], [2.0, 5.0]])
    assert top_images(activation, 3).tolist() == [[2, 3, 0], [3, 0, 1]]


def test_purity_by_hand():
    label = np.array([0, 0, 1, 2, 1, 1])
    activation = np.array([[5, 4, 3, 2, 1, 0], [0, 1, 9, 2, 8, 7], [0, 0, 4, 0, 3, 0]], float).T
    purity, majority = class_purity(activation, label, top_images(activation, 3))
    np.testing.assert_allclose(purity[:2], [2 / 3, 1.0])
    # The last answers two images: it rests at the third.
    assert np.isnan(purity[2])
    assert majority.tolist() == [0, 1, -1]


def test_images_without_a_label_say_nothing_of_classes_and_all_else():
    activation, label = rng.normal(size=(300, 3)), rng.integers(0, 4, 300)
    unknown = rng.random(300) < 0.5
    some, own = (
        describe_units(activation, np.where(unknown, -1, label)),
        describe_units(activation[~unknown], label[~unknown]),
    )
    for name in ("purity", "majority", "information"):
        np.testing.assert_array_equal(getattr(some, name), getattr(own, name))
    np.testing.assert_array_equal(some.top, describe_units(activation, None).top)


def test_information_is_that_of_the_bins():
    label = rng.integers(0, 4, 500)
    activation = np.stack([label + rng.normal(0, 0.1, 500), rng.normal(size=500)], axis=1)
    expected = [mutual_info_score(label, column) for column in discretize(activation).T]
    np.testing.assert_allclose(label_information(activation, label), expected, atol=1e-9)
    assert expected[0] > 1.2 > 0.1 > expected[1]


def test_dead_is_what_does_not_vary_and_not_what_is_rare():
    activation = rng.normal(size=(1000, 4)).astype(np.float32)
    activation[:, 1] = 3.0
    activation[:, 2] = 1e-3 * activation[:, 2]
    activation[:, 3] = 0
    activation[7, 3] = 2.0
    assert dead_units(activation).tolist() == [False, True, True, False]
    assert dead_units(1e6 * activation).tolist() == [False, True, True, False]
    assert dead_units(activation, ACTIVE).tolist() == [False, True, True, True]
    assert dead_units(np.zeros((5, 2))).all()


def test_duplicates_are_counted_but_the_first():
    x, y, z = rng.normal(size=(3, 2000))
    near, apart = x + 0.2 * y, x + 0.5 * z  # Correlations of .98 and .89.
    dead = np.array([False, True, False, False, False, True])
    activation = np.stack([x, np.zeros(2000), -3 * x + 1, near, apart, np.zeros(2000)], axis=1)
    assert duplicate_units(activation, dead).tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize("labels", [True, False])
def test_the_dead_count_as_such_and_in_no_mean(labels):
    label = np.repeat([0, 1], 50)
    code = np.stack([label + rng.uniform(0, 0.5, 100), np.zeros(100), rng.normal(size=100)], axis=1)
    code = np.concatenate([code, -code[:, :1]], axis=1)
    units = describe_units(code, label if labels else None)
    numbers = units.numbers()
    assert (numbers["dead_units"], numbers["duplicate_units"]) == (1, 1)
    assert units.top.shape == (4, 20)
    np.testing.assert_allclose(units.variance, code.var(axis=0), rtol=1e-5)
    if not labels:
        assert set(numbers) == {"dead_units", "duplicate_units"}
        return
    assert units.majority[[0, 1, 3]].tolist() == [1, -1, 0]
    np.testing.assert_array_equal(units.purity[[0, 1, 3]], [1, np.nan, 1])
    assert numbers["unit_purity"] == pytest.approx((2 + units.purity[2]) / 3)
    np.testing.assert_allclose(units.information[0], np.log(2), rtol=1e-5)
    assert np.isnan(units.information[1])
    assert numbers["unit_information"] == pytest.approx(np.mean(units.information[[0, 2, 3]]))


def test_atoms_of_a_linear_decoder_are_its_rows():
    weights = rng.normal(size=(3, 4)).astype(np.float32)
    atoms = decoder_atoms(
        lambda latent: (latent @ weights + 1).reshape(-1, 2, 2, 1), np.ones(3), np.array([2, 0]), np.array([1.0, -2.0])
    )
    np.testing.assert_allclose(atoms.reshape(2, 4), [weights[2], -2 * weights[0]], atol=1e-5)
