"""How much of its codebook a model with discrete codes uses."""

from collections.abc import Iterator
from typing import Any

from aejax.measures.base import INDICES, Measure, MemberAndData, Metric

MOST_CODES = 2**24  # Of all codebooks together: there is a counter for each code.


def _count(member: MemberAndData) -> dict[str, Any]:
    from aejax.evaluation.codebook import codebook_metrics

    codes = member.representation.codes
    return {} if codes is None else codebook_metrics(codes, member.data, member.representation.at_once)


def _too_many(config: Any) -> Iterator[str]:
    family = config.autoencoder
    if family.DISCRETE and (num_codes := family.num_codebooks * family.num_categories) > MOST_CODES:
        yield (
            f"evaluation.measures has 'codebook', which counts each of {num_codes} codes, and {MOST_CODES} are the "
            f"most; leave it out, or give autoencoder={family.kind} fewer codes"
        )


CODEBOOK = Measure(
    name="codebook",
    metrics=(
        Metric("codebook_usage", "codebook usage", "%", True),
        Metric("codebook_perplexity", "perplexity", "", True),
    ),
    needs=(INDICES,),
    images=_count,
    conflicts=_too_many,
)
