"""The vector-quantized autoencoder: codes are the nearest vectors of a codebook (van den Oord et al., 2017)."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from aejax.autoencoders.quantized import QuantizedAutoencoder, QuantizedConfig
from aejax.config import NonNegativeFloat, PositiveInt, Rate, traced
from aejax.data.preprocessing import Kind
from aejax.data.resident import Batch, ResidentData
from aejax.networks import quantizers
from aejax.networks.layers import flatten
from aejax.networks.quantizers import Codebooks

LLOYD_ITERATIONS = 10
VECTORS_FOR_EACH_CODE = 30  # That k-means is given, if the training images have as many.


@dataclasses.dataclass(frozen=True, kw_only=True)
class WithCodebook(QuantizedConfig):
    """The fields that all have whose codes are vectors of a codebook."""

    TERMS: ClassVar[tuple[str, ...]] = (*QuantizedConfig.TERMS, "commitment")

    codebook_size: PositiveInt = 512  # Vectors of the codebook.
    commitment: NonNegativeFloat = traced(0.25)  # Of the distance of what the encoder gives from its vector.
    decay: Rate = traced(0.99)  # Of the moving averages that the codebook follows.
    # A vector is replaced when it is the nearest to fewer than this many times as many as the mean one, by a moving
    # average; null: never.
    revive_below: NonNegativeFloat | None = traced(0.1)
    start: Literal["uniform", "kmeans"] = "kmeans"  # ±1 / codebook_size, or the means of what the encoder first gives.

    @property
    def num_categories(self) -> int:
        """How many values each index of a code takes."""
        return self.codebook_size


@dataclasses.dataclass(frozen=True, kw_only=True)
class VqVaeConfig(WithCodebook):
    """Loss: −log p(x|e) + commitment · Σ ‖z − sg(e)‖² (+ Σ ‖sg(z) − e‖²), e the vector of the codebook nearest to z.

    Source: van den Oord, Vinyals and Kavukcuoglu, "Neural discrete representation learning", 2017, equation 3, and for
    `update=ema` appendix A.1, where the codebook follows moving averages in the place of the last term.

    Departures: the sums are over the codes of an image and the numbers of each; the paper takes the mean over codes.
    The authors' code takes means over everything, of squared errors without the ½ of `half_squared_error` and divided
    by the pixels' variance: their commitment is 2 · codes · latent_size / (pixels · variance) times the one here.
    """

    kind: Literal["vq_vae"] = "vq_vae"
    update: Literal["gradient", "ema"] = "ema"  # How the codebook learns; ema: by moving averages.

    def term_names(self) -> tuple[str, ...]:
        """Returns the names of the loss's terms."""
        return (*self.TERMS, "codebook") if self.update == "gradient" else self.TERMS

    def conflict(self, preprocessing: Kind) -> str | None:
        """Returns which fields are of the other update, or None."""
        default = VqVaeConfig()
        if self.update == "gradient":
            for name in ("decay", "revive_below"):
                if getattr(self, name) not in (None, getattr(default, name)):
                    return f"{name} is of codebooks that follow moving averages, and update=gradient; use update=ema"
        return super().conflict(preprocessing)


class CodebookAutoencoder(QuantizedAutoencoder):
    """The networks of a family with codebooks, which lie among the parameters or in the collection "codebook"."""

    config: Any  # A `WithCodebook`.

    def setup(self) -> None:
        """Makes the networks and the codebooks."""
        super().setup()
        config = self.config
        self.codebooks = Codebooks(
            config.num_codebooks,
            config.codebook_size,
            config.latent_size,
            getattr(config, "update", "ema") == "gradient",
            config.decay,
            config.revive_below,
        )

    def init_from_data(self, variables: Any, data: ResidentData) -> Any:
        """Returns the variables with codebooks of means of what the encoder gives of training images, if so wanted."""
        config = self.config
        if config.start == "uniform":
            return variables
        vectors = self.some_vectors(variables, data, VECTORS_FOR_EACH_CODE * config.codebook_size)
        _, fitted = self.apply(variables, vectors, method="fit_codebooks", mutable=list(variables))
        return dict(variables) | dict(fitted)

    def fit_codebooks(self, vectors: jax.Array) -> None:
        """Lets the codebooks begin as means of vectors, [n, latent_size]."""
        self.codebooks.fit(vectors, num_iterations=LLOYD_ITERATIONS)

    def search(self, vectors: jax.Array, *, train: bool) -> quantizers.Quantized:
        """Quantizes vectors [batch, codes, latent_size]; all fields are [batch, codes, ...]."""
        quantized = self.codebooks.quantize(vectors.reshape(-1, vectors.shape[-1]), train=train)
        return quantizers.Quantized(*(field.reshape(*vectors.shape[:2], *field.shape[1:]) for field in quantized))

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
        quantized = self.search(self.preactivate(batch.image, train=train), train=train)
        terms = {
            "reconstruction": self.reconstruction(flatten(quantized.vectors), batch, train=train),
            "commitment": self.config.commitment * jnp.sum(quantized.commitment, axis=1),
            "codebook": jnp.sum(quantized.distance, axis=1),
        }
        return {name: terms[name] for name in self.config.term_names()}


class VqVae(CodebookAutoencoder):
    """The networks of `VqVaeConfig`."""

    config: VqVaeConfig
