"""Image sets as people have them, small: python tests/data/image_sets.py DIRECTORY writes all of them as .npz files.

Each is 60 images of 8 x 8 pixels in three classes that are easily told apart, or what damage and habit make of them.
"""

import io
import pathlib
import struct
import sys
import zipfile
import zlib
from typing import Any, NamedTuple

import numpy as np

NUM = 60


def _images() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    label = np.arange(NUM) % 3
    prototypes = generator.integers(0, 2, (3, 8, 8)) * 200 + 20
    image = prototypes[label] + generator.integers(-20, 36, (NUM, 8, 8))
    return image.astype(np.uint8)[..., None], label


IMAGE, LABEL = _images()
MASK = (IMAGE > 127).astype(np.uint8)
SIXTEEN = np.round(IMAGE / 255 * 16).astype(np.uint8)
TEST = slice(0, 12)


class ImageSet(NamedTuple):
    """Arrays of a file, or its bytes, and what is to come of them.

    `stored` are the images that a model is given, `classes` the names of the classes; `refused` are words of the line
    that refuses them, `noted` of the one that is said of them. `config` is set beside the name.
    """

    arrays: dict[str, Any]
    stored: np.ndarray = IMAGE
    classes: tuple[str, ...] = ("0", "1", "2")
    refused: str | None = None
    noted: str | None = None
    config: dict[str, Any] = {}  # noqa: RUF012
    content: bytes | None = None


def _labels(label: Any, *classes: Any) -> ImageSet:
    return ImageSet({"image": IMAGE, "label": label}, classes=tuple(map(str, classes)))


def _pixels(image: np.ndarray, stored: np.ndarray = IMAGE, **config: Any) -> ImageSet:
    return ImageSet({"image": image, "label": LABEL}, stored=stored, config=config)


def _refused(words: str, **arrays: Any) -> ImageSet:
    return ImageSet({"image": IMAGE, "label": LABEL} | arrays, refused=words)


def _damaged(words: str, content: bytes) -> ImageSet:
    return ImageSet({}, refused=words, content=content)


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """Returns a zip file of members by their names."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as file:
        for name, member in members.items():
            file.writestr(name, member)
    return content.getvalue()


def npy(array: np.ndarray) -> bytes:
    """Returns an array as the bytes of an .npy file."""
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def header(shape: tuple[int, ...], dtype: str) -> bytes:
    """Returns the first bytes of an .npy file that holds an array of any size, and no array."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": dtype, "fortran_order": False, "shape": shape})
    return content.getvalue()


def _inflating() -> bytes:
    """Returns an archive whose directory and header agree on 95 GiB, of which a thousandth is there."""
    member = header((95 * 2**30 // 64, 8, 8), "|u1") + bytes(2**20)
    content = archive({"image.npy": member}, zipfile.ZIP_DEFLATED)
    place = content.rindex(b"PK\x01\x02") + 24
    return content[:place] + (2**32 - 2).to_bytes(4, "little") + content[place + 4 :]


def black(num: int) -> bytes:
    """Returns an archive that truly holds so many black images of 1 MiB, in a thousandth of the space."""
    first = header((num, 1024, 1024), "|u1")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    begin = deflate.compress(first) + deflate.flush(zlib.Z_FULL_FLUSH)
    image = deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH)  # It knows nothing of what was before.
    content, size = begin + image * num + deflate.flush(), len(first) + num * 2**20
    name, unknown = b"image.npy", 2**32 - 1  # What is not known here is in the extra field.
    extra = struct.pack("<HHQQ", 1, 16, size, len(content))
    checksum = zlib.crc32(first + bytes(num * 2**20)) if num < 100 else 0  # Nobody reads as far as that of more.
    sizes = struct.pack("<IIIHH", checksum, unknown, unknown, len(name), len(extra))
    local = b"PK\x03\x04" + struct.pack("<HHHHH", 45, 0, 8, 0, 0) + sizes + name + extra
    central = b"PK\x01\x02" + struct.pack("<HHHHHH", 45, 45, 0, 8, 0, 0) + sizes + bytes(14) + name + extra
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(content), 0)
    return local + content + central + b"PK\x05\x06" + end


