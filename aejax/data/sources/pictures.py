"""One picture, in any format that Pillow reads: its header, and its pixels in the form that all are brought to."""

import dataclasses
import functools
import os
from typing import IO, Any, Literal, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageFile, ImageOps

from aejax.errors import printable

File = str | IO[bytes]

BACKGROUND = 255  # White, as a page shows what is transparent.
# These are found by Pillow and not decoded, or by another program.
_LEFT_OUT = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
_DEEP = ("I", "F")  # What modes of more than 8 bits begin with.
_GRAY = {"1", "L", "LA", "La"}
_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}


class Unreadable(Exception):
    """A picture cannot be read; the message says why, to be read after its name."""


class Header(NamedTuple):
    """The header of a picture, as it is seen: turned as its EXIF data say."""

    height: int
    width: int
    color: bool
    deep: bool  # More than 8 bits for a pixel's gray.
    kinds: tuple[str, ...]  # Among those of `KINDS`.


# What so many pictures have, and what is done with them.
KINDS = {
    "deep": "with more than 8 bits: white is the largest number of these, or data.maximum",
    "palette": "with a palette: converted to its colors",
    "alpha": "with transparency: laid on white",
    "turned": "with an EXIF orientation: turned upright",
    "animated": "with several frames: the first one taken",
    "ink": "in inks (CMYK): converted to RGB",
}


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _LEFT_OUT)


@functools.cache
def _extensions() -> frozenset[str]:
    return frozenset(extension for extension, name in Image.registered_extensions().items() if name in _formats())


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture, by its extension."""
    return os.path.splitext(name)[1].lower() in _extensions()


def read_header(file: File) -> Header:
    """Returns the header of a picture.

    Raises:
      Unreadable: saying why.
    """
    return _reading(file, _header)


def _reading(file: File, function: Any) -> Any:
    """Returns the result of a function of an open image, where all that Pillow makes of any bytes is one error."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False  # TFDS sets it for the whole process; what is cut off would be gray.
    try:
        with Image.open(file, formats=_formats()) as image:
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or float("inf")):
                raise Image.DecompressionBombError
            return function(image)
    except (Unreadable, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise Unreadable(f"more than {Image.MAX_IMAGE_PIXELS} pixels, which may be a decompression bomb") from None
    except Image.UnidentifiedImageError:
        empty = isinstance(file, str) and os.path.getsize(file) == 0
        raise Unreadable("an empty file" if empty else "no picture, or a damaged one") from None
    except OSError as error:
        raise Unreadable(printable(error.strerror or str(error), 100)) from None
    except Exception as error:  # What the readers of some fifty formats make of any bytes is no list.
        raise Unreadable(printable(f"damaged: {error}", 100)) from None


def _header(image: Image.Image) -> Header:
    orientation, deep = _orientation(image), image.mode.startswith(_DEEP)
    swapped = orientation >= 5 and image.format != "TIFF"  # Whose size is that of the turned picture.
    is_kind = {
        "deep": deep,
        "palette": image.mode in ("P", "PA"),
        "alpha": _has_alpha(image),
        "turned": orientation != 1,
        "animated": getattr(image, "is_animated", False),
        "ink": image.mode == "CMYK",
    }
    height, width = (image.width, image.height) if swapped else (image.height, image.width)
    return Header(height, width, not deep and image.mode not in _GRAY, deep, tuple(k for k in KINDS if is_kind[k]))


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in _ALPHA or "transparency" in image.info


def _orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 is upright."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1  # Pillow would decode all of the file to look behind the pixels.
    value = image.getexif().get(ExifTags.Base.Orientation, 1)
    return value if value in range(1, 9) else 1


@dataclasses.dataclass(frozen=True)
class Form:
    """The form in which pictures are stored: the size, channels and type of their pixels, and how they get there.

    Gray is the luma of ITU-R 601. Transparent pictures are laid on white; of animated ones the first frame is taken.
    """

    height: int
    width: int
    channels: int  # 1 or 3.
    dtype: Literal["uint8", "float32"]  # Floats are in [0, 1].
    resize: Literal["crop", "pad", "stretch"]
    maximum: float | None  # See `SourceConfig`.

    def read(self, file: File) -> np.ndarray:
        """Returns the pixels of a picture, [height, width, channels].

        Raises:
          Unreadable: saying why.
        """
        pixels: np.ndarray = _reading(file, self._pixels)
        return pixels

    def _pixels(self, image: Image.Image) -> np.ndarray:
        orientation = 1 if image.format == "TIFF" else _orientation(image)  # Pillow turns those of TIFF itself.
        image.load()
        upright = image if orientation == 1 else ImageOps.exif_transpose(image)
        if upright.mode.startswith(_DEEP):
            pixels = np.asarray(self._resized(self._deep(upright)))[..., None]
            pixels = np.repeat(np.clip(pixels, 0, 1), self.channels, axis=2)
            return pixels if self.dtype == "float32" else np.rint(pixels * 255).astype(np.uint8)
        pixels = np.asarray(self._resized(self._shallow(upright)))
        pixels = pixels.reshape(self.height, self.width, self.channels)
        return pixels if self.dtype == "uint8" else pixels.astype(np.float32) / np.float32(255)

    def _deep(self, image: Image.Image) -> Image.Image:
        """Returns a picture of more than 8 bits as one of floats, white 1."""
        pixels = np.asarray(image)
        white = self.maximum or (1.0 if pixels.dtype.kind == "f" else 2.0**16 - 1)
        low, high = pixels.min(), pixels.max()
        if not 0 <= low <= high <= white:  # Nor is NaN.
            raise Unreadable(f"pixels from {low:.6g} to {high:.6g} where white is {white:.6g}; set data.maximum")
        return Image.fromarray((pixels / white).astype(np.float32))

    def _shallow(self, image: Image.Image) -> Image.Image:
        """Returns a picture of 8 bits as one of gray or RGB, white 255."""
        mode, own = ("L" if self.channels == 1 else "RGB"), image.mode
        if _has_alpha(image):
            image = image.convert("RGBA")
            page = Image.new("RGBA", image.size, (BACKGROUND, BACKGROUND, BACKGROUND, 255))
            image = Image.alpha_composite(page, image)
        if image.mode not in (mode, "RGB", "L"):
            image = image.convert("L" if image.mode == "1" else "RGB")
        image = image.convert(mode)
        if self.maximum is None or self.maximum >= 255 or own == "1":
            return image
        high = max(band[1] for band in np.atleast_2d(image.getextrema()))
        if high > self.maximum:
            raise Unreadable(f"pixels up to {high}, above data.maximum={self.maximum:.9g}")
        levels = np.rint(np.minimum(np.arange(256) * (255 / self.maximum), 255)).astype(np.uint8).tolist()
        return image.point(levels * self.channels)

    def _resized(self, image: Image.Image) -> Image.Image:
        size = (self.width, self.height)
        if image.size == size:
            return image
        if self.resize == "stretch":
            return image.resize(size, Image.Resampling.BILINEAR)
        if self.resize == "crop":
            return ImageOps.fit(image, size, Image.Resampling.BILINEAR)
        return ImageOps.pad(image, size, Image.Resampling.BILINEAR, color=0)
