"""Any .npz file is a data set, or one line: arrays of any type and shape, damaged in any way."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aejax.data.load import DataConfig, Dataset, load
from aejax.data.summary import summarize
from aejax.errors import DataError
from tests.data.image_sets import header

DTYPES = ("|u1", "|b1", "|i1", "<u2", ">u2", "<i2", "<i4", ">i8", "<u8", "<f2", "<f4", ">f8", "<f8", "<c8")
TEXTS = ("|S3", "<U2", ">U1", "|S0", "<U0", "|V2", "<M8[s]", "|O")
NAMES = ("image", "label", "factor", "test_image", "test_label", "test_factor")
LEVELS = st.sampled_from([1, 2, 3, 16, 17, 128, 256, 2**16, 2**31])


rarely = st.integers(0, 9).map(lambda number: number == 9)


@st.composite
def members(draw):
    """Returns arrays as the bytes of .npy files: mostly images and labels that go together, sometimes anything."""
    count, levels = draw(st.integers(3, 12)), draw(LEVELS)
    shape = draw(st.sampled_from([(3, 2), (4, 4, 1), (3, 3, 3), (2, 5, 3), (5, 5, 7)]))
    dtype, label = draw(st.sampled_from(DTYPES)), draw(st.sampled_from((*DTYPES[:9], *TEXTS[:5])))
    has_label, has_factor, has_test = (draw(st.booleans()) for _ in range(3))
    parts = {"image": (shape, dtype), "label": ((), label), "factor": ((2,), draw(st.sampled_from(DTYPES[:9])))}
    names = ["image", *["label"] * has_label, *["factor"] * has_factor]
    names += [f"test_{name}" for name in names] * has_test
    if draw(rarely):
        names = draw(st.lists(st.sampled_from([*NAMES, "more"]), max_size=5))
    found = {}
    for name in names:
        own, kind = parts.get(name.removeprefix("test_"), ((), "<f4"))
        own = (count + draw(rarely), *own)
        if draw(rarely):
            own, kind = tuple(draw(st.lists(st.integers(0, 7), max_size=5))), draw(st.sampled_from(DTYPES + TEXTS))
        found[f"{name}.npy"] = header(own, kind) + draw(_content(own, np.dtype(kind), levels))
    return found


@st.composite
def _content(draw, shape, dtype, levels):
    size = int(np.prod(shape)) * dtype.itemsize
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if dtype.kind not in "buif" or draw(rarely):
        return generator.bytes(size)
    values = generator.integers(0, levels, shape)
    with np.errstate(all="ignore"):
        return (values / max(1, levels - 1) if dtype.kind == "f" else values).astype(dtype).tobytes()


@st.composite
def files(draw):
    """Returns the bytes of an .npz file, in one case of two damaged: in an array, or anywhere."""
    content, damaged = io.BytesIO(), draw(st.integers(0, 3))
    with zipfile.ZipFile(content, "w", draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))) as file:
        for name, member in draw(members()).items():
            if damaged == 1 and draw(st.booleans()):
                cut = draw(st.sampled_from([0, 0, 1, 60]))
                member = _flip(draw, member[: max(0, len(member) - cut)], draw(st.integers(0, 3)), 128)
            file.writestr(name, member)
    whole = content.getvalue()
    if damaged != 2:
        return whole
    whole = _flip(draw, whole, draw(st.integers(1, 6)), len(whole))
    return whole[: draw(st.integers(0, len(whole)))] if draw(st.integers(0, 3)) == 0 else whole


def _flip(draw, content, num, among):
    """Returns bytes of which some bits among the first are others."""
    flipped = bytearray(content)
    for _ in range(num if content else 0):
        flipped[draw(st.integers(0, min(among, len(content)) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(flipped)


CONFIGS = st.builds(
    dict,
    maximum=st.sampled_from([None, None, 16.0, 255.0, 65535.0, 2.0**31, 1e-30, 1e30]),
    classes=st.sampled_from([None, None, None, None, (0, 1), ("a", 7)]),
    binarization=st.sampled_from([None, None, "threshold", "dynamic"]),
    validation_size=st.sampled_from([None, 0, 1]),
)


def check_valid(dataset: Dataset) -> None:
    parts = dataset.splits.values()
    for part in parts:
        assert part.image.ndim == 4
        assert part.image.dtype in (np.uint8, np.float32)
        if part.image.dtype == np.float32:
            assert np.all((part.image >= 0) & (part.image <= 1))
        for values in (part.label, part.factor):
            assert values is None or (values.dtype == np.int32 and len(values) == len(part.image))
    if dataset.num_classes is not None:
        found = np.unique(np.concatenate([part.label for part in parts]))
        assert found.tolist() == list(range(dataset.num_classes))
        assert len(dataset.classes.names) == dataset.num_classes
    else:
        assert all(part.label is None for part in parts)
    assert all(line.isprintable() for line in summarize(dataset))


def load_or_refuse(directory, content, config):
    """Returns whether a file was loaded."""
    path = directory / "any.npz"
    path.write_bytes(content)
    try:
        dataset, refusal = load(DataConfig(name=str(path), **config)), None
    except DataError as error:
        dataset, refusal = None, str(error)
    if dataset is None:
        assert str(path) in refusal
        assert refusal.isprintable()
        return False
    check_valid(dataset)
    return True


def fuzz(directory, num):
    loaded = []

    @settings(max_examples=num, deadline=None, derandomize=True, database=None, suppress_health_check=HealthCheck)
    @given(files(), CONFIGS)
    def any_file(content, config):
        loaded.append(load_or_refuse(directory, content, config))

    any_file()
    assert len(loaded) >= num
    assert 0.1 < np.mean(loaded) < 0.9  # Neither side is tried by nothing.


def test_300_files(tmp_path):
    fuzz(tmp_path, 300)


@pytest.mark.slow
def test_10_000_files(tmp_path):
    fuzz(tmp_path, 10_000)
