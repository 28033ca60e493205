"""Each optimizer against its optax counterpart or its formula, with constants and with tracers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.training.optimizers import Adam, AdamW, Constant, Cosine, Momentum, Sgd, Stages, make_optimizer

PARAMS = {"kernel": jnp.array([[1.0, -2.0], [0.5, 3.0]]), "bias": jnp.array([0.1, -0.2])}
GRADIENTS = [
    {"kernel": jnp.array([[0.3, -0.1], [2.0, 0.0]]) * scale, "bias": jnp.array([1.0, -1.0]) / scale}
    for scale in (1.0, 2.0, 0.5)
]


def follow(optimizer, params=PARAMS):
    state = optimizer.init(params)
    for gradient in GRADIENTS:
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize(
    ("config", "reference"),
    [
        (Sgd(learning_rate=0.1), optax.sgd(0.1)),
        (Momentum(learning_rate=0.1, momentum=0.8), optax.sgd(0.1, momentum=0.8)),
        (Momentum(learning_rate=0.1, nesterov=True), optax.sgd(0.1, momentum=0.9, nesterov=True)),
        (Adam(learning_rate=0.1, beta1=0.8), optax.adam(0.1, b1=0.8)),
        (
            AdamW(learning_rate=0.1, weight_decay=0.3),
            optax.adamw(0.1, weight_decay=0.3, mask={"kernel": True, "bias": False}),
        ),
        (Sgd(learning_rate=0.1, clip_norm=0.5), optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1))),
    ],
)
def test_an_optimizer_is_the_one_it_is_named_after(config, reference):
    params = follow(make_optimizer(config, num_epochs=10, steps_per_epoch=1))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), params, follow(reference))


def test_hyperparameters_may_be_tracers():
    def traced(rate, clip):
        config = Adam(learning_rate=rate, clip_norm=clip, schedule=Cosine(warmup_epochs=rate))
        return follow(make_optimizer(config, 10, 2))

    config = Adam(learning_rate=0.05, clip_norm=0.7, schedule=Cosine(warmup_epochs=0.05))
    constants = follow(make_optimizer(config, 10, 2))
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), jax.jit(traced)(0.05, 0.7), constants)


def test_schedules():
    epochs = jnp.array([0.5, 1.0, 2.0, 6.0, 10.0])
    np.testing.assert_allclose(Constant().factor(epochs, 10), np.ones(5))
    np.testing.assert_allclose(Constant(warmup_epochs=2.0).factor(epochs, 10), [0.25, 0.5, 1, 1, 1])
    cosine = Cosine(warmup_epochs=2.0, final_fraction=0.1).factor(epochs, 10)
    np.testing.assert_allclose(cosine, [0.25, 0.5, 1.0, 0.1 + 0.9 * 0.5, 0.1], rtol=1e-6)


def test_the_schedule_reaches_its_end_at_the_last_step():
    optimizer = make_optimizer(Sgd(learning_rate=1.0, schedule=Cosine()), num_epochs=3, steps_per_epoch=1)
    last = follow(optimizer)
    state = optimizer.init(PARAMS)
    params = PARAMS
    for gradient in GRADIENTS[:2]:
        updates, state = optimizer.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-6), last, params)


def test_stages_are_those_of_burda():
    epochs = np.arange(1, 3281) - np.array([[0.9], [0.5], [0.0]])
    stage = np.repeat(np.arange(8), 3 ** np.arange(8))
    assert len(stage) == 3280
    factor = Stages().factor(jnp.asarray(epochs, jnp.float32), 3280)
    np.testing.assert_allclose(factor, np.broadcast_to(10 ** (-stage / 7), (3, 3280)), rtol=1e-5)