def _encrypted() -> bytes:
    content = bytearray(archive({"image.npy": npy(IMAGE)}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.rindex(signature) + offset] |= 1
    return bytes(content)


def _twice() -> bytes:
    return archive({"image.npy": npy(IMAGE), "imagf.npy": npy(IMAGE)}).replace(b"imagf", b"image")


_LEVELS = np.rint(np.arange(17) * (255 / 16)).astype(np.uint8)
_ROUNDED = (IMAGE / IMAGE.max()).astype(np.float32) * np.float32(1.0000001)
_GAPS = np.array([1, 7, 10**6])
_ONE_ONLY = {"image": IMAGE[12:], "test_image": IMAGE[TEST]}

SETS = {
    # Item 13: what is white.
    "plain": _pixels(IMAGE),
    "without_channels": _pixels(IMAGE[..., 0]),
    "int64": _pixels(IMAGE.astype(np.int64)),
    "big_endian": _pixels(IMAGE.astype(">i4")),
    "masks": _pixels(MASK, MASK * np.uint8(255)),
    "masks_int64": _pixels(MASK.astype(np.int64), MASK * np.uint8(255)),
    "masks_bool": _pixels(MASK.astype(bool), MASK * np.uint8(255)),
    "masks_threshold": _pixels(MASK, MASK * np.uint8(255), binarization="threshold"),
    "black": _pixels(np.zeros_like(IMAGE), np.zeros_like(IMAGE)),
    "four_bits": _pixels(IMAGE // 16, IMAGE // 16 * np.uint8(17), maximum=15.0),
    "sixteen": _pixels(SIXTEEN, _LEVELS[SIXTEEN], maximum=16.0),
    "sixteen_threshold": _pixels(SIXTEEN, (SIXTEEN >= 8) * np.uint8(255), maximum=16.0, binarization="threshold"),
    "sixteen_floats": _pixels(SIXTEEN.astype(float), (SIXTEEN / 16).astype(np.float32), maximum=16.0),
    "dark": _pixels(IMAGE // 4, IMAGE // 4, maximum=255.0),
    "sixteen_bits": _pixels(IMAGE.astype(np.uint16) * 257, (IMAGE / 255).astype(np.float32)),
    "twelve_bits": _pixels(IMAGE.astype(np.uint16) * 16, (IMAGE * 16.0 / 4095).astype(np.float32), maximum=4095.0),
    "floats": _pixels((IMAGE / 255).astype(np.float32), (IMAGE / 255).astype(np.float32)),
    "floats_rounded": _pixels(_ROUNDED, np.minimum(_ROUNDED, 1)),
    "four_bits_unsaid": _refused("is uint8 and ranges from 0 to 15; set data.maximum", image=IMAGE // 16),
    "sixteen_unsaid": _refused("white there: 16, or 255 if the images are dark", image=SIXTEEN),
    "sixteen_floats_unsaid": _refused("set data.maximum=16", image=SIXTEEN.astype(float)),
    "dark_unsaid": _refused("63, or 255 if the images are dark", image=IMAGE // 4),
    "twelve_bits_unsaid": _refused("or 65535 if the images are dark", image=IMAGE.astype(np.uint16) * 16),
    "huge_integers": _refused("set data.maximum to what is white there", image=IMAGE.astype(np.int64) * 10**6),
    "beyond_maximum": _refused("ranges from 0 to 16, above data.maximum=15", image=SIXTEEN)._replace(
        config={"maximum": 15.0}
    ),
    "floats_beyond": _refused("ranges from 0 to 1.00001; floats", image=IMAGE / IMAGE.max() * 1.00001),
    "signed_floats": _refused("ranges from -1 to 1; no pixel should be negative", image=MASK * 2.0 - 1),
    "signed_integers": _refused("no pixel should be negative", image=IMAGE.astype(int) - 128),
    # Item 14: what the classes are.
    "no_labels": ImageSet({"image": IMAGE}, classes=()),
    "from_one": _labels(LABEL + 1, 1, 2, 3),
    "gaps": _labels(_GAPS[LABEL], *_GAPS),
    "largest": _labels(LABEL + 2**31 - 3, 2**31 - 3, 2**31 - 2, 2**31 - 1),
    "beyond_floats": _labels(LABEL.astype(np.uint64) + 2**63, 2**63, 2**63 + 1, 2**63 + 2),
    "named": _labels(np.array(["ant", "bee", "cat"])[LABEL], "ant", "bee", "cat"),
    "named_bytes": _labels(np.array([b"ant", b"bee", "öl".encode()])[LABEL], "ant", "bee", "öl"),
    "two_lines": _labels(np.array(["a\nb", "c\x1b[31m", "d"])[LABEL], r"a\nb", r"c\x1b[31m", "d"),
    "one_class": ImageSet(
        {"image": IMAGE, "label": LABEL * 0 + 4}, classes=(), noted="has labels of one class only, '4'"
    ),
    "test_only": ImageSet(
        _ONE_ONLY | {"label": LABEL[12:] % 2, "test_label": LABEL[TEST]}, noted="no train images are of class 2"
    ),
    "train_only": ImageSet(
        _ONE_ONLY | {"label": LABEL[12:], "test_label": LABEL[TEST] % 2}, noted="no test images are of class 2"
    ),
    "negative_labels": _refused("ranges from -2 to 0; it should hold integers or names", label=LABEL - 2),
    "float_labels": _refused("'label' is float64; it should hold integers or names", label=LABEL.astype(float)),
    "no_text": _refused("'label' holds names that are no text", label=np.array([b"\xff\xfe", b"b", b"c"])[LABEL]),
    "mixed_labels": _refused(
        "only one of 'label' and 'test_label' holds names", test_image=IMAGE, test_label=LABEL.astype(str)
    ),
    # Item 16: where the channels are.
    "channels_first": _refused(
        "save it as image.transpose(0, 2, 3, 1)", image=np.repeat(IMAGE, 3, 3).transpose(0, 3, 1, 2)
    ),
    "gray_first": _refused("with channels first", image=IMAGE.transpose(0, 3, 1, 2)),
    "colour": _pixels(np.repeat(IMAGE, 3, 3), np.repeat(IMAGE, 3, 3)),
    "three_by_three": _pixels(np.repeat(IMAGE[:, :3, :3], 3, 3), np.repeat(IMAGE[:, :3, :3], 3, 3)),
    # Items 7 and 21: what the file says of itself.
    "cut_short": _damaged(
        "'image' is damaged: it should take 3968 bytes, and 3868 are there", archive({"image.npy": npy(IMAGE)[:-100]})
    ),
    "longer": _damaged("'image' is damaged", archive({"image.npy": npy(IMAGE) + bytes(8)})),
    "claims_95_gib": _damaged(
        "'image' is damaged: it should take 102005473408 bytes, and 1152 are there",
        archive({"image.npy": header((95 * 2**30 // 64, 8, 8), "|u1") + bytes(1024)}),
    ),
    "inflates": _damaged("'image' is damaged: it should take 102005473408 bytes", _inflating()),
    "negative_shape": _damaged("'image' is damaged", archive({"image.npy": header((-4, -8), "|u1") + bytes(32)})),
    "objects": _damaged("'image' holds Python objects, not numbers", archive({"image.npy": npy(np.array([{}]))})),
    "twice": _damaged("two of its arrays have the same name", _twice()),
    "encrypted": _damaged("'image' is encrypted", _encrypted()),
    "lzma": _damaged("is compressed as numpy does not do it", archive({"image.npy": npy(IMAGE)}, zipfile.ZIP_LZMA)),
    "many": _damaged("it holds 1001 arrays", archive({f"{index}.npy": b"" for index in range(1001)})),
    "no_array": _damaged("it is damaged or no .npz file", archive({"image.png": b"PNG"})),
    "no_header": _damaged(
        "it is damaged or no .npz file", archive({"image.npy": b"\x93NUMPY\x01\x00\x10\x00{'descr': }"})
    ),
}


def write(name: str, directory: pathlib.Path) -> pathlib.Path:
    """Writes one of the sets, and returns the path of its file."""
    path, content = directory / f"{name}.npz", SETS[name].content
    if content is None:
        np.savez(path, **SETS[name].arrays)
    else:
        path.write_bytes(content)
    return path


if __name__ == "__main__":
    for each in SETS:
        print(write(each, pathlib.Path(sys.argv[1])))
