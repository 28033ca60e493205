"""Whitening against numpy, and of rows that span fewer directions."""

import jax.numpy as jnp
import numpy as np
import pytest

from aejax.networks.whitening import fit_whitening


@pytest.mark.parametrize("strength", [0.1, 1e-3])
def test_whitened_rows_have_the_variances_that_it_promises(strength):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(500, 8)) @ generator.normal(size=(8, 8)) * 0.3 + generator.normal(size=8)
    whitening = fit_whitening(jnp.asarray(rows, jnp.float32), strength)
    variance, axes = np.linalg.eigh(np.cov(rows.T, bias=True))
    white = np.asarray(whitening.apply(jnp.asarray(rows, jnp.float32)), np.float64)
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
    along = axes.T @ np.cov(white.T, bias=True) @ axes
    np.testing.assert_allclose(along, np.diag(variance / (variance + strength)), atol=2e-3)
    np.testing.assert_allclose(whitening.forward, axes @ np.diag((variance + strength) ** -0.5) @ axes.T, rtol=1e-2)
    np.testing.assert_allclose(whitening.invert(jnp.asarray(white, jnp.float32)), rows, atol=1e-4)


def test_rows_of_fewer_directions_are_whitened_all_the_same():
    rows = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    whitening = fit_whitening(jnp.asarray(rows), 0.1)
    assert all(np.isfinite(part).all() for part in whitening)
    np.testing.assert_allclose(whitening.invert(whitening.apply(jnp.asarray(rows))), rows, atol=1e-4)
