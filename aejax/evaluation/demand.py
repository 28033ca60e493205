"""The demand of evaluating one member, estimated from sizes alone."""

from collections.abc import Collection, Mapping

from aejax.data.demand import Demand, principal_axes
from aejax.evaluation import robustness
from aejax.evaluation.suite import OF_FEATURES

# Of these a classifier, or a reduction of the features, is made from their principal axes.
_BY_AXES = {"probe", "calibration", "robustness", "ridge", "gaussian", "component_neighbors", "few_labels", "outliers"}
_BY_PAIRS = {"neighbors", "weighted_neighbors", "component_neighbors", "retrieval"}
_ON_HOST = {"clustering", "disentanglement"}  # In float64.


def of_features(sizes: Mapping[str, int], size: int, measures: Collection[str]) -> Demand:
    """The demand of what is measured of features.

    Args:
      sizes: the number of images of each split.
      size: the number of features.
      measures: what is measured, "outliers" if there are any.
    """
    wanted, num = set(measures), sum(sizes.values())
    if not wanted & {*OF_FEATURES, *_BY_AXES, *_ON_HOST}:
        return Demand()
    demand = Demand(4 * 3 * num * size)
    fitted = num - sizes["test"]
    if _BY_AXES & wanted:
        axes = principal_axes(fitted, size)
        demand = demand.then(Demand(4 * num * size + axes.num_bytes, 2 * axes.flop))  # Twice: train, and both.
    if _BY_PAIRS & wanted:
        demand = demand.then(Demand(0, 2 * (num - sizes["train"]) * fitted * size))
    if "robustness" in wanted:
        copies = sum(map(len, robustness.STRENGTHS.values())) * min(robustness.NUM_IMAGES, sizes["test"])
        demand = demand.then(Demand(demand.num_bytes + 4 * copies * size))
    if _ON_HOST & wanted:
        axes = principal_axes(sizes["train"], size, itemsize=8)
        demand = demand.then(Demand(8 * 2 * num * size + axes.num_bytes, axes.flop if "clustering" in wanted else 0))
    return demand
