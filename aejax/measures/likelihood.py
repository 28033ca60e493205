"""What a posterior says of codes, and how likely images are, of families that have a posterior."""

from collections.abc import Iterator
from typing import Any

from aejax.measures import base
from aejax.measures.base import Measure, MemberAndData, Metric


def _describe_posterior(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.likelihood import posterior_metrics

    density = member.representation.density
    return {} if density is None else posterior_metrics(density, member.data, member.representation.at_once)


def _bound(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.likelihood import likelihood_metrics

    density = member.representation.density
    if density is None:
        return {}
    return likelihood_metrics(
        density,
        member.data,
        member.representation.at_once,
        num_samples=member.evaluation.likelihood.num_samples,
        num_images=member.evaluation.likelihood.num_images,
    )


def no_likelihood(config: Any, asked: str = "evaluation.measures has 'likelihood'") -> Iterator[str]:
    """Yields why a model of a config has no −log p(x); `asked` says where one is asked for."""
    reason = config.autoencoder.likelihood.no_likelihood(config)
    if reason is not None:
        yield f"{asked}, and {reason}"
    if config.data.preprocessing != "none":
        yield (
            f"{asked}, which is one of images as they are, and "
            f"data.preprocessing={config.data.preprocessing}; leave one of them out"
        )


POSTERIOR = Measure(
    name="posterior",
    details=(
        Metric("rate", "rate", "nats", False),
        Metric("distortion", "distortion", "nats", False),
        Metric("mutual_information", "mutual information", "nats", True),
        Metric("total_correlation", "total correlation", "nats", False),
        Metric("dimension_wise_kl", "dimension-wise KL", "nats", False),
        Metric("active_units", "active units", "", True),
        Metric("effective_rank", "effective rank", "", True),
    ),
    needs=(base.POSTERIOR,),
    images=_describe_posterior,
)
LIKELIHOOD = Measure(
    name="likelihood",
    metrics=(
        Metric("nll", "−log p(x)", "nats", False),
        Metric("bits_per_dimension", "bits a dimension", "", False),
        Metric("elbo", "ELBO", "nats", True),
    ),
    needs=(base.POSTERIOR,),
    images=_bound,
    conflicts=no_likelihood,
)
