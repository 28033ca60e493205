"""Likelihoods of an image given the decoder's output: per example, in nats, summed over pixels and channels.

A decoder emits unbounded numbers, `outputs` of them for each pixel; `mean` makes an image of them and `loss` compares
them with the target, in float32 whatever type the decoder computes in. Normalising constants are included, so that
losses of one kind of target can be compared, except where the name says error, and of `MsSsim`, which is no
likelihood. Nothing here reduces over the batch, but for `OptimalGaussian`.

`SCALE` says where a deviation that all pixels share comes from: it is appended to the decoder's output as a last
channel that holds its logarithm everywhere (`aejax.autoencoders.base.Autoencoder.decode`).
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np

from aejax.config import PositiveFloat, PositiveInt, traced
from aejax.objectives.likelihood_base import BaseLikelihood
from aejax.objectives.similarity import SMALLEST_SIDE, multiscale_similarity
from aejax.registry import Registry

Output = Literal["identity", "sigmoid"]

NUM_LEVELS = 256  # Of the pixels of stored images: multiples of 1/255.
_SMALL = 0.1  # Below, series stand for quotients of two small numbers.


def _pixels(output: jax.Array, kind: Output) -> jax.Array:
    output = output.astype(jnp.float32)
    return jax.nn.sigmoid(output) if kind == "sigmoid" else output


def _sum_over_pixels(values: jax.Array) -> jax.Array:
    return jnp.sum(values, axis=tuple(range(1, values.ndim)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class HalfSquaredError(BaseLikelihood):
    """½ Σ (y − ŷ)²: a Gaussian with unit variance, without its constant. Its batch mean is the 1/(2N) loss."""

    kind: Literal["half_squared_error"] = "half_squared_error"
    output: Output = "sigmoid"  # What maps the decoder's output to pixels.

    def no_likelihood(self, config: Any) -> str | None:
        """Returns that the constant is missing."""
        del config
        return f"{self.kind} lacks the constant that would make it one; use autoencoder.likelihood=gaussian"

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the output's shape."""
        return _pixels(output, self.output)

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | output) − constant, [batch], for output and target of [batch, ...]."""
        return 0.5 * _sum_over_pixels(jnp.square(self.mean(output) - target))


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeanSquaredError(BaseLikelihood):
    """Σ (y − ŷ)² / D over the D pixels: `HalfSquaredError` × 2/D.

    The scale is no log-likelihood, so a second term (a KL, a penalty) could not be weighed against it; families with
    more than one term refuse it.
    """

    kind: Literal["mean_squared_error"] = "mean_squared_error"
    output: Output = "sigmoid"  # What maps the decoder's output to pixels.

    def no_likelihood(self, config: Any) -> str | None:
        """Returns that it is a mean over pixels."""
        del config
        return f"{self.kind} is divided by the number of pixels; use autoencoder.likelihood=gaussian"

    def conflicts(self, config: Any) -> Iterator[str]:
        """Yields that the family has other terms to be weighed against it."""
        family = config.autoencoder
        if len(family.term_names()) > 1 or family.POSTERIOR:
            others = ", ".join(family.term_names()[1:]) or "of the prior and the posterior"
            yield (
                "autoencoder.likelihood=mean_squared_error is no log-likelihood, so it cannot be weighed against the "
                f"other terms of '{family.kind}' ({others}); use half_squared_error"
            )
        yield from super().conflicts(config)

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the output's shape."""
        return _pixels(output, self.output)

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns the mean squared error of each example, [batch], for output and target of [batch, ...]."""
        return _sum_over_pixels(jnp.square(self.mean(output) - target)) / target[0].size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bernoulli(BaseLikelihood):
    """Independent Bernoulli pixels whose logits the decoder emits: Σ log(1 + e^l) − x l.

    It is a probability of binary images (`data.binarization`). Of gray ones in [0, 1] it is a cross-entropy, which lies
    above the entropy of their pixels and is no likelihood; `ContinuousBernoulli` is one.
    """

    DISCRETE = True

    kind: Literal["bernoulli"] = "bernoulli"

    def no_likelihood(self, config: Any) -> str | None:
        """Returns that images are gray, or None."""
        if config.data.binarization is not None:
            return None
        return (
            "a Bernoulli's is one of images that are black or white; set "
            "data.binarization, or autoencoder.likelihood=continuous_bernoulli"
        )

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the output's shape."""
        return _pixels(output, "sigmoid")

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | logits), [batch]; computed from the logits, so it is finite at any of them."""
        # Of the nearer of black and white, and what a gray pixel is off it: exact where the target is binary. In two
        # sums, because XLA computes the softplus twice for one of them (half as fast on a CPU).
        logit = output.astype(jnp.float32)
        wrong = jnp.where(target > 0.5, -logit, logit)
        return _sum_over_pixels(jax.nn.softplus(wrong)) - _sum_over_pixels(jnp.minimum(target, 1 - target) * wrong)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ContinuousBernoulli(BaseLikelihood):
    """A density on [0, 1] whose logit l the decoder emits: p(x) = e^(l x) l / (e^l − 1).

    Source: Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders", 2019; their normalising constant, written with the logit.
    """

    kind: Literal["continuous_bernoulli"] = "continuous_bernoulli"

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, 1 / (1 − e^−l) − 1 / l, of the output's shape."""
        logit = output.astype(jnp.float32)
        is_small = jnp.abs(logit) < _SMALL
        safe = jnp.where(is_small, 1.0, logit)
        exact = jnp.where(safe > 0, -1 / jnp.expm1(-jnp.abs(safe)), 1 + 1 / jnp.expm1(-jnp.abs(safe))) - 1 / safe
        return jnp.where(is_small, 0.5 + logit / 12 - logit**3 / 720, exact)

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | logits), [batch]; negative where the density is large."""
        logit = output.astype(jnp.float32)
        # log((e^l − 1) / l) = l / 2 + log(sinh(u) / u) with u = |l| / 2, even and smooth at 0.
        u = 0.5 * jnp.abs(logit)
        is_small = u < _SMALL
        safe = jnp.where(is_small, 1.0, u)
        log_ratio = safe + jnp.log1p(-jnp.exp(-2 * safe)) - jnp.log(2 * safe)
        # u²/6 − u⁴/180, from the logit itself: |l| has no derivative at 0.
        square = jnp.square(0.5 * logit)
        log_ratio = jnp.where(is_small, square / 6 - jnp.square(square) / 180, log_ratio)
        return _sum_over_pixels(0.5 * logit + log_ratio - logit * target)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Gaussian(BaseLikelihood):
    output: Output = "sigmoid"  # What maps the decoder's output to pixels.

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, [batch, height, width, channels]."""
        return _pixels(output if self.SCALE == "none" else output[..., :-1], self.output)

    def _loss(self, output: jax.Array, target: jax.Array, log_scale: jax.Array) -> jax.Array:
        """Returns −log p(target | output), [batch], for log σ of each image, [batch], or one for all, a scalar."""
        # Pixel by pixel there is the error alone: a step with σ among them took 1.4 times as long on a CPU.
        error = _sum_over_pixels(jnp.square(target - self.mean(output)))
        constant = log_scale + 0.5 * math.log(2 * math.pi)
        return 0.5 * jnp.exp(-2 * log_scale) * error + target[0].size * constant


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gaussian(_Gaussian):
    """Gaussian pixels of one fixed deviation: Σ (x − x̂)² / 2σ² + log σ + ½ log 2π."""

    kind: Literal["gaussian"] = "gaussian"
    scale: PositiveFloat = traced(0.1)  # σ, in the units of the images that the model sees.

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | output), [batch]."""
        return self._loss(output, target, jnp.log(jnp.asarray(self.scale, jnp.float32)))


@dataclasses.dataclass(frozen=True, kw_only=True)
class _SharedGaussian(_Gaussian):
    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | output), [batch]; the output's last channel is log σ."""
        return self._loss(output, target, output.reshape(output.shape[0], -1)[:, -1].astype(jnp.float32))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedGaussian(_SharedGaussian):
    """`Gaussian` with a σ that all pixels share and that is learned, as a parameter, by gradient descent."""

    SCALE = "parameter"

    kind: Literal["learned_gaussian"] = "learned_gaussian"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimalGaussian(_SharedGaussian):
    """`Gaussian` with the σ that is most likely: in training σ² is the batch's mean squared error.

    Outside training it is a moving average of these, so that a loss there is one model's.

    Source: Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", 2021 (optimal
    σ-VAE).
    """

    SCALE = "batch"

    kind: Literal["optimal_gaussian"] = "optimal_gaussian"

    def fit_scale(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns log σ, a scalar, for which `loss` is least on average over the batch; σ is at least 1e-3."""
        return 0.5 * jnp.log(jnp.maximum(jnp.mean(jnp.square(self.mean(output) - target)), 1e-6))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Laplace(BaseLikelihood):
    """Laplace pixels of one fixed scale b: Σ |x − x̂| / b + log 2b."""

    kind: Literal["laplace"] = "laplace"
    output: Output = "sigmoid"  # What maps the decoder's output to pixels.
    scale: PositiveFloat = traced(0.1)  # b, in the units of the images that the model sees.

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image, of the output's shape."""
        return _pixels(output, self.output)

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | output), [batch]."""
        scale = jnp.asarray(self.scale, jnp.float32)
        error = _sum_over_pixels(jnp.abs(target - self.mean(output)))
        return error / scale + target[0].size * jnp.log(2 * scale)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogisticMixture(BaseLikelihood):
    """A probability of each of the 256 levels of a pixel: a mixture of logistics, integrated over the level's bin.

    Channels of a pixel share the component; the mean of each channel is moved by a linear function of the channels
    before it. A level's bin is 2/255 wide on the scale of [−1, 1]; those of black and white have no other end.

    Source: Salimans, Karpathy, Chen and Kingma, "PixelCNN++: improving the PixelCNN with discretized logistic mixture
    likelihood and other modifications", 2017, equations 2 and 3.
    """

    DISCRETE = True

    kind: Literal["logistic_mixture"] = "logistic_mixture"
    num_components: PositiveInt = 5

    LOG_SCALES: ClassVar[tuple[float, float]] = (-7.0, 7.0)  # From far narrower than a bin to all but uniform.

    def misfits(self, dataset: Any) -> Iterator[str]:
        """Yields that pixels are not stored with 256 levels."""
        if dataset.train.image.dtype != np.uint8:
            yield (
                f"autoencoder.likelihood=logistic_mixture is of pixels with 256 levels, and those of {dataset.name} "
                f"are {dataset.train.image.dtype}; save them as uint8, or use another likelihood"
            )

    def outputs(self, channels: int) -> int:
        """Returns the numbers for each pixel: of each component a logit, means, scales, and coefficients."""
        return self.num_components * (1 + 2 * channels + channels * (channels - 1) // 2)

    def _split(self, output: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
        """Returns log weights [..., k], means and log scales [..., k, channels], coefficients [..., k, pairs]."""
        size = output.shape[-1] // self.num_components
        channels = next(c for c in range(1, size + 1) if 1 + 2 * c + c * (c - 1) // 2 == size)
        parts = output.astype(jnp.float32).reshape(*output.shape[:-1], self.num_components, size)
        weight, mean, log_scale, pairs = jnp.split(parts, [1, 1 + channels, 1 + 2 * channels], axis=-1)
        return (
            jax.nn.log_softmax(weight[..., 0], axis=-1),
            mean,
            jnp.clip(log_scale, *self.LOG_SCALES),
            jnp.tanh(pairs),
        )

    @staticmethod
    def _moved(mean: jax.Array, pairs: jax.Array, before: jax.Array) -> jax.Array:
        """Returns the means [..., k, channels] given the values of all channels, [..., k or 1, channels]."""
        moved, first = [], 0
        for channel in range(mean.shape[-1]):
            coefficients = pairs[..., first : first + channel]
            moved.append(mean[..., channel] + jnp.sum(coefficients * before[..., :channel], axis=-1))
            first += channel
        return jnp.stack(moved, axis=-1)

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the expected image before levels are rounded, [..., channels].

        What lies beyond black and white counts as these. A channel is moved by the expectations of those before it.
        """
        log_weight, mean, log_scale, pairs = self._split(output)
        value = self._expected(mean[..., :1], log_scale[..., :1])
        for channel in range(1, mean.shape[-1]):
            moved = self._moved(mean[..., : channel + 1], pairs, value)[..., channel:]
            value = jnp.concatenate([value, self._expected(moved, log_scale[..., channel : channel + 1])], axis=-1)
        return 0.5 * (jnp.sum(jnp.exp(log_weight)[..., None] * value, axis=-2) + 1)

    @staticmethod
    def _expected(mean: jax.Array, log_scale: jax.Array) -> jax.Array:
        """Returns E max(−1, min(x, 1)) of a logistic x: −1 and the integral over [−1, 1] of the chance to be above."""
        scale = jnp.exp(log_scale)
        return -1 + scale * (jax.nn.softplus((mean + 1) / scale) - jax.nn.softplus((mean - 1) / scale))

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns −log p(target | output), [batch]; targets are multiples of 1/255."""
        log_weight, mean, log_scale, pairs = self._split(output)
        half = 1 / (NUM_LEVELS - 1)  # Of a bin's width.
        value = (2 * target.astype(jnp.float32) - 1)[..., None, :]
        centered = value - self._moved(mean, pairs, value)
        upper, lower = ((centered + side) * jnp.exp(-log_scale) for side in (half, -half))
        # σ(u) − σ(l) = σ(u) σ(−l) (1 − e^(l − u)): all factors stay finite in logarithms however far out the bin is.
        width = 2 * half * jnp.exp(-log_scale)
        inside = jax.nn.log_sigmoid(upper) + jax.nn.log_sigmoid(-lower) + jnp.log(-jnp.expm1(-width))
        to_white = jnp.where(value >= 1 - half, jax.nn.log_sigmoid(-lower), inside)
        log_probability = jnp.where(value <= -1 + half, jax.nn.log_sigmoid(upper), to_white)
        mixed = jax.nn.logsumexp(log_weight + jnp.sum(log_probability, axis=-1), axis=-1)
        return -_sum_over_pixels(mixed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MsSsim(BaseLikelihood):
    """weight · (1 − MS-SSIM(y, ŷ)), how unlike two images look at several scales, from 0 to `weight`. No likelihood.

    `weight` is what two images cost that are not alike at all, in nats of the loss's other terms. Where another library
    has 1 − MS-SSIM + β · KL, set weight = 1/β.

    Source: see `aejax.objectives.similarity.multiscale_similarity`.
    """

    WHOLE = True

    kind: Literal["ms_ssim"] = "ms_ssim"
    weight: PositiveFloat = traced(100.0)  # Of 1 − MS-SSIM.

    def no_likelihood(self, config: Any) -> str | None:
        """Returns that it is a similarity."""
        del config
        return f"{self.kind} is a similarity of images and no probability; use autoencoder.likelihood=learned_gaussian"

    def misfits(self, dataset: Any) -> Iterator[str]:
        """Yields that images are too small to be compared window by window."""
        height, width = dataset.train.image.shape[1:3]
        if min(height, width) < SMALLEST_SIDE:
            yield (
                f"autoencoder.likelihood={self.kind} compares windows of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} "
                f"pixels, and images of {dataset.name} are {height} x {width}; use another likelihood"
            )

    def mean(self, output: jax.Array) -> jax.Array:
        """Returns the image that is compared, of the output's shape."""
        return _pixels(output, "sigmoid")

    def loss(self, output: jax.Array, target: jax.Array) -> jax.Array:
        """Returns weight · (1 − MS-SSIM(target, mean)), [batch]."""
        return self.weight * (1 - multiscale_similarity(target, self.mean(output)))


LIKELIHOODS: Registry[type[BaseLikelihood]] = Registry(
    "likelihood",
    (
        HalfSquaredError,
        MeanSquaredError,
        Bernoulli,
        ContinuousBernoulli,
        Gaussian,
        LearnedGaussian,
        OptimalGaussian,
        Laplace,
        LogisticMixture,
        MsSsim,
    ),
)
Likelihood = Annotated[BaseLikelihood, LIKELIHOODS]
