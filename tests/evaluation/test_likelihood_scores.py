"""Outliers by their likelihood, of a model whose likelihood has a closed form, and the code that knows no model."""

import io
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from aejax.autoencoders.plain import PlainConfig
from aejax.autoencoders.vae import VaeConfig
from aejax.data.load import DataConfig, Dataset, Split
from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import ResidentData
from aejax.errors import ConfigError
from aejax.evaluation.likelihood_scores import code_length, likelihood_scores
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check
from aejax.measures.outlier_likelihood import OUTLIER_LIKELIHOOD
from aejax.objectives.likelihoods import Bernoulli, LogisticMixture
from tests.evaluation.test_likelihood import COVARIANCE, GENERATOR, X, density

NUM_LEVELS, PRIOR = 256, 0.1
length_of = jax.jit(code_length, static_argnums=1)


def probability(image, num_levels):
    """The probability of an image [height, width, channels] by a coder that goes through it pixel by pixel."""
    counts, log_probability = np.zeros((2, num_levels)), 0.0
    for row, column, channel in np.ndindex(image.shape):
        a = int(image[row, column - 1, channel]) if column else 0
        b = int(image[row - 1, column, channel]) if row else 0
        c = int(image[row - 1, column - 1, channel]) if row and column else 0
        prediction = sorted((a, b, a + b - c))[1]  # LOCO-I's rule is the median of the three.
        residual = (int(image[row, column, channel]) - prediction) % num_levels
        seen = counts[int(a == b == c)]
        log_probability += math.log((seen[residual] + PRIOR) / (seen.sum() + PRIOR * num_levels))
        seen[residual] += 1
    return log_probability


def test_a_code_is_as_long_as_what_an_adaptive_coder_needs():
    levels = np.random.default_rng(0).integers(0, 6, (5, 4, 7, 2)) * 40 % NUM_LEVELS
    levels[:2, 1:3, 1:6] = 0
    expected = [-probability(image, NUM_LEVELS) for image in levels]
    np.testing.assert_allclose(length_of(levels.astype(np.int32), NUM_LEVELS), expected, rtol=1e-4)


def test_the_probabilities_of_all_images_add_to_one():
    images = np.array(list(itertools.product(range(3), repeat=6)), np.int32).reshape(-1, 2, 3, 1)
    assert len(images) == 3**6
    assert np.sum(np.exp(-np.asarray(length_of(images, 3), np.float64))) == pytest.approx(1, abs=1e-4)


