"""The vector-quantized autoencoder: codes are the nearest vectors of a codebook (van den Oord et al., 2017)."""

import dataclasses
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from aejax.autoencoders.quantized import QuantizedAutoencoder, QuantizedConfig
from aejax.config import NonNegativeFloat, PositiveInt, Rate, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch, ResidentData
from aejax.networks import quantizers
from aejax.networks.layers import flatten
from aejax.networks.quantizers import Codebooks, Gradient, Moving

LLOYD_ITERATIONS = 10
VECTORS_FOR_EACH_CODE = 30  # That k-means is given, if the training images have as many, and
MOST_VECTORS = 2**17  # no more than so many, unless there are more codes.
CodebookSize = Annotated[int, Field(gt=0, le=2**24)]  # Searches count vectors in float32.


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithCodebook(QuantizedConfig):
    """The fields that all have whose codes are vectors of a codebook."""

    TERMS: ClassVar[tuple[str, ...]] = (*QuantizedConfig.TERMS, "commitment")
    BASIS: ClassVar[bool] = False  # Whether the vectors are frozen, and one matrix that is learned multiplies them.

    codebook_size: CodebookSize = 512  # Vectors of the codebook.
    # Numbers of the vectors of the codebook: a linear layer leads from `latent_size` numbers to so many, and another
    # one back (factorized codes); null: `latent_size`, and no such layers.
    code_size: PositiveInt | None = None
    # What makes a vector the nearest; cosine: it and what the encoder gives are divided by their lengths first.
    similarity: Literal["euclidean", "cosine"] = "euclidean"
    # What the encoder learns through the quantization by: the gradient of the identity, or of the rotation and
    # rescaling that take what it gives to the vector.
    gradient: Gradient = "straight_through"
    commitment: NonNegativeFloat = traced(0.25)  # Of the distance of what the encoder gives from its vector.
    # Of how far the directions of the codebook's vectors are from orthogonal, if they learn by gradients; null: no such
    # term.
    orthogonality: NonNegativeFloat | None = traced(None)

    @property
    def num_categories(self) -> int:
        """How many values each index of a code takes."""
        return self.codebook_size

    @property
    def num_groups(self) -> int:
        """Among how many groups of codebooks the numbers of a vector are divided."""
        return 1

    @property
    def moving(self) -> Moving | None:
        """How the codebook follows moving averages; None: gradients teach it."""
        return None

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms."""
        learned = () if self.moving else ("codebook",)
        return (*self.TERMS, *learned, *(() if self.orthogonality is None else ("orthogonality",)))

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields of the codebook do not go together, or None."""
        width = self.code_size or self.latent_size
        if width > self.latent_size:
            return f"code_size={width} is more than latent_size={self.latent_size}; make it smaller, or null"
        if width % self.num_groups:
            name = "latent_size" if self.code_size is None else "code_size"
            return f"groups={self.num_groups} do not divide {name}={width}; make it a multiple of them"
        if self.orthogonality is not None and self.moving:
            return (
                f"orthogonality={self.orthogonality} is of codebooks that learn by gradients, and update=ema; "
                "use update=gradient, or orthogonality=null"
            )
        return super().conflict(preprocessing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithMovingCodebook(WithCodebook):
    """The fields that all have whose codebook learns by itself, vector by vector."""

    update: Literal["gradient", "ema"] = "ema"  # How the codebook learns; ema: by moving averages.
    decay: Rate = traced(0.99)  # Of the moving averages that the codebook follows.
    # A vector is replaced when it is the nearest to fewer than this many times as many as the mean one, by a moving
    # average; null: never.
    revive_below: NonNegativeFloat | None = traced(0.1)
    start: Literal["uniform", "kmeans"] = "kmeans"  # ±1 / codebook_size, or the means of what the encoder first gives.

    @property
    def moving(self) -> Moving | None:
        """How the codebook follows moving averages; None: gradients teach it."""
        return Moving(self.decay, self.revive_below) if self.update == "ema" else None

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields are of the other update, or do not go together otherwise, or None."""
        if self.update == "gradient":
            defaults = {field.name: field.default for field in dataclasses.fields(self)}
            for name in ("decay", "revive_below"):
                if getattr(self, name) not in (None, defaults[name]):
                    return f"{name} is of codebooks that follow moving averages, and update=gradient; use update=ema"
        return super().conflict(preprocessing)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VqVaeConfig(WithMovingCodebook):
    """Loss: −log p(x|e) + commitment · Σ ‖z − sg(e)‖² (+ Σ ‖sg(z) − e‖²), e the vector of the codebook nearest to z.

    With `similarity=cosine` z and e have length 1. With `orthogonality` the term of it is ‖E Eᵀ − I‖² / codebook_size²,
    where the rows of E are the vectors, each divided by its length.

    Source: van den Oord, Vinyals and Kavukcuoglu, "Neural discrete representation learning", 2017, equation 3, and for
    `update=ema` appendix A.1, where the codebook follows moving averages in the place of the last term. For
    `gradient=rotation` Fifty et al., "Restructuring vector quantization with the rotation trick", 2024; for `code_size`
    and `similarity` Yu et al., "Vector-quantized image modeling with improved VQGAN", 2022; for `orthogonality` Shin et
    al., "Translation-equivariant image quantizer for bi-directional image-text generation", 2021.

    Departures: the sums are over the codes of an image and the numbers of each; the paper takes the mean over codes.
    The authors' code takes means over everything, of squared errors without the ½ of `half_squared_error` and divided
    by the pixels' variance: their commitment is 2 · codes · latent_size / (pixels · variance) times the one here.
    """

    kind: Literal["vq_vae"] = "vq_vae"


class CodebookAutoencoder(QuantizedAutoencoder):
    """The networks of a family with codebooks, which lie among the parameters or in the collection "codebook"."""

    config: Any  # A `WithCodebook`.

    def setup(self) -> None:
        """Makes the networks and the codebooks."""
        super().setup()
        config = self.config
        self.codebooks = Codebooks(
            depth=config.num_codebooks // config.num_groups,
            size=config.codebook_size,
            width=config.latent_size,
            groups=config.num_groups,
            code_width=config.code_size,
            on_spheres=config.similarity == "cosine",
            gradient=config.gradient,
            moving=config.moving,
            has_basis=config.BASIS,
        )

    def search(self, vectors: jax.Array, *, train: bool) -> quantizers.Quantized:
        """Quantizes vectors [batch, codes, latent_size]; all fields are [batch, codes, ...]."""
        batch, codes, width = vectors.shape
        levels = self.levels(batch) if train else None
        quantized = self.codebooks.quantize(
            vectors.reshape(-1, width), train=train, levels=None if levels is None else jnp.repeat(levels, codes)
        )
        return quantizers.Quantized(*(field.reshape(batch, codes, *field.shape[1:]) for field in quantized))

    def levels(self, num_images: int) -> jax.Array | None:
        """Returns how many codebooks of each group, the first ones, training images are decoded from, int [images].

        None: all.
        """
        del num_images
        return None

    def quantize(self, vectors: jax.Array, *, train: bool = False) -> jax.Array:
        """Returns the nearest vectors, [batch, codes, latent_size]; in training, codebooks without a gradient move."""
        return self.search(vectors, train=train).vectors

    def indices(self, vectors: jax.Array) -> jax.Array:
        """Returns the codes, int32 [batch, codes · codebooks]: those of a position next to each other."""
        return flatten(self.search(vectors, train=False).indices)

    def look_up(self, code: jax.Array) -> jax.Array:
        """Returns the vectors of codes, [batch, codes, latent_size]."""
        return self.codebooks.look_up(code.reshape(code.shape[0], -1, self.config.num_codebooks))

    def terms(self, batch: Batch, *, train: bool) -> dict[str, jax.Array]:
        """Returns the reconstruction, the weighted commitment, and what the codebook learns by: each [batch]."""
        config, quantized = self.config, self.search(self.preactivate(batch.image, train=train), train=train)
        terms = {
            "reconstruction": self.reconstruction(flatten(quantized.vectors), batch, train=train),
            "commitment": self.config.commitment * jnp.sum(quantized.commitment, axis=1),
            "codebook": jnp.sum(quantized.distance, axis=1),
        }
        if config.orthogonality is not None:
            weighted = config.orthogonality * self.codebooks.orthogonality()
            terms["orthogonality"] = jnp.broadcast_to(weighted, batch.image.shape[:1])
        return {name: terms[name] for name in config.term_names()}


class MovingCodebookAutoencoder(CodebookAutoencoder):
    """The networks of a family whose codebooks learn vector by vector, and may begin as means of some."""

    config: Any  # A `WithMovingCodebook`.

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with codebooks of means of what the encoder gives of training images, if so wanted."""
        config = self.config
        if config.start == "uniform":
            return variables
        num = max(min(VECTORS_FOR_EACH_CODE * config.codebook_size, MOST_VECTORS), config.codebook_size)
        vectors = self.some_vectors(variables, data, num)
        _, fitted = self.apply(variables, vectors, method="fit_codebooks", mutable=list(variables))
        return dict(variables) | dict(fitted)

    def fit_codebooks(self, vectors: jax.Array) -> None:
        """Lets the codebooks begin as means of vectors, [n, latent_size]."""
        self.codebooks.fit(vectors, num_iterations=LLOYD_ITERATIONS)


class VqVae(MovingCodebookAutoencoder):
    """The networks of `VqVaeConfig`."""

    config: VqVaeConfig
