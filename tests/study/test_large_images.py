"""Images with far more pixels than there are images: nothing grows with the square of the pixels."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from aejax.config import override
from aejax.experiment import Config
from aejax.store.directory import StudyDirectory
from aejax.store.evidence import read_rows
from aejax.study.job import Options
from aejax.study.run import run
from tests.study.studies import ROOT

LIMIT_SECONDS, LIMIT_BYTES = 600, 6 * 2**30


def colour_images(num, side, num_classes=10):
    """Returns uint8 images [num, side, side, 3] of 4 x 4 coloured squares around those of their class, and labels."""
    generator = np.random.default_rng(0)
    label = generator.integers(0, num_classes, num)
    squares = generator.uniform(size=(num_classes, 4, 4, 3))[label] + generator.normal(0, 0.25, (num, 4, 4, 3))
    image = np.kron(squares, np.ones((1, side // 4, side // 4, 1))) + generator.normal(0, 0.05, (num, side, side, 3))
    return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8), label


@pytest.mark.slow
def test_the_default_study_of_a_thousand_colour_images_of_128_pixels_fits_into_6_gib(tmp_path):
    """Of the time, what does not depend on other processes is checked: what both of two cores can do in ten minutes."""
    image, label = colour_images(1000, 128)
    np.savez(tmp_path / "images.npz", image=image, label=label)
    command = ["scripts/train.py", f"--set=data.name={tmp_path / 'images.npz'}", f"--workdir={tmp_path / 'study'}"]
    env = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"} | {"JAX_NUM_CPU_DEVICES": "2"}
    started = time.monotonic()
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen([sys.executable, *command], cwd=ROOT, env=env, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
    text, cpu = (tmp_path / "said").read_text(), usage.ru_utime + usage.ru_stime
    print(
        f"\n{time.monotonic() - started:.0f} s, {cpu:.0f} s of cores, {usage.ru_maxrss / 2**20:.2f} GiB, "
        f"load {os.getloadavg()[0]:.0f}"
    )
    assert status == 0, text
    assert usage.ru_maxrss * 1024 <= LIMIT_BYTES
    assert cpu <= 2 * LIMIT_SECONDS
    rows = read_rows(StudyDirectory(tmp_path / "study"))
    assert {row["method"] for row in rows} == {"autoencoder", "untrained", "supervised", "pixels", "pca"}
    for row in rows:
        assert row["status"] == "finished"
        assert row["metrics"]["test_probe_accuracy"] > 0.8
    mse = {row["method"]: row["metrics"].get("test_mse") for row in rows}
    assert mse["pca"] < mse["autoencoder"] < mse["untrained"]
    for table in ("results.csv", "results.md", "report.html"):
        assert (tmp_path / "study" / table).stat().st_size > 0


@pytest.mark.slow
def test_whitening_components_and_a_gaussian_of_few_large_images_take_seconds(tmp_path):
    """Of 120 images of 64 x 64 x 3 pixels these took six minutes, and 1.2 GB for each matrix."""
    image, label = colour_images(120, 64, num_classes=3)
    np.savez(tmp_path / "images.npz", image=image, label=label)
    changes = {
        "data.name": str(tmp_path / "images.npz"),
        "data.preprocessing": "zca",
        "autoencoder.likelihood.output": "identity",
        "autoencoder.encoder.widths": [16],
        "training.epochs": 2,
        "evaluation.baselines": ["pixels", "pca"],
        "evaluation.measures": ["reconstruction", "ridge", "gaussian", "clustering"],
        "generation.sampler": "prior",
        "generation.num_neighbors": 3,
        "generation.features": "mine.py:features",
    }
    started = time.process_time()
    features = lambda image: image.reshape(len(image), -1)  # noqa: E731
    options = Options(say=lambda _: None, features=features)
    run([override(Config(), changes)], StudyDirectory(tmp_path / "study"), options=options)
    assert time.process_time() - started < 120
    rows = {row["method"]: row["metrics"] for row in read_rows(StudyDirectory(tmp_path / "study"))}
    assert set(rows) == {"autoencoder", "pixels", "pca", "generator", "real_images", "pixel_gaussian"}
    assert rows["pca"]["test_mse"] < rows["autoencoder"]["test_mse"]
    distances = {name: row["test_frechet_distance"] for name, row in rows.items() if "test_frechet_distance" in row}
    assert 0 < distances["real_images"] < distances["pixel_gaussian"]
    assert rows["pixels"]["test_ridge_accuracy"] > 0.8
