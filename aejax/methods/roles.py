"""What a method is beside the others, known without JAX: tables and reports ask for this instead of its name."""

import enum
from typing import Any, NamedTuple


class Role(enum.Flag):
    """What a method is beside the others; it may be several of these."""

    SUBJECT = enum.auto()  # The trained autoencoder that the study is about; one method is.
    BASELINE = enum.auto()  # `evaluation.baselines` names it or leaves it out; a study is worth something without it.
    RAW = enum.auto()  # The images themselves: errors of other methods are divided by theirs.
    CLASSIFIER = enum.auto()  # Labels train it, and it has a classifier in the place of a decoder.
    PRETRAINED = enum.auto()  # A classifier that begins with the subject's encoder.
    GENERATOR = enum.auto()  # It draws images, by a sampler of the subject's codes.
    REFERENCE = enum.auto()  # It makes images that those of generators are judged beside.

    RANKED = SUBJECT | GENERATOR  # Findings are about its settings; the others stand beside them.
    MAKES_IMAGES = GENERATOR | REFERENCE


class Entry(NamedTuple):
    """A method's line in the zoo."""

    class_path: str  # "module:class", imported when the method is needed: it computes with JAX.
    role: Role
    needs_labels: bool = False
    needs_patches: bool = False  # Only an autoencoder of patches has it beside it.
    note: str = ""  # What a reader must know of a reference: how a sentence goes on that begins with its name.

    def lacks_labels(self, evaluation: Any) -> bool:
        """Whether there is nothing to train it by, or to measure of it, by an EvaluationConfig on data without labels.

        Of features that nothing was trained by, distances from those of outliers can be measured.
        """
        return self.needs_labels and (Role.CLASSIFIER in self.role or evaluation.outliers is None)
