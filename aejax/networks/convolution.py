"""Convolution and its transpose as matrix products, and the backend's own behind the same modules.

XLA's gradient of a convolution is slow on CPUs, and over a population of kernels every convolution becomes a grouped
one, slow on all backends. A matrix product of image patches stays a (batched) matrix product instead.

Both directions share one correspondence: with stride s, a pixel s·q + a of the image (its *phase* is a) meets the
output position q + shift through a kernel's *tap*. So an image is split into its phases once; patches are phases,
shifted, side by side, and adding patches back is shifting and summing into phases. `split` and `concatenate` are each
other's transposes, so gradients of any order, forward and reverse, are made of the same few copies.
"""

import math
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from aejax.networks.layers import INITIALIZERS, Initializer, matrix_product

ConvolutionMethod = Literal["matmul", "native"]
Pair = tuple[int, int]  # One number for the height, one for the width.
Padding = Literal["SAME", "VALID"] | tuple[Pair, Pair]  # Explicit: (before, after) for the height and for the width.

# The faster one in the records of `aejax benchmark --suite=conv`. Where there is none yet, the one that stays a
# batched matrix product under vmap.
FASTEST: dict[str, ConvolutionMethod] = {"cpu": "matmul"}
_LAYOUT = ("NHWC", "HWIO", "NHWC")


def default_method(backend: str) -> ConvolutionMethod:
    """Returns how a convolution is computed on a backend unless a config says otherwise."""
    return FASTEST.get(backend, "matmul")


def convolve(x: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding, method: ConvolutionMethod) -> jax.Array:
    """Returns the cross-correlation of images with a kernel, as `lax.conv_general_dilated` does.

    Args:
      x: [batch, height, width, inputs].
      kernel: [kernel height, kernel width, inputs, outputs].
      strides: of the height and of the width.
      padding: zeros around the image; SAME gives ⌈size / stride⌉ positions.
      method: how to compute it.
    """
    taps = _height_width(kernel.shape)
    pads = _explicit_padding(_height_width(x.shape[1:]), taps, strides, padding)
    if method == "native":
        return lax.conv_general_dilated(x, kernel, strides, pads, dimension_numbers=_LAYOUT)
    return matrix_product(image_patches(x, taps, strides, pads), kernel.reshape(-1, kernel.shape[-1]))


def convolve_transpose(
    x: jax.Array, kernel: jax.Array, strides: Pair, padding: Padding, method: ConvolutionMethod
) -> jax.Array:
    """Returns the transpose of `convolve` with the same kernel, strides and padding, applied to its outputs.

    Args:
      x: [batch, height, width, inputs], what the convolution would put out.
      kernel: [kernel height, kernel width, outputs, inputs], as the convolution has it.
      strides: of the height and of the width.
      padding: of the convolution. SAME gives size · stride pixels; otherwise the smallest image that the convolution
        would read wholly.
      method: how to compute it.
    """
    taps, counts = _height_width(kernel.shape), _height_width(x.shape[1:])
    sizes = _transposed_sizes(counts, taps, strides, padding)
    pads = _explicit_padding(sizes, taps, strides, padding)
    if method == "native":
        rows, columns = (
            (tap - 1 - low, size - (count - 1) * stride - 1 + low)
            for tap, (low, _), size, count, stride in zip(taps, pads, sizes, counts, strides, strict=True)
        )
        return lax.conv_transpose(x, kernel, strides, (rows, columns), dimension_numbers=_LAYOUT, transpose_kernel=True)
    contributions = matrix_product(x, kernel.reshape(-1, kernel.shape[-1]).T)
    return _overlap_add(contributions, taps, strides, pads, sizes)


def _height_width(shape: tuple[int, ...]) -> Pair:
    return shape[0], shape[1]


