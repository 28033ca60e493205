"""The demand of evaluating one member, estimated from sizes alone."""

from collections.abc import Mapping, Sequence

from aejax.data.demand import Demand, principal_axes
from aejax.evaluation.blocks import ROWS
from aejax.evaluation.linear import RIDGE, is_cached
from aejax.measures.base import FITTED, Measure

_EVALUATIONS = 30  # Of the gradient, for each strength of a search.


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


def in_blocks(
    sizes: Mapping[str, int], size: int, strengths: Mapping[str, Sequence[float]], num_classes: int
) -> Demand:
    """The demand of linear classifiers of features a block at a time, without what it takes to compute the features.

    Four matrices of all pairs of features, some blocks, and of searches a fifth, what they remember, and the cache.

    Args:
      sizes: the number of images of each split that have a label.
      size: the number of features.
      strengths: of each classifier that is wanted, by its name; none: nothing is computed.
      num_classes: of the labels.
    """
    if not strengths:
        return Demand()
    fitted = sum(sizes[split] for split in FITTED)
    floats, flop = 4.0 * size**2 + 4 * min(ROWS, fitted) * size, 1.2 * fitted * size**2
    for name, of in strengths.items():
        flop += (len(of) + 1) * size**3 / 3
        floats += 3 * len(of) * size * num_classes
        if name != RIDGE:
            flop += (len(of) + 1) * size**3
            flop += 4 * (len(of) + 1) * _EVALUATIONS * fitted * size * num_classes
    searches = set(strengths) - {RIDGE}
    cache = 4 * fitted * size if is_cached(fitted, size, strengths) else 0
    floats += (size**2 + 20 * size * num_classes) * bool(searches)
    return Demand(4 * floats + cache, flop)
