"""Whether the units of a code stand for ground-truth factors, one for each (on the host)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aejax.measures.base import FACTORS, NUMBERS, Features, Measure, Metric


def _compare(given: Features) -> dict[str, float]:
    from aejax.evaluation.disentanglement import disentanglement_metrics

    return disentanglement_metrics(given.features, given.target)


def _rank(codes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from aejax.evaluation.disentanglement import unsupervised_ranking

    splits = [split for split in ("validation", "test") if split in codes[0]]
    return {f"{split}_udr": unsupervised_ranking([code[split] for code in codes]) for split in splits}


def _too_few(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    from aejax.evaluation.disentanglement import num_comparable

    factor = {name: split.factor for name, split in dataset.splits.items() if split.factor is not None}
    if num_comparable(factor) < 2:
        yield (
            f"evaluation.measures has 'disentanglement', and fewer than two factors of {dataset.name} vary in every "
            "split; leave it out"
        )


DISENTANGLEMENT = Measure(
    name="disentanglement",
    metrics=(
        Metric("mig", "MIG", "", True),
        Metric("dci_disentanglement", "DCI disentanglement", "", True),
        Metric("dci_completeness", "DCI completeness", "", True),
        Metric("dci_informativeness", "DCI informativeness", "", True),
        Metric("beta_vae_score", "β-VAE score", "", True),
        Metric("factor_vae_score", "FactorVAE score", "", True),
        Metric("sap", "SAP", "", True),
        Metric("modularity", "modularity", "", True),
        Metric("explicitness", "explicitness", "", True),
        Metric("infom", "InfoM", "", True),
        Metric("infoe", "InfoE", "", True),
        Metric("infoc", "InfoC", "", True),
    ),
    needs=(NUMBERS, FACTORS),
    host=_compare,
    misfits=_too_few,
)
UNSUPERVISED_RANKING = Measure(
    name="unsupervised_ranking",
    metrics=(Metric("udr", "UDR", "", True),),
    asked=DISENTANGLEMENT.is_wanted,
    members=_rank,
)
