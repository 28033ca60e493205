"""Whether a config asks for methods that there are, and whether these have the labels that they need."""

from collections.abc import Iterator, Mapping
from typing import Any

from aejax.methods.roles import Role
from aejax.methods.zoo import baseline, named


def conflicts(config: Any) -> Iterator[str]:
    """Yields why fields of the whole config do not go together with the methods that it asks for.

    Raises:
      ConfigError: naming a baseline that there is not.
    """
    asked = config.evaluation.baselines
    for name in asked or ():
        if baseline(name).needs_patches and config.autoencoder.patches is None:
            yield (
                f"evaluation.baselines has '{name}', which is of patches, and the autoencoder is of whole images; set "
                "autoencoder.patches, or leave it out"
            )
    given = [name for name in ("labels_per_class", "mixup") if getattr(config.fine_tuning, name) is not None]
    if given and not _trains_by_labels(config):
        yield (
            f"fine_tuning.{given[0]}: nothing is trained by labels; set fine_tuning.epochs or "
            "semi_supervised.epochs, or name 'supervised' in evaluation.baselines"
        )


def _trains_by_labels(config: Any) -> bool:
    """Whether a config asks for any network that labels train."""
    asked = config.evaluation.baselines
    roles = [baseline(name).role for name in (named(Role.BASELINE) if asked is None else asked)]
    further = config.fine_tuning.epochs or config.semi_supervised.epochs
    return bool(further) or any(Role.CLASSIFIER in role for role in roles)


def misfits(config: Any, dataset: Any, others: Mapping[str, Any]) -> Iterator[str]:
    """Yields which baseline, named by the config, needs labels that the data do not have, or other classes."""
    del others
    family, num = config.autoencoder, dataset.num_classes
    if num is not None and family.num_scores not in (None, num) and _trains_by_labels(config):
        yield (
            f"autoencoder.latent_size={family.latent_size}: the latent of '{family.kind}' is a score of each class, "
            f"and {dataset.name} has {num}; set autoencoder.latent_size={num}, or train nothing by labels"
        )
    for name in config.evaluation.baselines or ():
        if dataset.num_classes is None and baseline(name).lacks_labels(config.evaluation):
            yield f"{dataset.name} {dataset.unlabelled}, and evaluation asks for '{name}', which needs them"
