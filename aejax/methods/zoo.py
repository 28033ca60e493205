"""The methods by name, in the order of every table. A new method is a file beside this one, and its line here.

Nothing here imports JAX; `base.find_method` imports a method's file.
"""

import difflib

from aejax.errors import ConfigError
from aejax.methods.roles import Entry, Role
from aejax.registry import note_origin

METHODS: dict[str, Entry] = {
    "autoencoder": Entry("aejax.methods.autoencoder:AutoencoderMethod", Role.SUBJECT),
    "untrained": Entry("aejax.methods.untrained:Untrained", Role.BASELINE),
    "supervised": Entry("aejax.methods.supervised:Supervised", Role.BASELINE | Role.CLASSIFIER, needs_labels=True),
    "fine_tuned": Entry("aejax.methods.fine_tuned:FineTuned", Role.CLASSIFIER | Role.PRETRAINED, needs_labels=True),
    "semi_supervised": Entry("aejax.methods.semi_supervised:SemiSupervised", Role.CLASSIFIER, needs_labels=True),
    "pixels": Entry("aejax.methods.pixels:Pixels", Role.BASELINE | Role.RAW, needs_labels=True),
    "pca": Entry("aejax.methods.pca:PrincipalComponents", Role.BASELINE),
    "k_means": Entry("aejax.methods.k_means:KMeans", Role.BASELINE, needs_patches=True),
    "generator": Entry("aejax.methods.generator:GeneratorMethod", Role.GENERATOR),
    "real_images": Entry(
        "aejax.methods.references:RealImages",
        Role.REFERENCE,
        note="are training images, the floor that nothing drawn can be expected to pass",
    ),
    "pixel_gaussian": Entry(
        "aejax.methods.references:PixelGaussian",
        Role.REFERENCE,
        note="is a Gaussian of pixels, which has learned nothing of shapes",
    ),
}


def register(
    name: str,
    method: type,
    role: Role,
    *,
    needs_labels: bool = False,
    needs_patches: bool = False,
    note: str = "",
) -> None:
    """Adds a method of the user's own, a `Method`; tables show it after all others.

    Raises:
      ConfigError: if its name is taken.
    """
    if name in METHODS:
        raise ConfigError(f"there is a method '{name}' already; choose another name, and register each once")
    METHODS[name] = Entry(f"{method.__module__}:{method.__qualname__}", role, needs_labels, needs_patches, note)
    note_origin(method)


def role_of(name: str) -> Role:
    """The role of a method; one that only another version has stands beside the subject."""
    return METHODS[name].role if name in METHODS else Role.BASELINE


def is_ranked(name: str) -> bool:
    """Whether findings are about the settings of a method; other methods stand beside them."""
    return bool(role_of(name) & Role.RANKED)


def order_of(name: str) -> int:
    """The place of a method in tables: that of its line, or after all others if it has none."""
    return [*METHODS, name].index(name)


def named(role: Role) -> list[str]:
    """The names of the methods that have a role, or every one of several."""
    return [name for name, entry in METHODS.items() if role in entry.role]


def baseline(name: str) -> Entry:
    """Finds the baseline that a config names.

    Raises:
      ConfigError: if there is none of this name.
    """
    choices = named(Role.BASELINE)
    if name not in choices:
        near = difflib.get_close_matches(name, choices, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"evaluation.baselines: unknown choice '{name}'{hint} (choices: {', '.join(choices)})")
    return METHODS[name]


(SUBJECT,) = named(Role.SUBJECT)
(GENERATOR,) = named(Role.GENERATOR)
