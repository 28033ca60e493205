"""The agreement of clusters and classes against scipy and scikit-learn."""

import jax
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from aejax.evaluation.assignment import agreement
from aejax.evaluation.clustering import matched_accuracy

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize(("num_classes", "num_clusters"), [(5, 5), (4, 7), (7, 4), (3, 1)])
def test_agreement_is_that_of_scikit_learn(num_classes, num_clusters):
    label = GENERATOR.integers(0, num_classes, 200)
    cluster = (
        np.where(GENERATOR.uniform(size=200) < 0.6, label, GENERATOR.integers(0, num_clusters, 200)) % num_clusters
    )
    table = np.zeros((num_classes, num_clusters), np.int32)
    np.add.at(table, (label, cluster), 1)
    found = jax.jit(agreement)(table)
    expected = matched_accuracy(label, cluster, max(num_classes, num_clusters))
    np.testing.assert_allclose(found["accuracy"], expected, rtol=1e-6)
    np.testing.assert_allclose(found["nmi"], normalized_mutual_info_score(label, cluster), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["ari"], adjusted_rand_score(label, cluster), rtol=1e-4, atol=1e-6)


def test_one_class_in_one_cluster_agrees():
    assert all(value == 1 for value in jax.jit(agreement)(np.array([[9]], np.int32)).values())
