"""Original files: what they hold, in the order of TFDS, and fetched whole or not at all."""

import functools
import gzip
import hashlib
import http.server
import io
import json
import pathlib
import shutil
import struct
import tarfile
import threading

import numpy as np
import pytest

from aejax.__main__ import run
from aejax.data.load import DataConfig, load
from aejax.data.sources import published
from aejax.data.sources.originals import _order
from aejax.data.sources.published import PUBLISHED, Original, Published
from aejax.data.sources.zoo import find_source
from aejax.errors import ConfigError, DataError
from aejax.store.directory import StudyDirectory
from aejax.store.record import require_record
from tests.data.loading import gray, refusal

RESULTS = pathlib.Path(__file__).parent.parent.parent / "experiments" / "results"
SPLITS = {"train": ("train", ""), "t10k": ("test", "test_")}


def to_idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def arrays(num=40, num_test=10):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (num + num_test, 4, 3), np.uint8)
    labels = (np.arange(num + num_test) % 10).astype(np.uint8)
    return {"train": (images[:num], labels[:num]), "t10k": (images[num:], labels[num:])}


def write_idx(folder, data, *, name="{split}-{part}-idx{axes}-ubyte", packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    for split, parts in data.items():
        for part, array in zip(("images", "labels"), parts, strict=True):
            content = to_idx(array)
            path = folder / (name.format(split=split, part=part, axes=array.ndim) + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return str(folder)


@pytest.mark.parametrize("name", ["{split}-{part}-idx{axes}-ubyte", "{split}-{part}.idx{axes}-ubyte"])
@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_by_both_names_packed_or_not(tmp_path, name, packed):
    data = arrays()
    read = find_source(DataConfig(name=write_idx(tmp_path / "files", data, name=name, packed=packed))).read().arrays
    for short, (split, prefix) in SPLITS.items():
        image, label = data[short]
        order = _order(split, len(image))
        np.testing.assert_array_equal(read[f"{prefix}image"][..., 0], image[order])
        np.testing.assert_array_equal(read[f"{prefix}label"], label[order])
    assert list(read["class_names"]) == list("0123456789")


def test_the_order_is_that_in_which_tfds_prepares(tmp_path):
    """By TFDS itself, of a data set whose keys are numbers, as MNIST's are."""
    import tensorflow_datasets as tfds

    from tests.data.test_prepared import prepare

    data = arrays(300, 50)
    features = {
        "image": tfds.features.Tensor(shape=(4, 3, 1), dtype=np.uint8),
        "label": tfds.features.ClassLabel(num_classes=10),
    }
    examples = {
        split: [{"image": image[..., None], "label": label} for image, label in zip(*data[short], strict=True)]
        for short, (split, _) in SPLITS.items()
    }
    by_tfds = load(prepare(tmp_path, features, **examples))
    assert load(DataConfig(name=write_idx(tmp_path / "files", data))).fingerprint == by_tfds.fingerprint


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_binary_files_in_their_archive_and_out_of_it(tmp_path, name):
    generator = np.random.default_rng(0)
    image, label = generator.integers(0, 256, (60, 32, 32, 3), np.uint8), np.arange(60) % 10
    coarse = [label // 5] if name == "cifar100" else []
    names = b"\n".join([b"c%d" % index for index in range(10)])
    planes = image.transpose(0, 3, 1, 2).reshape(60, -1)
    rows = np.concatenate([np.stack([*coarse, label], 1), planes], 1).astype(np.uint8)
    if name == "cifar10":
        folder = "cifar-10-batches-bin"
        files = {f"data_batch_{index + 1}.bin": rows[10 * index : 10 * index + 10].tobytes() for index in range(5)}
        files |= {
            "test_batch.bin": rows[50:].tobytes(),
            "batches.meta.txt": b"\n".join([b"c%d" % i for i in range(10)]),
        }
    else:
        folder = "cifar-100-binary"
        files = {"train.bin": rows[:50].tobytes(), "test.bin": rows[50:].tobytes()}
        files |= {"fine_label_names.txt": names, "coarse_label_names.txt": b"fish\ntrees\n"}
    with tarfile.open(tmp_path / next(iter(PUBLISHED[name].files)), "w:gz") as archive:
        for file, content in files.items():
            info = tarfile.TarInfo(f"{folder}/{file}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    packed = load(DataConfig(name=f"{tmp_path}/"))
    assert packed.classes.names == tuple(f"c{index}" for index in range(10))
    np.testing.assert_array_equal(packed.test.image, image[50:][_order("test", 10)])
    np.testing.assert_array_equal(packed.test.label, label[50:][_order("test", 10)])
    unpacked = tmp_path / "unpacked" / folder
    unpacked.mkdir(parents=True)
    for file, content in files.items():
        (unpacked / file).write_bytes(content)
    for path in (unpacked, unpacked.parent):
        assert load(DataConfig(name=f"{path}/")).fingerprint == packed.fingerprint
    for path in (tmp_path, unpacked):
        other = DataConfig(name=f"{path}/", label="coarse_label")
        if not coarse:
            assert "coarse_label: " in refusal(load, other)
            assert "has no such labels (it has: label); name one of these" in refusal(load, other)
            continue
        superclasses = load(other)
        assert superclasses.classes.names == ("fish", "trees")
        np.testing.assert_array_equal(superclasses.test.label, packed.test.label // 5)
        np.testing.assert_array_equal(superclasses.test.image, packed.test.image)


def test_a_damaged_file_is_one_line(tmp_path):
    name = write_idx(tmp_path / "files", arrays())
    (tmp_path / "files" / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\x28" + bytes(39))
    assert "no IDX file of bytes, or 39 bytes for the shape (40,)" in refusal(load, DataConfig(name=name))
    (tmp_path / "files" / "train-labels-idx1-ubyte").unlink()
    assert "only one of 'label' and 'test_label' is there" in refusal(load, DataConfig(name=name))


# Fetched, through a server of this machine.


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, whole or from where it is asked to; `most` bytes of an answer at most."""

    most = None
    asked = ()

    def log_message(self, *_):
        pass

    def do_GET(self):
        content = pathlib.Path(self.translate_path(self.path))
        if not content.is_file():
            self.send_error(404)
            return
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        Server.asked += ((content.name, first),)
        body = content.read_bytes()[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.most])
        self.close_connection = True


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A small data set as its authors would publish it, on a server."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "data"))
    folder = tmp_path / "served"
    write_idx(folder, arrays(), packed=True)
    files = {
        file.name: Published(file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
        for file in sorted(folder.iterdir())
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Server, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    monkeypatch.setitem(published.PUBLISHED, "kmnist", Original(url, files, "3.0.1", tuple("abcdefghij")))
    monkeypatch.setattr(Server, "asked", ())
    yield folder
    server.shutdown()
    server.server_close()


def prepare_kmnist(*flags):
    run(["data", "prepare", "kmnist", *flags])


def test_fetched_data_are_found_by_their_name_and_fetched_once(served, tmp_path, capsys):
    message = refusal(load, DataConfig(name="kmnist"))
    assert "or prepare it: aejax data prepare kmnist, or by TFDS: pip install" in message
    prepare_kmnist()
    assert "complete; train on it with --set data.name=kmnist" in capsys.readouterr().out
    dataset = load(DataConfig(name="kmnist"))
    assert dataset.fingerprint == load(DataConfig(name=f"{served}/")).fingerprint
    assert dataset.classes.names == tuple("abcdefghij")
    assert load(DataConfig(name="kmnist:3.0.1")).fingerprint == dataset.fingerprint
    assert "kmnist:1.0.0 is not prepared" in refusal(load, DataConfig(name="kmnist:1.0.0"))
    assert len(Server.asked) == 4
    prepare_kmnist()
    assert len(Server.asked) == 4
    assert sorted(file.name for file in (tmp_path / "data" / "kmnist" / "original").iterdir()) == sorted(
        PUBLISHED["kmnist"].files
    )


def test_what_tfds_has_prepared_comes_before_the_original_files(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    from tests.data.test_prepared import prepare

    features = {"image": tfds.features.Tensor(shape=(3, 2, 1), dtype=np.uint8)}
    config = prepare(tmp_path, features, train=[{"image": image} for image in gray(30)])
    by_tfds = load(config).fingerprint
    folder = tmp_path / config.name / "original"
    write_idx(folder, arrays(), packed=True)
    files = {file.name: Published(1, "") for file in folder.iterdir()}
    monkeypatch.setitem(published.PUBLISHED, config.name, Original("", files, "1.0.0"))
    assert load(config).fingerprint == by_tfds
    shutil.rmtree(tmp_path / config.name / "1.0.0")
    assert load(config).fingerprint != by_tfds


def test_what_broke_off_goes_on_where_it_was(served, monkeypatch):
    monkeypatch.setattr(Server, "most", 100)
    with pytest.raises(DataError, match="run the same command again"):
        prepare_kmnist()
    monkeypatch.setattr(Server, "most", None)
    prepare_kmnist()
    assert Server.asked[:2] == (("t10k-images-idx3-ubyte.gz", 0), ("t10k-images-idx3-ubyte.gz", 100))
    load(DataConfig(name="kmnist"))


def test_another_file_than_the_published_one_is_not_kept(served, tmp_path):
    path = served / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    message = refusal(prepare_kmnist)
    assert f"{path.name} is not the published file: its SHA-256 is " in message
    assert list((tmp_path / "data" / "kmnist" / "original").iterdir()) == []
    path.write_bytes(path.read_bytes() + bytes(10**6))  # Nor does one without an end fill the disk.
    assert "is not the published file" in refusal(prepare_kmnist)


def test_a_server_that_has_no_such_file_or_is_not_there(served, tmp_path):
    assert "cannot be fetched (Not Found); run the same" in refusal(
        prepare_kmnist, f"--url={PUBLISHED['kmnist'].url}mirror"
    )
    assert "cannot be fetched ([Errno 111] Connection refused)" in refusal(prepare_kmnist, "--url=http://127.0.0.1:9/")
    assert "cannot be fetched" in refusal(prepare_kmnist, "--url=mirror")
    assert list((tmp_path / "data" / "kmnist" / "original").iterdir()) == []


def test_files_that_are_there_are_copied(served, tmp_path):
    prepare_kmnist(f"--from={served}", f"--directory={tmp_path / 'other'}")
    assert Server.asked == ()
    load(DataConfig(name="kmnist", directory=str(tmp_path / "other")))
    message = refusal(prepare_kmnist, f"--from={tmp_path}")
    assert "cannot be read: No such file or directory; a folder of unpacked files is named itself" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["prepare", "minst"], "did you mean mnist?"),
        (["prepare", "imagenet"], "others are prepared by TFDS"),
        (["prepare"], "name one data set: mnist, fashion_mnist"),
        (["prepare", "mnist", "--url=a", "--from=b"], "leave one of them out"),
        (["perpare"], "did you mean prepare?"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments, words):
    with pytest.raises(ConfigError, match=words.replace("?", r"\?")):
        run(["data", *arguments])


def test_help(capsys):
    run(["data"])
    run(["data", "prepare", "--help"])
    assert "aejax data prepare mnist" in capsys.readouterr().out


# The published studies' data, prepared where TFDS_DATA_DIR says.


def recorded(name):
    """The configs of a data set, and their fingerprints, in all published studies."""
    facts = {}
    for path in sorted(RESULTS.glob("*/study.json*")):
        record = require_record(StudyDirectory(path.parent))
        facts |= {key: value for key, value in record.data.items() if json.loads(key)["name"] == name}
    return facts


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "first_labels"),
    [
        pytest.param("mnist", [5, 0, 4, 1, 9, 2, 1, 3, 1, 4], marks=pytest.mark.slow),
        ("fashion_mnist", [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]),
    ],
)
def test_original_files_have_the_fingerprints_of_published_studies(tmp_path, monkeypatch, name, first_labels):
    """TFDS's images are brought back into their original order, which the well-known first labels confirm."""
    by_tfds = find_source(DataConfig(name=name)).read().arrays
    data = {}
    for short, (split, prefix) in SPLITS.items():
        own = [by_tfds[f"{prefix}image"][..., 0], by_tfds[f"{prefix}label"].astype(np.uint8)]
        places = np.argsort(_order(split, len(own[0])))
        data[short] = [array[places] for array in own]
    assert data["train"][1][:10].tolist() == first_labels
    folder = write_idx(tmp_path / "data" / name / "original", data)
    facts = recorded(name)
    assert len(facts) >= 3
    for key, fingerprint in facts.items():
        fields = json.loads(key)
        if "classes" in fields:
            continue  # A part of the others.
        assert load(DataConfig(**(fields | {"name": folder}))).fingerprint == fingerprint, key
