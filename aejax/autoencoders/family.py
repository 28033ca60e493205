"""The config that every family of autoencoders has: its fields, what it is, and what does not go together with it."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from aejax.autoencoders import conditions
from aejax.config import PositiveInt, optional_part
from aejax.data.load import Dataset
from aejax.data.preprocessing import WITHIN_UNIT, Kind
from aejax.networks.dense import Dense
from aejax.networks.layers import Activation
from aejax.networks.patches import LayerAbove, PatchesConfig, layers_above
from aejax.networks.zoo import Decoder, Encoder, Mirror, has_biases
from aejax.objectives.likelihoods import HalfSquaredError, Likelihood


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """The fields that every family's config has.

    TERMS are the names of the loss's terms. LAYERWISE is whether dense layers can be trained one by one, each with its
    mirror in the decoder. PRETRAINED is whether it is rather trained as a whole, as a plain autoencoder, before its own
    loss, which is of images and not of patches. OPPONENTS are networks with a loss of their own: the name of each among
    the parameters (it may be the decoder, or a single parameter), and of the terms that it learns by, which are no part
    of the family's loss. Nothing else learns by these, and they learn by nothing else. POSTERIOR is whether the encoder
    gives a distribution, and the loss bounds a likelihood. NEEDS_OTHERS is whether the loss compares the codes of a
    batch with each other. DISCRETE is whether the code is a row of indices. CLASSIFIES is whether it has scores of the
    classes itself, so that a classifier has no layer of its own. CONDITIONAL is whether its decoder can take labels.
    NEEDS_BIASES is whether the layers of its encoder must have biases. RECONSTRUCTS is whether its loss trains a
    decoder. SCORES_STRANGENESS is whether it says by something else than a reconstruction how strange an image is.
    """

    TERMS: ClassVar[tuple[str, ...]] = ("reconstruction",)
    LAYERWISE: ClassVar[bool] = True
    PRETRAINED: ClassVar[bool] = False
    OPPONENTS: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()
    POSTERIOR: ClassVar[bool] = False
    NEEDS_OTHERS: ClassVar[bool] = False
    DISCRETE: ClassVar[bool] = False
    CLASSIFIES: ClassVar[bool] = False
    CONDITIONAL: ClassVar[bool] = True
    NEEDS_BIASES: ClassVar[bool] = False
    RECONSTRUCTS: ClassVar[bool] = True
    SCORES_STRANGENESS: ClassVar[bool] = False
    if TYPE_CHECKING:
        kind: str

    encoder: Encoder = Dense()  # The network from the image to the latent.
    decoder: Decoder = Mirror()  # The network back; mirror: the encoder read backwards.
    latent_size: PositiveInt = 32  # Units of the latent.
    latent_activation: Activation = "identity"  # Applied to each unit of the latent.
    likelihood: Likelihood = HalfSquaredError()  # Of the pixels, given the decoder's output.
    patches: PatchesConfig | None = optional_part()  # Of which it is an autoencoder; null: of whole images.
    condition: Literal["label"] | None = None  # What the decoder is given beside the latent; null: nothing.

    def num_draws(self) -> int:
        """Returns from how many codes each image is reconstructed in a step."""
        return 1

    @property
    def title(self) -> str:
        """Its kind, and whether it is of patches, as messages name it."""
        return self.kind if self.patches is None else f"{self.kind} (of patches)"

    @property
    def has_posterior(self) -> bool:
        """Whether there is a distribution of the code of an image."""
        return self.POSTERIOR and self.patches is None

    @property
    def has_prior(self) -> bool:
        """Whether the loss draws codes to a distribution that images can be drawn by."""
        return self.has_posterior

    @property
    def has_gaussian_posterior(self) -> bool:
        """Whether that distribution is a Gaussian with a diagonal covariance."""
        return self.has_posterior

    @property
    def has_indices(self) -> bool:
        """Whether the code of an image is a row of indices."""
        return self.DISCRETE and self.patches is None

    @property
    def num_own_clusters(self) -> int | None:
        """To how many clusters it assigns images itself; None: it has none."""
        return None

    @property
    def classifies(self) -> bool:
        """Whether labels train its own `scores`, and no further layer."""
        return self.CLASSIFIES and self.patches is None

    @property
    def num_scores(self) -> int | None:
        """Of how many classes it has scores, if a field says so; None: of as many as the data have, or none."""
        return self.latent_size if self.classifies else None

    @property
    def needs_label(self) -> bool:
        """Whether an image is reconstructed by its label."""
        return self.condition is not None

    @property
    def refresh_epochs(self) -> int | None:
        """Every how many epochs of its own loss the model's `refresh` is asked for other variables; None: never."""
        return None

    @property
    def num_above(self) -> int:
        """How many layers are trained after the first, each on the maps of the layer below it."""
        return 0 if self.patches is None else len(self.patches.above)

    def of_layer(self, layer: LayerAbove) -> "Family":
        """The family by which a group of a layer above is trained."""
        changes: dict[str, Any] = {"patches": layer, "latent_size": layer.units // layer.groups}
        return dataclasses.replace(self, **changes)

    @property
    def has_own_prior(self) -> bool:
        """Whether codes are drawn to another distribution than N(0, I)."""
        return False

    def networks(self) -> dict[str, Encoder | Decoder]:
        """Returns the descriptions of its networks by the names of their fields."""
        return {"encoder": self.encoder, "decoder": self.decoder}

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms: TERMS, unless they depend on the fields."""
        return self.TERMS

    def opponents(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Returns the networks with a loss of their own: OPPONENTS, unless they depend on the fields."""
        return self.OPPONENTS

    def rescaled_by(self, preprocessing: Kind) -> str | None:
        """Returns the field that gives the targets another range than [0, 1], as a message names it, or None."""
        if preprocessing not in WITHIN_UNIT:
            return f"data.preprocessing={preprocessing}"
        return None if self.patches is None else "autoencoder.patches"

    def misfit(self, image_shape: tuple[int, ...]) -> str | None:
        """Returns which field does not go with images (or patches) of a shape, [height, width, channels], or None."""
        del image_shape
        return None

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields of the family do not go together, or with the data's preprocessing; None if all do."""
        del preprocessing
        return None

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields why fields of the whole config do not go together with this family."""
        if self.NEEDS_OTHERS and config.training.batch_size == 1:
            kind = config.autoencoder.kind
            yield f"training.batch_size=1: '{kind}' compares the codes of a batch with each other; make it larger"
        conflict = self.conflict(config.data.preprocessing)
        if conflict is not None:
            yield f"autoencoder={config.autoencoder.kind}: {conflict}"
        if self.NEEDS_BIASES and not has_biases(self.encoder):
            yield f"autoencoder.encoder.bias=false: layers of '{self.kind}' need biases; use true"
        if self.condition is not None:
            yield from conditions.conflicts(self, config)
        if self.PRETRAINED and self.patches is not None:
            yield f"autoencoder.patches: the loss of '{self.kind}' is of whole images; use patches=null"
        if self.patches is not None:
            yield from self._conflicts_above(self.patches, config.data.preprocessing)
        yield from self.likelihood.conflicts(config)

    def _conflicts_above(self, patches: PatchesConfig, preprocessing: Kind) -> Iterator[str]:
        """Yields why it cannot be trained in the layers that patches have above."""
        if patches.third is not None and patches.second is None:
            yield "autoencoder.patches: there is a third layer, and no second one; set second, or third=null"
        if patches.above and (self.opponents() or self.DISCRETE):
            yield f"autoencoder.patches: '{self.kind}' can only be trained in one layer; use second=null, third=null"
        for name, layer in layers_above(patches).items():
            conflict = self.of_layer(layer).conflict(preprocessing)
            if conflict is not None:
                size = layer.units // layer.groups
                yield f"autoencoder.patches.{name}, groups of {size} units, with autoencoder={self.kind}: {conflict}"

    def warnings(self, config: Any) -> Iterator[str]:
        """Yields what goes together with the whole config, but is hardly meant."""
        del config
        yield from ()

    def misfits(self, config: Any, dataset: Dataset, others: Mapping[str, Dataset]) -> Iterator[str]:
        """Yields why the family cannot be trained on a data set."""
        del config, others
        if self.condition is not None:
            yield from conditions.misfits(self, dataset)
        shape = dataset.train.image.shape[1:]
        if self.patches is not None:
            misfit = self.patches.misfit_of_layers(shape, self.latent_size)
            if misfit:
                yield f"autoencoder.patches does not fit {dataset.name}: {misfit}"
                return
            shapes = self.patches.patch_shapes(shape, self.latent_size)
        else:
            shapes = [shape]
        for (name, network), of_input in itertools.product(self.networks().items(), shapes):
            misfit = network.misfit(of_input)
            if misfit:
                yield f"autoencoder.{name}={network.kind} does not fit {dataset.name}: {misfit}"
        for of_input in shapes:
            misfit = self.misfit(of_input)
            if misfit:
                yield f"autoencoder={self.kind} does not fit {dataset.name}: {misfit}"
        yield from self.likelihood.misfits(dataset)
