"""Clusters of codes: how much a code belongs to each, what deep clustering draws that to, and clusters to begin with.

Source: Xie, Girshick and Farhadi, "Unsupervised deep embedding for clustering analysis", 2016; for k-means++ Arthur and
Vassilvitskii, "k-means++: the advantages of careful seeding", 2007.
"""

import jax
import jax.numpy as jnp
import numpy as np

from aejax.objectives.priors import GaussianMixture

NUM_RUNS = 20  # Of k-means, from different starts: as many as the source has.
NUM_ROUNDS = 50  # Of k-means and of EM: more change little.
_LEAST_SHARE = 1e-4  # Of the mean variance of a number: what a component's variance has at least.
_TINY = float(np.finfo(np.float32).tiny)
_HIGHEST = jax.lax.Precision.HIGHEST
_Parameters = tuple[jax.Array, jax.Array, jax.Array]  # Log weights, means and log variances of a mixture.


def squared_distances(code: jax.Array, centroid: jax.Array) -> jax.Array:
    """Returns the squared distance of each code, [n, d], from each centroid, [K, d]: [n, K]."""
    product = jnp.matmul(code, centroid.T, precision=_HIGHEST)
    lengths = jnp.sum(code**2, axis=1)[:, None] + jnp.sum(centroid**2, axis=1)[None]
    return jnp.maximum(lengths - 2 * product, 0.0)


def log_memberships(code: jax.Array, centroid: jax.Array) -> jax.Array:
    """Returns log q, [n, K]: how much codes [n, d] belong to clusters, by a Student t of one degree of freedom.

    q_ik = (1 + ‖z_i − μ_k‖²)⁻¹ / Σ_l (1 + ‖z_i − μ_l‖²)⁻¹; Xie et al. (2016), equation 1 with α = 1.
    """
    return jax.nn.log_softmax(-jnp.log1p(squared_distances(code, centroid)), axis=1)


def sharpened(membership: jax.Array, total: jax.Array) -> jax.Array:
    """Returns the target p, [n, K]: p_ik = (q_ik² / f_k) / Σ_l (q_il² / f_l); Xie et al. (2016), equation 3.

    Args:
      membership: q, [n, K].
      total: f, [K], the sum of q over all images, or any multiple of it.
    """
    share = membership**2 / jnp.maximum(total, _TINY)[None]
    return share / jnp.maximum(jnp.sum(share, axis=1, keepdims=True), _TINY)


def fit_k_means(
    code: jax.Array, num_clusters: int, key: jax.Array, num_runs: int = NUM_RUNS, num_rounds: int = NUM_ROUNDS
) -> jax.Array:
    """Returns the centroids, [K, d], of the run of k-means with the least sum of squared distances.

    A run begins as k-means++ does. A centroid that no code is nearest to stays where it is.

    Args:
      code: float32 [n, d].
      num_clusters: K, at most n.
      key: of the starts.
      num_runs: how many.
      num_rounds: of each.
    """

    def move(_: jax.Array, centroid: jax.Array) -> jax.Array:
        mean, count = cluster_means(code, nearest(code, centroid), num_clusters)
        return jnp.where(count[:, None] > 0, mean, centroid)

    def run(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        centroid = jax.lax.fori_loop(0, num_rounds, move, _spread_out(code, num_clusters, key))
        return centroid, jnp.sum(jnp.min(squared_distances(code, centroid), axis=1))

    centroids, error = jax.lax.map(run, jax.random.split(key, num_runs))
    best: jax.Array = centroids[jnp.argmin(error)]
    return best


def nearest(code: jax.Array, centroid: jax.Array) -> jax.Array:
    """Returns which centroid is nearest to each code, int32 [n]."""
    return jnp.argmin(squared_distances(code, centroid), axis=1).astype(jnp.int32)


def cluster_means(code: jax.Array, cluster: jax.Array, num_clusters: int) -> tuple[jax.Array, jax.Array]:
    """Returns the mean of the codes of each cluster, [K, d], 0 of one without any; and how many they are, [K]."""
    member = jax.nn.one_hot(cluster, num_clusters)
    count = jnp.sum(member, axis=0)
    return jnp.matmul(member.T, code, precision=_HIGHEST) / jnp.maximum(count, 1.0)[:, None], count


def _spread_out(code: jax.Array, num_clusters: int, key: jax.Array) -> jax.Array:
    """Returns codes to begin with, [K, d]: each is drawn by its squared distance from those that were drawn before."""
    first_key, key = jax.random.split(key)
    first = code[jax.random.randint(first_key, (), 0, len(code))]
    chosen = jnp.broadcast_to(first, (num_clusters, code.shape[1]))

    def choose(index: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        chosen, distance = carry
        drawn = code[jax.random.categorical(jax.random.fold_in(key, index), jnp.log(distance))]
        nearer = jnp.minimum(distance, squared_distances(code, drawn[None])[:, 0])
        return chosen.at[index].set(drawn), nearer

    start = chosen, squared_distances(code, first[None])[:, 0]
    found: jax.Array = jax.lax.fori_loop(1, num_clusters, choose, start)[0]
    return found


def fit_mixture(code: jax.Array, num_clusters: int, key: jax.Array, num_rounds: int = NUM_ROUNDS) -> GaussianMixture:
    """Returns a mixture of Gaussians with diagonal covariances that makes codes, [n, d], likely.

    It begins with the clusters of `fit_k_means`, and rounds of expectation and maximization follow.

    Args:
      code: float32 [n, d].
      num_clusters: the number of components, at most n.
      key: of the starts of k-means.
      num_rounds: of expectation and maximization.
    """
    floor = _LEAST_SHARE * jnp.maximum(jnp.mean(jnp.var(code, axis=0)), 1e-12)

    def maximize(share: jax.Array) -> _Parameters:
        count = jnp.maximum(jnp.sum(share, axis=0), 1e-6)
        mean = jnp.matmul(share.T, code, precision=_HIGHEST) / count[:, None]
        square = jnp.einsum("nk,nkd->kd", share, (code[:, None] - mean[None]) ** 2, precision=_HIGHEST)
        return jnp.log(count / jnp.sum(count)), mean, jnp.log(square / count[:, None] + floor)

    def step(_: jax.Array, parameters: _Parameters) -> _Parameters:
        return maximize(jax.nn.softmax(GaussianMixture(*parameters).log_joint(code), axis=1))

    start = nearest(code, fit_k_means(code, num_clusters, key))
    return GaussianMixture(*jax.lax.fori_loop(0, num_rounds, step, maximize(jax.nn.one_hot(start, num_clusters))))
