"""What is called overfitting: planted overfits are flagged, a sound run on all of MNIST is not."""

import pytest

from aejax.autoencoders.plain import PlainConfig
from aejax.data.load import DataConfig
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config
from aejax.networks.dense import Dense
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.job import Options
from aejax.study.run import run
from aejax.training.step import TrainingConfig


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("train_size", "latent_size", "epochs", "least", "most"), [(200, 256, 1000, 20, 20), (None, 32, 10, 0, 1)]
)
def test_planted_overfits_are_flagged_and_sound_runs_are_not(train_size, latent_size, epochs, least, most, tmp_path):
    configs = [
        Config(
            seed=seed,
            data=DataConfig(name="mnist", train_size=train_size, validation_size=1000),
            autoencoder=PlainConfig(encoder=Dense(widths=()), latent_size=latent_size, latent_activation="relu"),
            training=TrainingConfig(epochs=epochs, batch_size=50),
            evaluation=EvaluationConfig(measures=("reconstruction",), baselines=()),
        )
        for seed in range(20)
    ]
    run(configs, StudyDirectory(tmp_path), options=Options(say=lambda _: None))
    rows = read_rows(StudyDirectory(tmp_path))
    flagged = [row["metrics"]["overfits"] for row in rows]
    assert len(flagged) == 20
    assert least <= sum(flagged) <= most
