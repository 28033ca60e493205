"""Estimates of memory and arithmetic, from sizes alone: what is known before anything is computed."""

from typing import Literal, NamedTuple

# Of preprocessing; see `aejax.data.preprocessing`.
Kind = Literal["none", "standardize", "mean_norm", "per_image", "per_channel", "global_contrast", "pca", "zca"]


class Demand(NamedTuple):
    """The memory that a computation holds at once, in bytes, and its floating-point operations; both about right."""

    num_bytes: float = 0.0
    flop: float = 0.0

    def then(self, other: "Demand") -> "Demand":
        """The demand of one computation after the other."""
        return Demand(max(self.num_bytes, other.num_bytes), self.flop + other.flop)

    def times(self, count: int) -> "Demand":
        """The demand of as many such computations side by side."""
        return Demand(count * self.num_bytes, count * self.flop)


def principal_axes(num: int, size: int, itemsize: int = 4) -> Demand:
    """The demand of the principal axes of rows [num, size]: of XᵀX, or of XXᵀ where that is smaller.

    An eigendecomposition of side s is counted as 25 s³ operations, and as five matrices of its size.
    """
    side = min(num, size)
    return Demand(itemsize * (2 * num * size + 5 * side**2), 4 * num * size * side + 25 * side**3)


def preprocessing_demand(kind: Kind, count: int, num_pixels: int) -> Demand:
    """The demand of fitting a preprocessing to `count` images, in host memory."""
    return principal_axes(count, num_pixels, itemsize=8) if kind in ("pca", "zca") else Demand()