def _explicit_padding(sizes: Pair, taps: Pair, strides: Pair, padding: Padding) -> tuple[Pair, Pair]:
    if not isinstance(padding, str):
        return padding
    if padding == "VALID":
        return ((0, 0), (0, 0))
    height, width = (
        max((-(-size // stride) - 1) * stride + tap - size, 0)
        for size, tap, stride in zip(sizes, taps, strides, strict=True)
    )
    return ((height // 2, height - height // 2), (width // 2, width - width // 2))


def _transposed_sizes(counts: Pair, taps: Pair, strides: Pair, padding: Padding) -> Pair:
    if padding == "SAME":
        return counts[0] * strides[0], counts[1] * strides[1]
    pads = _explicit_padding((0, 0), taps, strides, padding)
    height, width = (
        (count - 1) * stride + tap - sum(pad)
        for count, tap, stride, pad in zip(counts, taps, strides, pads, strict=True)
    )
    return height, width


def _meetings(taps: int, stride: int, low: int) -> list[list[Pair]]:
    """Returns for each phase the (tap, shift) through which its pixels meet output positions, along one axis."""
    return [
        [(tap, (phase + low - tap) // stride) for tap in range(taps) if (phase + low - tap) % stride == 0]
        for phase in range(stride)
    ]


def image_patches(x: jax.Array, taps: Pair, strides: Pair, pads: tuple[Pair, Pair]) -> jax.Array:
    """The patch of the image under each output position, [batch, rows, columns, taps · channels]."""
    batch, height, width, channels = x.shape
    rows, columns = (
        (size + sum(pad) - tap) // stride + 1
        for size, pad, tap, stride in zip((height, width), pads, taps, strides, strict=True)
    )
    blocks = -(-height // strides[0]), -(-width // strides[1])
    x = _shift(x, (0, 0), (blocks[0] * strides[0], blocks[1] * strides[1]))
    x = x.reshape(batch, blocks[0], strides[0], blocks[1], strides[1], channels)
    pieces: dict[Pair, jax.Array] = {}
    across = _meetings(taps[1], strides[1], pads[1][0])
    for row, down in zip(lax.split(x, [1] * strides[0], 2), _meetings(taps[0], strides[0], pads[0][0]), strict=True):
        for phase, sideways in zip(lax.split(row, [1] * strides[1], 4), across, strict=True):
            image = phase.reshape(batch, *blocks, channels)
            for i, shift_down in down:
                for j, shift_sideways in sideways:
                    pieces[i, j] = _shift(image, (shift_down, shift_sideways), (rows, columns))
    return jnp.concatenate([pieces[key] for key in sorted(pieces)], axis=-1)


def _overlap_add(x: jax.Array, taps: Pair, strides: Pair, pads: tuple[Pair, Pair], sizes: Pair) -> jax.Array:
    """Returns images [batch, *sizes, channels] to which patches were added: the transpose of `image_patches`."""
    batch, _, _, features = x.shape
    channels = features // math.prod(taps)
    pieces = lax.split(x, [channels] * math.prod(taps), 3)
    blocks = -(-sizes[0] // strides[0]), -(-sizes[1] // strides[1])
    empty = jnp.zeros((batch, *blocks, channels), x.dtype)
    across = _meetings(taps[1], strides[1], pads[1][0])
    rows = []
    for down in _meetings(taps[0], strides[0], pads[0][0]):
        phases = []
        for sideways in across:
            shifted = [
                _shift(pieces[i * taps[1] + j], (-shift_down, -shift_sideways), blocks)
                for i, shift_down in down
                for j, shift_sideways in sideways
            ]
            phases.append(sum(shifted[1:], start=shifted[0]) if shifted else empty)
        rows.append(jnp.stack(phases, axis=3))
    image = jnp.stack(rows, axis=2).reshape(batch, blocks[0] * strides[0], blocks[1] * strides[1], channels)
    return image[:, : sizes[0], : sizes[1]]


def _shift(x: jax.Array, shift: Pair, sizes: Pair) -> jax.Array:
    """Returns images moved down and to the right, cut or filled with zeros to [batch, *sizes, channels]."""
    rows, columns = ((by, size - old - by, 0) for by, size, old in zip(shift, sizes, x.shape[1:3], strict=True))
    return lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), rows, columns, (0, 0, 0)))


class Conv(nn.Module):
    """A convolution, or the transpose of one: [batch, h, w, inputs] -> [batch, h', w', features].

    The kernel of a transposed convolution has the shape of the kernel that it mirrors: features, then inputs.
    """

    features: int
    kernel_size: int
    stride: int
    initializer: Initializer
    transpose: bool = False
    padding: Padding = "SAME"
    method: ConvolutionMethod | None = None  # None: the faster one on this backend.
    bias: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the output, computed in the parameters' type."""
        channels, init = (x.shape[-1], self.features), INITIALIZERS[self.initializer]()
        if self.transpose:
            channels, init = channels[::-1], INITIALIZERS[self.initializer](in_axis=-1, out_axis=-2)
        kernel = self.param("kernel", init, (self.kernel_size, self.kernel_size, *channels))
        bias = self.param("bias", nn.initializers.zeros, (self.features,)) if self.bias else None
        method = self.method or default_method(jax.default_backend())
        function = convolve_transpose if self.transpose else convolve
        output = function(x.astype(kernel.dtype), kernel, (self.stride, self.stride), self.padding, method)
        return output if bias is None else output + bias[None, None, None]
