"""What each search method asks for, from losses that need no training."""

import itertools

import numpy as np
import pytest
from scipy.stats import qmc

from aejax.errors import ConfigError
from aejax.search.methods import Halving, PopulationBased, Random, Sobol, Tpe
from aejax.search.space import Choice, Range, parse_space

RATE = {"rate": Range(low=1e-4, high=1e-1, log=True)}
PLANE = {"x": Range(low=-5.0, high=5.0), "y": Range(low=-5.0, high=5.0)}


def drive(method, space, loss, *, epochs=27, candidates=()):
    """Returns the batches that a method asks for, and what it was told, where `loss` is of a trial."""
    proposals, batches, losses = method.propose(space, epochs, candidates), [], []
    batch = next(proposals)
    while True:
        batches.append(batch)
        losses.append([loss(trial) for trial in batch])
        try:
            batch = proposals.send(losses[-1])
        except StopIteration:
            return batches, losses


def off_ten_thousandths(trial):
    return abs(np.log10(trial.point["rate"]) + 2)


def distance(trial):
    return (trial.point["x"] - 1) ** 2 + (trial.point["y"] + 2) ** 2


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("a=1e-4:1e-1", Range(low=1e-4, high=0.1)),
        ("a=log:1:64", Range(low=1, high=64, log=True)),
        ("a=adam,sgd", Choice(values=("adam", "sgd"))),
        ("a=[8],[16,8]", Choice(values=([8], [16, 8]))),
        ("a=mnist:1.0.0,digits", Choice(values=("mnist:1.0.0", "digits"))),
    ],
)
def test_spaces_are_written_as_flags(text, domain):
    assert parse_space(text) == {"a": domain}


@pytest.mark.parametrize("text", ["a", "a=2:1", "a=1:2:3", "a=log:0:1", "a=x:y", "a=1:inf", "a=,"])
def test_what_is_no_space_is_one_line(text):
    with pytest.raises(ConfigError, match=r"--(space|sweep)=a") as error:
        parse_space(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("log", [False, True])
def test_whole_numbers_are_all_reached_and_nothing_beyond_them(log):
    found = {Range(low=1, high=4, log=log).at(position) for position in np.linspace(0, 1, 101)}
    assert found == {1, 2, 3, 4}
    assert {type(value) for value in found} == {int}


@pytest.mark.parametrize("method", [Random, Sobol])
def test_fewer_trials_are_the_first_of_more(method):
    few, many = (drive(method(trials=num), PLANE, distance)[0][0] for num in (5, 21))
    assert few == many[:5]
    assert drive(method(trials=5, seed=1), PLANE, distance)[0][0] != few


def test_sobol_points_fill_the_space_more_evenly_than_draws():
    def unevenness(method):
        (batch,), _ = drive(method(trials=64), PLANE, distance)
        return qmc.discrepancy(np.array([[trial.point["x"], trial.point["y"]] for trial in batch]) / 10 + 0.5)

    assert unevenness(Sobol) < unevenness(Random) / 3


def test_halving_lets_the_better_go_on_and_saves_the_rest():
    batches, losses = drive(Halving(trials=27), RATE, off_ten_thousandths)
    assert [len(batch) for batch in batches] == [27, 9, 3]
    assert [batch[0].until_epoch for batch in batches] == [3, 9, 27]
    everyone = list(itertools.chain(*batches))
    for batch, following, told in zip(batches, batches[1:], losses, strict=False):
        cut = sorted(told)[len(following) - 1]
        for trial in following:
            parent = everyone[trial.continues]
            assert (parent.slot, parent.point, parent.until_epoch) == (trial.slot, trial.point, batch[0].until_epoch)
            assert off_ten_thousandths(trial) <= cut
    assert everyone[Halving().best(losses)].slot == int(np.argmin(losses[0]))
    epochs = 27 * 3 + 9 * 6 + 3 * 18
    assert epochs < 0.3 * 27 * 27


def test_halving_stops_what_diverged():
    batches, _ = drive(Halving(trials=9), RATE, lambda trial: np.inf if trial.slot % 3 else off_ten_thousandths(trial))
    assert [len(batch) for batch in batches] == [9, 3, 1]
    assert {trial.slot % 3 for trial in batches[1]} == {0}


def test_a_population_takes_over_its_best_states_and_changes_their_numbers():
    batches, losses = drive(PopulationBased(trials=10, rounds=5), RATE, off_ten_thousandths, epochs=20)
    assert [batch[0].until_epoch for batch in batches] == [4, 8, 12, 16, 20]
    everyone = list(itertools.chain(*batches))
    for round_, (before, after) in enumerate(itertools.pairwise(batches)):
        order = np.argsort(losses[round_])
        moved = [trial for trial in after if everyone[trial.continues].slot != trial.slot]
        assert {trial.slot for trial in moved} == set(order[-2:])
        for trial in moved:
            parent = everyone[trial.continues]
            assert parent.slot in order[:2]
            assert trial.point["rate"] / parent.point["rate"] == pytest.approx(1.2) or parent.point[
                "rate"
            ] / trial.point["rate"] == pytest.approx(1.2)
        for trial in set(range(10)) - {trial.slot for trial in moved}:
            assert after[trial].point == before[trial].point


def test_tpe_is_better_than_random_draws_where_the_optimum_is_known():
    gains = []
    for seed in range(10):
        best = [
            min(itertools.chain(*drive(method(trials=48, seed=seed), PLANE, distance)[1])) for method in (Random, Tpe)
        ]
        gains.append(np.log(best[0] / best[1]))
    assert np.mean(gains) - 2.262 * np.std(gains, ddof=1) / np.sqrt(len(gains)) > 0


def test_what_was_told_is_all_that_tpe_needs_to_ask_the_same_again():
    whole, again = (drive(Tpe(trials=24), PLANE, distance)[0] for _ in range(2))
    assert whole == again
    assert [len(batch) for batch in whole] == [8, 8, 8]


@pytest.mark.parametrize(
    ("method", "message"), [(Halving(rungs=4), "needs 27 epochs"), (PopulationBased(), "8 is more")]
)
def test_too_few_epochs_are_one_line(method, message):
    with pytest.raises(ConfigError, match=message):
        next(method.propose(RATE, 5, ()))
