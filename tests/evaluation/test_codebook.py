"""How much of a codebook is in use, against numpy."""

import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.residual_vq import ResidualVqConfig
from aejax.evaluation.codebook import Codes, codebook_metrics
from aejax.evaluation.suite import EvaluationConfig, describe
from aejax.experiment import Config
from aejax.methods.base import find_method
from aejax.networks.dense import Dense
from aejax.training.step import init_state


def expected(code, num_categories):
    share = np.bincount(code.ravel(), minlength=num_categories) / code.size
    return np.mean(share > 0), np.exp(-np.sum(share[share > 0] * np.log(share[share > 0])))


def test_usage_and_perplexity_are_of_the_histogram_of_all_codes(data):
    code = lambda stored: (stored[:, 0, :3, 0] // 32).astype(jnp.int32)  # noqa: E731
    found = jax.jit(lambda data: codebook_metrics(Codes(code, 10), data, at_once=70))(data)
    names = ("codebook_usage", "codebook_perplexity")
    assert set(found) == {f"{split}_{name}" for split in ("validation", "test") for name in names}
    for split in ("validation", "test"):
        usage, perplexity = expected(np.asarray(code(np.asarray(data.image[split]))), 10)
        assert usage < 1
        np.testing.assert_allclose(found[f"{split}_codebook_usage"], usage, rtol=1e-6)
        np.testing.assert_allclose(found[f"{split}_codebook_perplexity"], perplexity, rtol=1e-5)


def test_of_several_codebooks_it_is_the_mean(data):
    family = ResidualVqConfig(encoder=Dense(widths=()), latent_size=2, num_positions=3, codebook_size=16, depth=2)
    config = Config(autoencoder=family)
    method = find_method("autoencoder")
    task = method.task(config, (8, 8, 1), 4)

    @jax.jit
    def measure(data):
        state = init_state(task, data)
        variables = state.evaluated_variables()
        representation = method.represent(task, variables, config, data)
        return describe(
            representation, data, EvaluationConfig(measures=("codebook",))
        ).metrics, representation.codes.code(data.image["test"])

    found, code = measure(data)
    each = [expected(np.asarray(code).reshape(-1, 2)[:, level], 16) for level in range(2)]
    np.testing.assert_allclose(found["test_codebook_usage"], np.mean([usage for usage, _ in each]), rtol=1e-6)
    np.testing.assert_allclose(found["test_codebook_perplexity"], np.mean([each[0][1], each[1][1]]), rtol=1e-5)
