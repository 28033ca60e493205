import io

import numpy as np
import pytest
import tqdm

from aejax.explain import embeddings
from aejax.explain.embeddings import principal_components, tsne

rng = np.random.default_rng(0)
CENTERS = rng.normal(size=(3, 10)) * 5
CODE = np.repeat(CENTERS, 20, axis=0) + rng.normal(size=(60, 10))


def test_principal_components_are_those_of_the_singular_values():
    centered = CODE - CODE.mean(axis=0)
    left, singular, _ = np.linalg.svd(centered, full_matrices=False)
    found = principal_components(CODE)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :2] * singular[:2]), rtol=1e-3, atol=1e-3)
    single = principal_components(CODE[:, :1])
    np.testing.assert_allclose(np.abs(single[:, 0]), np.abs(centered[:, 0]), rtol=1e-3, atol=1e-4)
    assert not single[:, 1].any()


def test_tsne_keeps_clusters_repeats_itself_and_moves_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(embeddings, "NUM_STEPS", 300)
    drawn = io.StringIO()
    bars = []

    class Bar(tqdm.tqdm):
        def __init__(self, **kwargs):
            super().__init__(**kwargs | {"disable": False, "file": drawn, "mininterval": 0})
            bars.append(self)

        def update(self, n=1):
            steps.append(n)
            return super().update(n)

    steps = []
    monkeypatch.setattr(tqdm, "tqdm", Bar)
    found = tsne(CODE, 0, description="places")
    assert found.shape == (60, 2)
    np.testing.assert_allclose(found.std(), 1.0, rtol=1e-5)
    own = np.arange(60) // 20
    distance = np.linalg.norm(found[:, None] - found[None], axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert np.all(own[distance.argmin(axis=1)] == own)
    assert sum(steps) == bars[0].n == 300
    assert steps[:5] == [50] * 5  # It moves while t-SNE works.
    assert "places" in drawn.getvalue()
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(found, tsne(CODE, 0))


@pytest.mark.parametrize("num", [1, 2, 3, 30])
def test_tsne_of_a_few_codes_and_of_equal_ones_is_finite(num, monkeypatch):
    monkeypatch.setattr(embeddings, "NUM_STEPS", 250)
    for code in (CODE[:num], np.repeat(CODE[:1], num, axis=0)):
        found = tsne(code, 0)
        assert found.shape == (num, 2)
        assert np.isfinite(found).all()
