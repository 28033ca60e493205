"""The section on what differences are due to: families, the numbers set for them, and seeds."""

import numpy as np
import pytest

from aejax import sweep
from aejax.cli.experiment_file import load_experiment
from aejax.config import flatten, to_tree
from aejax.report.sections.variance import variance
from aejax.statistics import variance_shares
from tests.report.rows import cells, make_content, make_row

GENERATOR = np.random.default_rng(0)
# Family by family, setting by setting, seed by seed, in the order of tables.
VALUES = {
    ("beta_vae", None): GENERATOR.normal(0, 1, (3, 1)) + GENERATOR.normal(0, 0.5, (3, 6)),
    ("dip_vae", "codes"): GENERATOR.normal(1, 1, (2, 1)) + GENERATOR.normal(0, 0.5, (2, 6)),
    ("dip_vae", "means"): GENERATOR.normal(2, 1, (2, 1)) + GENERATOR.normal(0, 0.5, (2, 6)),
    ("vae", None): GENERATOR.normal(9, 1, (1, 6)),
}


def rows():
    found = []
    for (kind, covariance), values in VALUES.items():
        for strength, row in enumerate(values):
            config = {"autoencoder.kind": kind} | ({} if kind == "vae" else {"autoencoder.strength": float(strength)})
            config |= {} if covariance is None else {"autoencoder.covariance_of": covariance}
            found += [
                make_row(seed=seed, config=config, test_mig=value, validation_mig=0.0, test_sap=0.5)
                for seed, value in enumerate(row)
            ]
    return found


def shares(seeds):
    groups = [values[:, seeds] for values in VALUES.values() if len(values) > 1]
    return [
        f"{100 * share.estimate:.0f} [{100 * share.low:.0f}, {100 * share.high:.0f}]"
        for share in variance_shares(groups)
    ]


def test_families_differ_in_choices_their_settings_in_numbers_and_one_of_a_single_setting_is_left_out():
    section = variance(make_content(rows()))
    heading, *lines = cells(section)
    assert heading == ["measure", "family %", "numbers %", "seed %", "families", "settings", "seeds"]
    assert lines == [["MIG", *shares(slice(None)), "3", "7", "6"]]  # All have the same SAP, so there is nothing of it.
    assert f"| MIG     | {shares(slice(None))[0]} |" in section.text


def test_a_seed_that_some_setting_lacks_is_left_out_of_all():
    lost = VALUES["dip_vae", "codes"][1, 2]
    diverged = [row | {"status": "diverged"} if row["metrics"]["test_mig"] == lost else row for row in rows()]
    assert sum(row["status"] == "diverged" for row in diverged) == 1
    (line,) = cells(variance(make_content(diverged)))[1:]
    assert line == ["MIG", *shares([0, 1, 3, 4, 5]), "3", "7", "5"]


@pytest.mark.parametrize("kinds", [("beta_vae",), ("beta_vae", "vae")])
def test_a_single_family_of_several_settings_has_nothing_to_part(kinds):
    alone = [row for row in rows() if row["config"]["autoencoder.kind"] in kinds]
    assert variance(make_content(alone)) is None


def test_of_few_seeds_and_of_other_images_nothing_is_said():
    assert variance(make_content([row for row in rows() if row["config"]["seed"] < 4])) is None
    elsewhere = [
        row | {"config": row["config"] | {"data.name": "other"}}
        if row["config"]["autoencoder.kind"] == "dip_vae"
        else row
        for row in rows()
    ]
    assert variance(make_content(elsewhere)) is None


def test_the_experiment_on_disentanglement_has_six_objectives_of_five_strengths():
    experiment = load_experiment("experiments/disentanglement.py:variance")
    members = sweep.expand(experiment.config, experiment.sweep)
    rows = [
        make_row(seed=seed, config=dict(flatten(to_tree(member))) | {"seed": seed}, test_mig=index + GENERATOR.normal())
        for index, member in enumerate(members)
        for seed in range(5)
    ]
    (line,) = cells(variance(make_content(rows)))[1:]
    assert (line[0], line[4:]) == ("MIG", ["6", "30", "5"])
