"""Leapfrog steps in a metric of centroids, in float64: what the implicit steps are compared with."""

import numpy as np


class CurvedMetric:
    """G⁻¹(z) = Σ_k L_k L_kᵀ exp(−‖z − c_k‖² / T²) + λ I, of points [n, units]."""

    def __init__(self, centroid, factor, temperature, floor):
        self.centroid, self.factor = (np.asarray(x, np.float64) for x in (centroid, factor))
        self.temperature, self.floor = float(temperature), float(floor)

    def inverse(self, z):
        distance = np.sum((z[:, None] - self.centroid) ** 2, axis=2)
        products = self.factor @ self.factor.transpose(0, 2, 1)
        summed = np.einsum("nk,kij->nij", np.exp(-distance / self.temperature**2), products)
        return summed + self.floor * np.eye(z.shape[1])

    def velocity(self, z, momentum):
        return np.einsum("nij,nj->ni", self.inverse(z), momentum)

    def energy(self, z, momentum):
        """The negative of log N(momentum; 0, G(z))."""
        square = np.sum(momentum * self.velocity(z, momentum), axis=1)
        return (square - np.linalg.slogdet(self.inverse(z))[1] + z.shape[1] * np.log(2 * np.pi)) / 2

    def slope(self, z, momentum):
        """The energy's by the position, by finite differences."""
        ways = 1e-5 * np.eye(z.shape[1])
        return (
            np.stack([self.energy(z + way, momentum) - self.energy(z - way, momentum) for way in ways], axis=1) / 2e-5
        )


def implicit_steps(potential, metric, z, momentum, size, cooling, num_iterations):
    for factor in cooling:
        halfway = there = None
        for _ in range(num_iterations):
            of_step = metric.slope(z, momentum if halfway is None else halfway)
            halfway = momentum - size / 2 * (potential(z) + of_step)
        for _ in range(num_iterations):
            of_step = metric.velocity(z if there is None else there, halfway)
            there = z + size / 2 * (metric.velocity(z, halfway) + of_step)
        z = there
        momentum = factor * (halfway - size / 2 * (potential(z) + metric.slope(z, halfway)))
    return z, momentum
