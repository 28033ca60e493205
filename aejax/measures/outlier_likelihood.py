"""Whether the likelihood tells the outliers of `evaluation.outliers`, of families that have one."""

from collections.abc import Iterator, Mapping
from typing import Any

from aejax.measures import base
from aejax.measures.base import Measure, MemberAndData, Metric
from aejax.measures.likelihood import no_likelihood


def _score_outliers(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.likelihood_scores import likelihood_scores

    density = member.representation.density
    if density is None:
        return {}
    return likelihood_scores(
        density,
        member.data,
        member.others["outliers"],
        member.representation.at_once,
        num_samples=member.evaluation.likelihood.num_samples,
        num_images=member.evaluation.likelihood.num_images,
    )


def _conflicts(config: Any) -> Iterator[str]:
    asked = f"evaluation.measures has '{OUTLIER_LIKELIHOOD.name}'"
    yield from no_likelihood(config, asked)
    if config.evaluation.outliers is None:
        yield f"{asked}, and evaluation.outliers is null; name the images that are to be told from the own ones"


def _misfits(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    yield from config.autoencoder.likelihood.misfits(others["outliers"])


OUTLIER_LIKELIHOOD = Measure(
    name="outlier_likelihood",
    metrics=(
        Metric("anomaly_nll_auroc", "outliers by −log p(x), AUROC", "%", True),
        Metric("anomaly_typicality_auroc", "outliers by typicality, AUROC", "%", True),
        Metric("anomaly_complexity_auroc", "outliers by −log p(x) less complexity, AUROC", "%", True),
        Metric("anomaly_nll_excess", "−log p(x), outliers less own", "nats", True),
    ),
    needs=(base.POSTERIOR, base.IMAGES),
    images=_score_outliers,
    conflicts=_conflicts,
    misfits=_misfits,
)
