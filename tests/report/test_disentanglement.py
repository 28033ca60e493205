"""The section on disentanglement: who beats the plain VAE, and the unsupervised score beside the supervised one."""

import re

import numpy as np

from aejax.report.findings import signed
from aejax.report.sections.disentanglement import MIG, beat, disentanglement, plain_vae
from aejax.statistics import paired_difference, probability_of_improvement
from tests.report.rows import cells, charts, make_content, make_row

NOISE = [0.0, 0.01, -0.01, 0.02, -0.02]


def rows(kind, mig, test=(0.0, 0.0, 0.0, 0.0, 0.0), **strength):
    """A setting's rows: its MIG on validation images, and how much more of it each seed has on test images."""
    config = {"autoencoder.kind": kind} | {f"autoencoder.{name}": value for name, value in strength.items()}
    found = []
    for seed, (noise, more) in enumerate(zip(NOISE, test, strict=True)):
        value = mig + noise + more
        metrics = {"validation_mig": mig, "test_mig": value, "test_udr": 2 * value, "test_sap": value / 2}
        found.append(make_row(seed=seed, config=config, **metrics))
    return found


def section_of(*groups):
    return disentanglement(make_content([row for group in groups for row in group]))


SMALL = (0.001, -0.001, 0.0, 0.001, -0.001)
PLAIN = rows("vae", 0.1)
STRONG = [row for beta, mig in ((2.0, 0.2), (4.0, 0.3), (8.0, 0.08)) for row in rows("beta_vae", mig, SMALL, beta=beta)]


def test_who_beats_the_plain_vae_is_said_with_differences_and_probabilities():
    section = section_of(PLAIN, STRONG, rows("factor_vae", 0.1, (0.1, -0.1, 0.1, -0.1, 0.0), gamma=10.0))
    said = re.search("<p>(MIG.*?)</p>", section.body)[1]
    assert "1 of 2 families is shown to beat the plain VAE (0.100 ± 0.020, n = 5)" in said
    chance = probability_of_improvement(np.add(0.3, NOISE), np.add(0.1, NOISE), 2)
    difference = paired_difference(dict(enumerate(SMALL)), dict.fromkeys(range(5), -0.2), 2)
    told = f"beta_vae · beta 4 better ({signed(MIG, difference)}, probability of improvement {chance.show()})"
    assert told in said
    assert "; factor_vae undecided (" in said
    heading, *lines = cells(section)
    compared = ["beside the plain VAE", "difference", "probability of improvement"]
    assert heading == ["family", "setting", "MIG", *compared, "SAP", "UDR"]
    assert [(line[0], line[1], line[3]) for line in lines] == [
        ("beta_vae", "beta 2", "better"),
        ("beta_vae", "beta 4", "better"),
        ("beta_vae", "beta 8", "worse"),
        ("factor_vae", "", "undecided"),
        ("vae", "", ""),
    ]


def test_it_is_said_too_if_none_does():
    said = re.search("<p>(MIG.*?)</p>", section_of(PLAIN, rows("wae", 0.2, (0.3, -0.3, 0.3, -0.3, 0))).body)[1]
    assert "none of 1 families is shown to beat the plain VAE" in said
    assert "wae undecided (+0.10 ± 0.37" in said


def test_intervals_widen_with_the_number_of_settings():
    found = []
    for num in (1, 2):
        more = [row for scale in range(num) for row in rows("wae", 0.1, scale=scale)]
        settings = make_content([*PLAIN, *STRONG, *more]).settings
        setting = next(setting for setting in settings if setting.fields.get("autoencoder.beta") == 2)
        beside = beat(settings, plain_vae(settings))
        assert len(beside) == len(settings) - 1
        found.append(beside[id(setting)])
    (few, likely), (many, less) = found
    assert likely.estimate == less.estimate == 1
    assert less.low < likely.low
    assert few.difference.mean == many.difference.mean
    assert few.difference.half_width < many.difference.half_width


def test_a_beta_of_one_is_the_plain_vae_and_without_one_nothing_is_compared():
    content = make_content([*rows("beta_vae", 0.1, beta=1.0), *STRONG])
    assert plain_vae(content.settings).fields["autoencoder.beta"] == 1.0
    section = section_of(STRONG)
    assert "beat" not in re.sub('class="note">.*?</p>', "", section.body)
    assert disentanglement(make_content([make_row(test_mse=0.1)])) is None


def test_charts_show_strength_and_the_unsupervised_score():
    body = section_of(PLAIN, STRONG).body
    strength, unsupervised = charts(body)
    assert [strength.title, unsupervised.title] == [
        "MIG of beta_vae over beta",
        "MIG over UDR, a point for each of 20 members; rank correlation 1.00",
    ]
    marks = [(point["x"], point["y"]) for point in strength.points if "setting" in point]
    assert len(marks) == 3
    assert (2, 0.2) in marks
    assert {point["y"] for point in strength.of("plain VAE")} == {0.1}
    assert len({(point["setting"], point["seed"]) for point in unsupervised.points}) == 20


def test_a_seed_without_others_has_no_udr():
    alone = [row | {"metrics": row["metrics"] | {"test_udr": float("nan")}} for row in PLAIN[:1]]
    heading, row = cells(section_of(alone))
    assert heading == ["family", "setting", "MIG", "SAP"]
    assert row[2] == "0.100 (no interval)"


def test_the_plain_vae_is_the_one_that_validation_chooses():
    content = make_content([*rows("vae", 0.1, latent_size=2), *rows("vae", 0.2, latent_size=8), *STRONG])
    assert plain_vae(content.settings).fields["autoencoder.latent_size"] == 8
