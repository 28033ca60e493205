"""The section on disentanglement: who beats the plain VAE, and the unsupervised score beside the supervised one."""

import re

import numpy as np
import pytest

from aejax.report.sections.disentanglement import MIG, beat, disentanglement, plain_vae
from aejax.study.statistics import probability_of_improvement
from tests.report.rows import cells, make_content, make_row

NOISE = [0.0, 0.01, -0.01, 0.02, -0.02]


def rows(kind, mig, **strength):
    config = {"autoencoder.kind": kind} | {f"autoencoder.{name}": value for name, value in strength.items()}
    found = []
    for seed, noise in enumerate(NOISE):
        value = mig + noise
        metrics = {f"{split}_mig": value for split in ("validation", "test")}
        metrics |= {"test_udr": 2 * value, "test_sap": value / 2}
        found.append(make_row(seed=seed, config=config, **metrics))
    return found


def section_of(*groups):
    return disentanglement(make_content([row for group in groups for row in group]))


PLAIN = rows("vae", 0.1)
STRONG = [row for beta, mig in ((2.0, 0.2), (4.0, 0.3), (8.0, 0.09)) for row in rows("beta_vae", mig, beta=beta)]


def test_who_beats_the_plain_vae_is_said_with_differences_and_probabilities():
    section = section_of(PLAIN, STRONG, rows("factor_vae", 0.1001, gamma=10.0))
    said = re.search("<li>(MIG.*?)</li>", section.body)[1]
    assert "2 of 4 other settings shown to beat the plain VAE (0.100 ± 0.020, n = 5)" in said
    chance = probability_of_improvement(np.add(0.3, NOISE), np.add(0.1, NOISE), 4)
    assert chance.estimate == 1
    assert f"(+0.2 ± 0.0000000; probability of improvement {chance.show()})" in said or chance.show() in said
    assert "Shown to be worse: 1; undecided: 1" in said or "Shown to be worse: 2; undecided: 0" in said
    heading, *lines = cells(section)
    assert heading[:4] == ["family", "setting", "MIG", "SAP"]
    verdicts = {line[1]: line[heading.index("beside the plain VAE")] for line in lines}
    assert verdicts["autoencoder · beta_vae · beta 4"] == "better"
    assert verdicts["autoencoder · beta_vae · beta 8"] == "worse"


def test_it_is_said_too_if_none_does():
    wide = [
        row | {"metrics": row["metrics"] | {"test_mig": 0.1 + sign * 0.2}}
        for row, sign in zip(rows("wae", 0.15), [1, -1, 1, -1, 1], strict=True)
    ]
    said = re.search("<li>(MIG.*?)</li>", section_of(PLAIN, wide).body)[1]
    assert "none of 1 other settings is shown to beat the plain VAE" in said
    assert "the best by validation is wae" in said
    assert "undecided: 1" in said


def test_intervals_widen_with_the_number_of_settings():
    few, many = (make_content([*PLAIN, *STRONG[: 5 * num]]).settings for num in (1, 3))
    found = []
    for settings in (few, many):
        setting = next(setting for setting in settings if setting.fields.get("autoencoder.beta") == 2)
        beside = beat(settings, plain_vae(settings))
        assert len(beside) == len(settings) - 1
        found.append(beside[id(setting)].chance)
    assert found[0].estimate == found[1].estimate == 1
    assert found[1].low < found[0].low


def test_a_beta_of_one_is_the_plain_vae_and_without_one_nothing_is_compared():
    content = make_content([*rows("beta_vae", 0.1, beta=1.0), *STRONG])
    assert plain_vae(content.settings).fields["autoencoder.beta"] == 1.0
    section = section_of(STRONG)
    assert "beat" not in re.sub('class="note">.*?</p>', "", section.body)
    assert disentanglement(make_content([make_row(test_mse=0.1)])) is None


def test_charts_show_strength_and_the_unsupervised_score():
    body = section_of(PLAIN, STRONG).body
    titles = re.findall("<figcaption>([^<]*)", body)
    assert titles == [
        "MIG of beta_vae over beta",
        "MIG over UDR, a point for each of 20 members; rank correlation 1.00",
    ]
    points = re.findall(r"<circle[^>]*><title>([^<]*)", body)
    assert len(points) == 3 + 20
    assert any(point.endswith("2: 0.2") for point in points[:3])
    assert re.search(r'<polyline[^>]*class="line c0 dashed"', body)


def test_the_plain_vae_is_the_one_that_validation_chooses():
    small, large = (
        [row | {"config": row["config"] | {"autoencoder.latent_size": size}} for row in rows("vae", mig)]
        for size, mig in ((2, 0.1), (8, 0.2))
    )
    chosen = plain_vae(make_content([*small, *large]).settings)
    assert chosen.mean(MIG.validation) == pytest.approx(0.2)
