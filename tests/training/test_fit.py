"""One model trained on arrays: begun, gone on with, of codes alone, and inside a compiled function."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.plain import Plain, PlainConfig
from aejax.data.resident import training_arrays
from aejax.networks.dense import Dense
from aejax.samplers.base import CodeSpace
from aejax.samplers.zoo import SAMPLERS, make_sampler
from aejax.training.fit import fit
from aejax.training.optimizers import Adam
from aejax.training.step import Stage, Task, TrainingConfig

X = np.random.default_rng(0).uniform(size=(60, 1, 1, 5)).astype(np.float32)
DATA = training_arrays(image=X)
TRAINING = TrainingConfig(epochs=3, batch_size=20)


def task(seed=0, model=None):
    model = model or Plain(PlainConfig(encoder=Dense(widths=()), latent_size=2), (1, 1, 5))
    return Task(model, Adam(learning_rate=0.01), TRAINING, seed, (Stage(3),))


@pytest.fixture(scope="module")
def whole():
    return fit(task(), DATA)


def close(one, other):
    """Checks that two trees are the same but for last bits: other programs made them."""
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), one, other)


def test_it_trains_for_the_tasks_epochs_and_keeps_their_curves(whole):
    assert whole.state.epoch == 3
    assert whole.curves["train_loss"].shape == (3,)
    assert whole.curves["train_loss"][-1] < whole.curves["train_loss"][0]
    jax.tree.map(np.testing.assert_array_equal, whole.variables, whole.state.evaluated_variables())


def test_training_in_parts_is_training_at_once(whole):
    first = fit(task(), DATA, num_epochs=1)
    assert first.state.epoch == 1
    close(fit(task(), DATA, state=first.state, num_epochs=2).state, whole.state)


def test_no_epochs_leave_the_first_state(whole):
    begun = fit(task(), DATA, num_epochs=0)
    assert (begun.state.step, begun.curves) == (0, {})
    assert jax.tree.map(jnp.shape, begun.variables) == jax.tree.map(jnp.shape, whole.variables)


def test_in_a_compiled_function_the_seed_may_be_traced(whole):
    run = jax.jit(lambda seed: fit(task(seed), DATA))
    close(run(0).variables, whole.variables)
    assert np.any(run(1).curves["train_loss"] != whole.curves["train_loss"])


def test_data_may_be_codes_alone():
    code = np.random.default_rng(0).normal(3.0, 0.5, size=(60, 2)).astype(np.float32)
    sampler = make_sampler(SAMPLERS.config("masked_flow")(num_layers=1, widths=(4,)), CodeSpace(2))
    fitted = fit(task(model=sampler), training_arrays(code=code))
    assert np.isfinite(fitted.curves["train_code_nll"]).all()
    assert fitted.apply("sample", 7, jax.random.key(0)).shape == (7, 2)


def test_a_method_is_applied_to_all_rows_a_block_at_a_time(whole):
    rows = np.concatenate([X] * 40)  # More than a block.
    latent = whole.map("encode", rows)
    assert latent.shape == (2400, 2)
    np.testing.assert_allclose(latent[-60:], whole.apply("encode", X), rtol=1e-6)
