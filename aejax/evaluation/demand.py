"""The demand of evaluating one member, estimated from sizes alone."""

from collections.abc import Mapping, Sequence

from aejax.data.demand import Demand, principal_axes
from aejax.measures.base import Measure


def of_features(sizes: Mapping[str, int], size: int, measures: Sequence[Measure]) -> Demand:
    """The demand of measuring features.

    Args:
      sizes: the number of images of each split.
      size: the number of features.
      measures: those that are wanted.
    """
    on_host = [measure for measure in measures if measure.host is not None]
    on_device = [measure for measure in measures if measure.host is None]
    if not on_host and not any(measure.reads_features or measure.by_axes for measure in on_device):
        return Demand()
    num = sum(sizes.values())
    demand = Demand(4 * 3 * num * size)
    fitted = num - sizes["test"]
    if any(measure.by_axes for measure in on_device):
        axes = principal_axes(fitted, size)
        demand = demand.then(Demand(4 * num * size + axes.num_bytes, 2 * axes.flop))  # Twice: train, and both.
    if any(measure.by_pairs for measure in on_device):
        demand = demand.then(Demand(0, 2 * (num - sizes["train"]) * fitted * size))
    further = sum(measure.further_features(sizes) for measure in on_device)
    demand = demand.then(Demand(demand.num_bytes + 4 * further * size))
    if on_host:  # In float64.
        axes = principal_axes(sizes["train"], size, itemsize=8)
        by_axes = any(measure.by_axes for measure in on_host)
        demand = demand.then(Demand(8 * 2 * num * size + axes.num_bytes, axes.flop if by_axes else 0))
    return demand
