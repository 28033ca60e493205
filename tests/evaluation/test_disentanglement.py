"""Scores of disentanglement: of the factors themselves, of mixtures of them, and of noise."""

import math

import numpy as np
import pytest
import scipy.stats
from scipy.special import log_softmax

from aejax.errors import DataError
from aejax.evaluation import disentanglement, factor_predictors
from aejax.evaluation.disentanglement import (
    METRICS,
    disentanglement_metrics,
    info_mec,
    modularity,
    mutual_information_gap,
    unsupervised_ranking,
)
from tests.evaluation.test_information import plain_information

SIZES = (3, 4, 5, 6)


def grid(sizes=SIZES):
    return np.indices(sizes).reshape(len(sizes), -1).T


def standard(factor):
    return (factor - factor.mean(axis=0, keepdims=True)) / factor.std(axis=0, keepdims=True)


def rotated(code, seed=0):
    return code @ scipy.stats.ortho_group.rvs(code.shape[1], random_state=seed)


def everywhere(x):
    return {"train": x, "validation": x[:0], "test": x}


def measure(code, factor):
    return {name.removeprefix("test_"): value for name, value in disentanglement_metrics(code, factor).items()}


@pytest.fixture(scope="module")
def of_factors():
    return measure(everywhere(grid().astype(np.float32)), everywhere(grid()))


@pytest.fixture(scope="module")
def noise():
    """Codes that say nothing of factors, of 3000 examples to fit to and as many others."""
    generator = np.random.default_rng(0)
    code = {split: generator.normal(size=(3000, 6)) for split in ("train", "test")} | {"validation": np.zeros((0, 6))}
    return code, {
        split: np.stack([generator.integers(size, size=len(value)) for size in SIZES], axis=1)
        for split, value in code.items()
    }


