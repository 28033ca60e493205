"""Pixels as a file has them, and as they are stored here: uint8 of 256 levels, or float32 in [0, 1]."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from aejax.data.on_demand import change, range_of
from aejax.errors import DataError

MAX_CHANNELS = 4  # A second axis as short as this, before a last one that is longer, is one of channels.
ROUNDING = 1e-6  # How far floats may lie beyond black and white, relative to white: it is what float32 makes of 1.


def check_image(what: str, image: Any) -> Any:
    """Returns images as [N, height, width, channels], of the numbers that they came as.

    Raises:
      DataError: if they are of another shape, or no finite numbers.
    """
    if len(image.shape) == 3:
        image = image[..., None]
    if len(image.shape) != 4 or 0 in image.shape:
        hint = "; vectors [N, size] are called 'features'" if len(image.shape) == 2 else ""
        raise DataError(f"{what} has shape {image.shape}; it should be [N, H, W] or [N, H, W, C], and not empty{hint}")
    if image.shape[1] <= MAX_CHANNELS < image.shape[3]:
        raise DataError(
            f"{what} has shape {image.shape}, with channels first; they should come last: save it as "
            "image.transpose(0, 2, 3, 1)"
        )
    if image.dtype.kind not in "buif":
        raise DataError(f"{what} is {image.dtype}; it should be uint8, or floats in [0, 1]")
    low, high = range_of(image)  # Both NaN if any pixel is.
    if not (np.isfinite(low) and np.isfinite(high)):
        kind = "NaN" if np.isnan(low) else "infinite"
        raise DataError(f"{what} has pixels that are {kind}; remove or replace them")
    return image


def store(source: str, images: Mapping[str, Any], maximum: float | None, field: str) -> tuple[dict[str, Any], str]:
    """Returns images as they are stored here, and a few words on what they were.

    Black is 0. White is `maximum`, of floats 1 by default. Of integers it is by default 1 where only 0 and 1 occur, and
    else the largest number of 8 bits (of uint16: of 16), if more than half of it occurs. Integers become the nearest of
    256 levels, so uint8 up to 255 stays as it is; those of more than 256 levels, and floats, become float32.

    Args:
      source: where they come from, for messages.
      images: by name, as `check_image` returned them, all of one type, arrays or read when asked for. They
        share black and white.
      maximum: of the config.
      field: the path of that, for messages.

    Raises:
      DataError: if white is not certain, or pixels lie beyond it.
    """
    extremes = {name: tuple(map(_number, range_of(image))) for name, image in images.items()}
    lows, highs = ({name: ends[end] for name, ends in extremes.items()} for end in (0, 1))
    first, last = min(lows, key=lows.__getitem__), max(highs, key=highs.__getitem__)
    low, high, dtype = lows[first], highs[last], images[last].dtype
    ranges = f"ranges from {low:.9g} to {high:.9g}"
    floating = dtype.kind == "f"
    white = maximum or (1 if floating else _white_of_integers(dtype, int(high)))
    slack = ROUNDING * white if floating and white else 0
    if low < -slack:
        raise DataError(f"{source}: '{first}' {ranges}; no pixel should be negative: shift and scale them to [0, 1]")
    if white is None:
        raise DataError(f"{source}: '{last}' is {dtype} and {ranges}; {_question(int(high), field)}")
    if high > white + slack:
        if maximum is None:
            advice = f"; floats should be in [0, 1]: set {field}={_usual(high):.9g}, or save 0 to 255 as uint8"
        else:
            advice = f", above {field}={maximum:.9g}; that should be what is white there"
        raise DataError(f"{source}: '{last}' {ranges}{advice}")
    conversion = _Conversion(white, int(high), floating or white > 255, low < 0 or high > white)
    stored = {name: change(image, conversion) for name, image in images.items()}
    return stored, f"{dtype} from {low:.9g} to {high:.9g}, white is {white:.9g}"


@dataclasses.dataclass(frozen=True)
class _Conversion:
    """From the numbers of a file to stored images."""

    white: float
    high: int  # The largest number.
    to_floats: bool
    clips: bool

    def __call__(self, image: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Returns stored images of some images, whichever these are."""
        del rows
        if self.to_floats:
            unit = image if self.white == 1 else np.divide(image, self.white, dtype=np.float64)
            return (np.clip(unit, 0, 1) if self.clips else unit).astype(np.float32)
        if self.white == 255:
            return image.astype(np.uint8, copy=False)
        levels = np.rint(np.arange(self.high + 1) * (255 / self.white)).astype(np.uint8)
        return levels[image.astype(np.uint8)]


def to_bytes(image: np.ndarray) -> np.ndarray:
    """Returns images as uint8, to be looked at: floats in [0, 1] become the nearest of 256 levels, NaN black."""
    if image.dtype == np.uint8:
        return image
    return np.round(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)


def _number(value: np.generic) -> int | float:
    return float(value) if value.dtype.kind == "f" else int(value)


def _white_of_integers(dtype: np.dtype, high: int) -> int | None:
    """Returns which number is white where none is larger than `high`; None: it is not certain."""
    if high == 1:
        return 1
    full = 2**16 - 1 if dtype == np.uint16 else 255
    return full if high == 0 or full / 2 < high <= full else None


def _question(high: int, field: str) -> str:
    if high >= 2**16:
        return f"set {field} to what is white there"
    return f"set {field} to what is white there: {high}, or {255 if high < 256 else 2**16 - 1} if the images are dark"


def _usual(high: float) -> float:
    return 255.0 if 127 < high <= 255 else high
