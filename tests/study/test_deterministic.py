"""The deterministic mode: on a CPU the same bits as without it, written down, and not changed unnoticed."""

import json

import pytest

from aejax.training.setup import DETERMINISTIC
from tests.study.studies import assert_same_study, finish, script

ARGUMENTS = (
    "--config=experiments/quickstart.py",
    "--seeds=2",
    "--set=training.epochs=20",
    "--set=autoencoder.encoder.widths=[8]",
    '--set=evaluation.measures=["reconstruction"]',
    "--set=evaluation.baselines=[]",
)


def finish_both(*processes):
    """Waits for two processes, which must succeed, and returns their output."""
    said = [finish(process) for process in processes]
    assert [status for status, _, _ in said] == [0, 0], said
    return [out for _, out, _ in said]


@pytest.mark.slow
def test_a_deterministic_study_has_the_same_bits_and_says_what_it_is(tmp_path):
    usual, deterministic, again = (tmp_path / name for name in ("usual", "deterministic", "again"))
    finish_both(
        script("train", *ARGUMENTS, f"--workdir={usual}"),
        script("train", *ARGUMENTS, "--deterministic", f"--workdir={deterministic}"),
    )
    assert_same_study(usual, deterministic)
    flags = json.loads((deterministic / "study.json").read_text())["starts"][0]["environment"]["flags"]
    assert flags["XLA_FLAGS"].split()[-2:] == list(DETERMINISTIC)
    resumed, reproduced = finish_both(
        script("train", *ARGUMENTS, "--deterministic", f"--workdir={usual}"),
        script("reproduce", deterministic, f"--workdir={again}"),
    )
    assert "changed" not in reproduced
    assert reproduced.splitlines()[-1] == "all metrics: bitwise equal"
    assert "not the environment of the last start, so bits may differ: flags: " in resumed