@pytest.fixture
def few_batches(monkeypatch):
    """A hundredth of the batches, where no score has to be near its expectation."""
    for name in ("NUM_FITTED", "NUM_SCORED"):
        monkeypatch.setattr(factor_predictors, name, getattr(factor_predictors, name) // 100)


def test_the_factors_themselves_are_disentangled(of_factors):
    assert tuple(of_factors) == METRICS
    for name in METRICS:
        if name not in ("sap", "infoe"):
            assert of_factors[name] == pytest.approx(1.0, abs=1e-9), name


def test_of_the_factors_sap_falls_short_of_1_by_chance(of_factors):
    assert of_factors["sap"] == pytest.approx(np.mean([1 - 1 / size for size in SIZES]), abs=1e-9)


def test_of_the_factors_infoe_falls_short_of_1_by_the_penalty(of_factors):
    """The regression is at least as good as one whose score of value v is −a (x − x_v)² / 2, for any a."""
    num, least = len(grid()), []
    for size in SIZES:
        x = standard(np.arange(size)[:, None])[:, 0]
        strength = np.geomspace(1, 1e4, 200)
        score = -0.5 * strength[:, None, None] * (x[None, :, None] - x[None, None]) ** 2
        cost = -np.mean(np.diagonal(log_softmax(score, axis=2), axis1=1, axis2=2), axis=1)
        penalty = strength**2 * np.sum(x**2) / (2 * 1000.0 * num)
        least.append(1 - np.min(cost + penalty) / math.log(size))
    assert 0.9 < np.mean(least) < of_factors["infoe"] < 1


def test_mig_of_the_factors_of_dsprites_with_20_bins():
    sizes = (3, 6, 40, 32, 32)
    factor = grid(sizes)
    # 40 values share 20 bins in pairs; of 32, twelve bins hold two values and eight hold one.
    of_32 = 24 / 32 * math.log(16) + 8 / 32 * math.log(32)
    expected = np.mean([1, 1, math.log(20) / math.log(40), of_32 / math.log(32), of_32 / math.log(32)])
    assert mutual_information_gap(factor, factor) == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(0.9024, abs=1e-4)


def test_a_rotation_entangles(of_factors):
    code = everywhere(rotated(standard(grid())))
    found = measure(code, everywhere(grid()))
    for name in ("mig", "dci_disentanglement", "dci_completeness", "sap", "infom", "infoc", "factor_vae_score"):
        assert found[name] < of_factors[name] - 0.2, name
    # What it leaves as it was: everything can still be read from the code by a linear map.
    assert found["explicitness"] == pytest.approx(1.0, abs=1e-3)
    assert found["infoe"] == pytest.approx(of_factors["infoe"], abs=0.02)


def test_noise_is_at_chance(noise):
    code, factor = noise
    found = measure(code, factor)
    # Of 5000 batches, chance varies by 0.006; small classes and few examples add to it.
    for name in ("beta_vae_score", "factor_vae_score"):
        assert found[name] == pytest.approx(1 / 4, abs=0.03), name
    assert found["dci_informativeness"] == pytest.approx(np.mean([1 / size for size in SIZES]), abs=0.03)
    for name in ("mig", "dci_disentanglement", "dci_completeness", "sap", "infoe"):
        assert found[name] == pytest.approx(0.0, abs=0.02), name
    assert found["explicitness"] == pytest.approx(0.0, abs=0.05)
    # The bias of mutual information is as the numbers of values less 1.
    bias = np.array([size - 1 for size in SIZES]) / (max(SIZES) - 1)
    assert found["modularity"] == pytest.approx(1 - np.sum(bias[:-1] ** 2) / 3, abs=0.12)


def test_scores_of_information_from_their_definitions(noise):
    code, factor = noise[0]["test"][:400].copy(), noise[1]["test"][:400]
    code[:, :4] += factor + 0.5 * factor[:, ::-1]
    code[:, 5] *= 1e-3  # Not active.
    bins = [np.digitize(unit, np.histogram(unit, 10)[1][1:-1]) for unit in code.T]
    table = np.array([[plain_information(unit, value) for value in factor.T] for unit in bins])
    entropies = [plain_information(value, value) for value in factor.T]
    gaps, units = [], []
    for index in range(4):
        second, first = sorted(table[:, index])[-2:]
        gaps.append((first - second) / entropies[index])
    for row in table:
        best = int(np.argmax(row))
        away = sum(row[index] ** 2 for index in range(4) if index != best)
        units.append(1 - away / (row[best] ** 2 * 3))
    assert mutual_information_gap(code, factor, 10) == pytest.approx(np.mean(gaps), abs=1e-9)
    assert modularity(code, factor, 10) == pytest.approx(np.mean(units), abs=1e-9)
    share = table[:5] / np.array(entropies)[None]
    infom = (np.mean([max(row) / sum(row) for row in share]) - 1 / 4) / (1 - 1 / 4)
    infoc = (np.mean([max(column) / sum(column) for column in share.T]) - 1 / 5) / (1 - 1 / 5)
    cost = np.array([0.1, 0.2, 0.3, 2.0])
    infoe = np.mean([(entropies[index] - cost[index]) / entropies[index] for index in range(4)])
    assert info_mec(cost, code, factor, 10) == pytest.approx((infom, infoe, infoc), abs=1e-9)


@pytest.mark.parametrize(
    "code",
    [np.ones((360, 3)), grid()[:, :1] * 1.0, np.concatenate([np.ones((360, 2)), grid()[:, 1:2]], axis=1)],
    ids=["constant", "single unit", "one unit not constant"],
)
def test_degenerate_codes_have_finite_scores(code):
    found = measure(everywhere(code), everywhere(grid()))
    assert np.isfinite(list(found.values())).all()
    assert max(found.values()) <= 1 + 1e-9
    assert found["factor_vae_score"] == pytest.approx(1 / 4, abs=0.03)  # Whatever is shared, the same unit tells.


@pytest.mark.usefixtures("few_batches")
def test_a_constant_code_says_nothing():
    found = measure(everywhere(np.ones((360, 3))), everywhere(grid()))
    for name in set(METRICS) - {"beta_vae_score", "factor_vae_score", "dci_informativeness"}:
        assert found[name] == pytest.approx(0.0, abs=1e-6), name


@pytest.mark.usefixtures("few_batches")
def test_a_single_unit_is_compared_to_chance():
    found = measure(everywhere(grid()[:, 1:2] * 1.0), everywhere(grid()))
    assert found["mig"] == pytest.approx(1 / 4)  # All of one factor in four.
    assert found["sap"] == pytest.approx((1 - 1 / SIZES[1]) / 4)
    assert found["dci_disentanglement"] == pytest.approx(1.0)
    assert found["dci_completeness"] == pytest.approx(1 / 4)  # Nothing tells the other factors.
    assert found["infom"] == pytest.approx(1.0)


@pytest.mark.usefixtures("few_batches")
def test_constant_factors_and_unknown_values_are_left_out(noise):
    code, factor = ({split: value[:300] for split, value in part.items()} for part in noise)
    expected = measure(code, factor)
    constant = {split: np.insert(value, 2, 7, axis=1) for split, value in factor.items()}
    assert measure(code, constant) == expected
    known_to_some = constant | {"train": np.insert(factor["train"], 2, np.arange(300) % 2, axis=1)}
    known_to_some["test"] = np.insert(factor["test"], 2, 1, axis=1)
    assert measure(code, known_to_some) == expected
    more = factor | {"test": np.concatenate([factor["test"], [[0, 0, 99, 0]]])}
    assert measure(code | {"test": np.concatenate([code["test"], np.ones((1, 6))])}, more) == expected


def test_fewer_than_two_factors_are_an_error(noise):
    code, factor = noise
    with pytest.raises(DataError, match="two factors or more"):
        disentanglement_metrics(code, {split: value[:, :1] for split, value in factor.items()})
    with pytest.raises(DataError, match="two factors or more"):
        mutual_information_gap(code["test"], np.zeros((3000, 2), int))


@pytest.mark.usefixtures("few_batches")
def test_splits_that_are_empty_codes_that_are_not_finite_and_the_most_examples(noise, monkeypatch):
    code, factor = noise
    first = {split: value[:200] for split, value in code.items()} | {"validation": code["test"][200:400]}
    labels = {split: value[:200] for split, value in factor.items()} | {"validation": factor["test"][200:400]}
    found = disentanglement_metrics(first, labels)
    assert set(found) == {f"{split}_{name}" for split in ("validation", "test") for name in METRICS}
    assert found == disentanglement_metrics(first, labels)
    assert found != disentanglement_metrics(first, labels, seed=1)
    broken = disentanglement_metrics(first | {"test": np.full((200, 6), np.nan)}, labels)
    assert set(broken) == set(found)
    assert np.isnan(list(broken.values())).all()
    # What has no images has no codes.
    alone = disentanglement_metrics({split: first[split] for split in ("train", "test")}, labels)
    assert alone == {name: value for name, value in found.items() if name.startswith("test_")}
    # As many as are there are chosen among themselves, in an order by the seed.
    monkeypatch.setattr(disentanglement, "MAX_TRAINING", 100)
    chosen = np.random.default_rng(0).permutation(200)[:100]
    order = np.argsort(np.random.default_rng(0).permutation(100))
    less = first | {"train": first["train"][chosen][order]}, labels | {"train": labels["train"][chosen][order]}
    assert disentanglement_metrics(first, labels) == disentanglement_metrics(*less)


def test_udr_of_the_same_units_in_another_order_and_sign_is_1():
    code = standard(grid())
    flipped = -code[:, [2, 0, 3, 1]] * np.array([[1.0, -1.0, 3.0, 1.0]])
    np.testing.assert_allclose(unsupervised_ranking([code, flipped, np.exp(code)]), 1.0, atol=1e-9)


def test_udr_of_rotations_is_lower_and_inactive_units_do_not_count():
    code, generator = standard(grid()), np.random.default_rng(0)
    members = [code, code[:, ::-1], -code, rotated(code, 1), rotated(code, 2)]
    found = unsupervised_ranking(members)
    assert max(found[3:]) < min(found[:3]) - 0.1
    quiet = [np.concatenate([member, 0.09 * generator.normal(size=(360, 2))], axis=1) for member in members]
    np.testing.assert_allclose(unsupervised_ranking(quiet), found, atol=1e-9)
    assert unsupervised_ranking([code, code, np.zeros((360, 2))])[2] == 0
    with pytest.raises(DataError, match="train more seeds"):
        unsupervised_ranking([code])


def test_udr_from_its_definition():
    generator = np.random.default_rng(0)
    codes = [rotated(standard(grid()), seed)[:, : 3 + seed] + generator.normal(size=(360, 1)) for seed in (0, 1)]
    table = np.array([[abs(scipy.stats.spearmanr(x, y).statistic) for y in codes[1].T] for x in codes[0].T])
    rows = [max(row) ** 2 / sum(row) for row in table]
    columns = [max(column) ** 2 / sum(column) for column in table.T]
    expected = (sum(rows) + sum(columns)) / (3 + 4)
    np.testing.assert_allclose(unsupervised_ranking(codes), expected, atol=1e-9)
