"""The Riemannian Hamiltonian VAE: draws move in a metric that is learned of training images (Chadebec et al., 2020)."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aejax.autoencoders.hamiltonian_vae import SteppingAutoencoder, WithSteps
from aejax.config import PositiveFloat, PositiveInt, traced
from aejax.data.load import Dataset
from aejax.data.resident import ResidentData
from aejax.networks.layers import flatten, make_dense
from aejax.objectives.divergences import LOG_VARIANCES
from aejax.objectives.metric import MetricOfCentroids

CENTROIDS = "centroids"  # The collection of variables that training images are kept in.


@dataclasses.dataclass(frozen=True, kw_only=True)
class RiemannianHamiltonianVaeConfig(WithSteps):
    """Loss: −log p(x|z) + log q(z|x) − log p(z), z a Gaussian's draw after implicit leapfrog steps in a learned metric.

    It is that of `hamiltonian_vae`, but for momenta: ρ = γ / √β, γ ~ N(0, G(z)), of a mass that depends on z. q(z|x) is
    the Gaussian's density of the draw, times N(γ; 0, G) there and divided by N(ρ; 0, G) after the steps.

    G⁻¹(z) = Σ_k L_k L_kᵀ exp(−‖z − c_k‖² / T²) + λ I, where c_k is the posterior's mean of a training image, and L_k a
    triangular matrix that a network with one hidden layer makes of it. Each half of a step is found by some iterations.
    As far as these have converged, steps keep volume.

    Source: Chadebec, Mantoux and Allassonnière, "Geometry-aware Hamiltonian variational auto-encoder", 2020.

    Departures: there are `num_centroids` of them, of training images chosen evenly, which stay the same; in the paper
    all images are centroids. Sizes of steps are learned for each unit, as of `hamiltonian_vae`. The prior is not of the
    metric: images are drawn of N(0, I).
    """

    kind: Literal["riemannian_hamiltonian_vae"] = "riemannian_hamiltonian_vae"
    step_size: PositiveFloat = traced(0.01)  # At first.
    num_centroids: PositiveInt = 50  # Training images that the metric is made of.
    temperature: PositiveFloat = traced(4.0)  # T; draws of N(0, I) are about √(2 · latent_size) from each other.
    floor: PositiveFloat = traced(0.01)  # λ, of G⁻¹ far from all centroids.
    width: PositiveInt = 400  # Of the hidden layer of the network that makes L of images.
    num_iterations: PositiveInt = 3  # Of each half of a step.

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set: it has fewer images than centroids, for instance."""
        yield from super().misfits(config, dataset, others)
        num_images = len(dataset.train.image)
        if self.num_steps and self.num_centroids > num_images:
            yield (
                f"autoencoder.num_centroids={self.num_centroids} are training images, and there are {num_images}; make "
                "it smaller"
            )


class RiemannianHamiltonianVae(SteppingAutoencoder):
    """The networks of `RiemannianHamiltonianVaeConfig`."""

    config: RiemannianHamiltonianVaeConfig

    def setup(self) -> None:
        """Makes the networks, with steps that of the metric too, and keeps images for centroids."""
        super().setup()
        config = self.config
        if config.num_steps:
            initializer, size = config.encoder.initializer, config.latent_size
            self.metric_hidden = make_dense(config.width, initializer)
            self.metric = make_dense(size * (size + 1) // 2, initializer)
            shape = (config.num_centroids, *self.image_shape)
            # Noise, until training begins.
            self.images = self.variable(CENTROIDS, "image", lambda: jax.random.uniform(self.make_rng("params"), shape))

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with training images for centroids, and what a prior begins with."""
        variables = super().init_from_data(variables, data)
        if not self.config.num_steps:
            return variables
        image = data.batch("train", data.evenly("train", self.config.num_centroids)).image
        return {**variables, CENTROIDS: {"image": image}}

    @property
    def num_iterations(self) -> int:
        """The iterations of each half of a step."""
        return self.config.num_iterations

    def mass(self) -> MetricOfCentroids:
        """Returns the metric, with its networks as they are."""
        image = self.images.value
        centroid = self.preactivate(image).astype(jnp.float32)
        entries = self.metric(jax.nn.relu(self.metric_hidden(flatten(image)))).astype(jnp.float32)
        units = centroid.shape[1]
        factor = jnp.zeros((len(image), units, units)).at[:, *np.tril_indices(units)].set(entries)
        # A diagonal is positive: entries are the logarithms of its squares.
        diagonal = jnp.exp(0.5 * jnp.clip(factor, *LOG_VARIANCES))
        factor = jnp.where(jnp.eye(units, dtype=bool)[None], diagonal, factor)
        return MetricOfCentroids(centroid, factor, self.config.temperature, self.config.floor)