def test_lengths_follow_those_of_png():
    generator = np.random.default_rng(0)
    # Blocks of one gray each, from 1 to 32 pixels wide, and a little noise on some.
    images = []
    for side, noise in itertools.product((1, 2, 4, 8, 16, 32), (0, 2, 16)):
        gray = generator.integers(0, 200, (32 // side, 32 // side), np.uint8)
        images.append(
            np.kron(gray, np.ones((side, side), np.uint8)) + generator.integers(0, noise + 1, (32, 32), np.uint8)
        )
    files = [io.BytesIO() for _ in images]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(file, "PNG")
    lengths = np.asarray(length_of(np.array(images, np.int32)[..., None], NUM_LEVELS)) / math.log(2)
    png = np.array([8 * len(file.getvalue()) for file in files])
    assert np.corrcoef(lengths, png)[0, 1] > 0.9


# Own images are draws of the model; outliers lie nearer to its mode, so that they are likelier.
NUMBERS = {"own": GENERATOR.multivariate_normal(np.zeros(6), COVARIANCE, 300), "outlier": 0.2 * X}
LEVELS = {
    name: np.clip(np.round((x + 8) * 255 / 16), 0, 255).astype(np.uint8).reshape(-1, 2, 3, 1)
    for name, x in NUMBERS.items()
}
NORMAL = scipy.stats.multivariate_normal(np.zeros(6), COVARIANCE)


def model():
    """The density of stored levels, which stand for numbers from −8 to 8."""
    of_numbers = density()
    numbers = lambda stored: jnp.asarray(stored, jnp.float32) * 16 / 255 - 8  # noqa: E731
    return of_numbers._replace(
        posterior=lambda stored: of_numbers.posterior(numbers(stored)),
        distortion=lambda latent, stored: of_numbers.distortion(latent, numbers(stored)),
    )


def resident(image, num_train=0):
    splits = {"train": image[:num_train], "validation": image[:0], "test": image[num_train:]}
    return ResidentData({name: jnp.asarray(of) for name, of in splits.items()}, {}, Preprocessing(kind="none"))


def test_scores_are_those_of_the_likelihood_itself():
    num_train = 100
    data, outliers = resident(LEVELS["own"], num_train), resident(LEVELS["outlier"])
    found = jax.jit(lambda *both: likelihood_scores(model(), *both, 50, num_samples=3, num_images=150))(data, outliers)
    nll = {name: -NORMAL.logpdf(level.reshape(-1, 6) * (16 / 255) - 8) for name, level in LEVELS.items()}
    typical = nll["own"][:num_train].mean()
    parts = {"own": slice(num_train, num_train + 150), "outlier": slice(150)}
    length = {name: np.array([-probability(image, NUM_LEVELS) for image in level]) for name, level in LEVELS.items()}
    scores = {
        "nll": {name: nll[name][part] for name, part in parts.items()},
        "typicality": {name: abs(nll[name][part] - typical) for name, part in parts.items()},
        "complexity": {name: (nll[name] - length[name])[part] for name, part in parts.items()},
    }
    assert set(found) == {
        "test_anomaly_nll_excess",
        *(f"test_anomaly_{score}_{area}" for score in scores for area in ("auroc", "aupr")),
    }
    label = np.repeat([0, 1], 150)
    for name, score in scores.items():
        values = np.concatenate([score["own"], score["outlier"]])
        assert found[f"test_anomaly_{name}_auroc"] == pytest.approx(roc_auc_score(label, values), abs=1e-3)
        assert found[f"test_anomaly_{name}_aupr"] == pytest.approx(average_precision_score(label, values), abs=3e-3)
    excess = scores["nll"]["outlier"].mean() - scores["nll"]["own"].mean()
    assert found["test_anomaly_nll_excess"] == pytest.approx(excess, abs=1e-3)
    # Likelier than what the model is of: the likelihood is fooled, and typicality is not.
    assert excess < -1
    assert found["test_anomaly_nll_auroc"] < 0.1
    assert found["test_anomaly_typicality_auroc"] > 0.6


@pytest.mark.parametrize(
    ("family", "outliers", "message"),
    [
        (VaeConfig(likelihood=LogisticMixture()), None, "'outlier_likelihood', and evaluation.outliers is null; name"),
        (VaeConfig(likelihood=Bernoulli()), DataConfig(name="a.npz"), "'outlier_likelihood', and a Bernoulli's is one"),
        (PlainConfig(), DataConfig(name="a.npz"), "'outlier_likelihood', and autoencoder=plain has no posterior"),
    ],
)
def test_without_a_likelihood_or_outliers_it_is_refused(family, outliers, message):
    evaluation = EvaluationConfig(measures=("outlier_likelihood",), outliers=outliers)
    with pytest.raises(ConfigError, match=message):
        check(Config(autoencoder=family, evaluation=evaluation))


def test_outliers_of_other_pixels_have_no_such_likelihood():
    split = Split(np.zeros((2, 4, 4, 1), np.float32), None)
    floats = Dataset("grays", split, split, split, None, "")
    config = Config(autoencoder=VaeConfig(likelihood=LogisticMixture()))
    (reason,) = OUTLIER_LIKELIHOOD.misfits(config, None, {"outliers": floats})
    assert "those of grays are float32; save them as uint8" in reason
