"""The Poincaré ball of curvature −c in float64: what hyperbolic space is compared with (Mathieu et al., 2019)."""

import numpy as np
import scipy.stats


def norm(x):
    return np.linalg.norm(x, axis=-1, keepdims=True)


def to_ball(z, c):
    return np.tanh(np.sqrt(c) * norm(z) / 2) * z / (np.sqrt(c) * norm(z))


def moebius(x, y, c):
    xy, xx, yy = (np.sum(a * b, axis=-1, keepdims=True) for a, b in ((x, y), (x, x), (y, y)))
    return ((1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y) / (1 + 2 * c * xy + c**2 * xx * yy)


def conformal(x, c):
    """λ of points of the ball."""
    return 2 / (1 - c * norm(x) ** 2)


def exponential_on_ball(mean, tangent, c):
    length = np.sqrt(c) * norm(tangent)
    return moebius(mean, np.tanh(length * conformal(mean, c) / 2) * tangent / length, c)


def log_density_on_ball(point, mean, variance, c):
    """The paper's, with respect to the volume of the space."""
    away = moebius(-mean, point, c)
    distance = 2 / np.sqrt(c) * np.arctanh(np.sqrt(c) * norm(away))
    logarithm = distance / conformal(mean, c) * away / norm(away)
    normal = scipy.stats.norm.logpdf(conformal(mean, c) * logarithm, 0, np.sqrt(variance)).sum(axis=-1)
    correction = np.log(np.sqrt(c) * distance / np.sinh(np.sqrt(c) * distance))[..., 0]
    return normal + (point.shape[-1] - 1) * correction
