"""The commands that ask a trained model about images, new ones among them: their scores, and their codes."""

import csv
import functools
import io
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from absl import flags

from aejax.cli.arguments import define_member, define_number, help_of, read_flags
from aejax.data.checked import TEST
from aejax.data.vectors import FEATURES
from aejax.errors import ConfigError, DataError
from aejax.methods.zoo import METHODS
from aejax.report.escape import csv_cell
from aejax.store.files import write_arrays, write_atomically

if TYPE_CHECKING:  # What these need takes long to import.
    from aejax.data.load import Dataset
    from aejax.data.sources.new_images import NewImages
    from aejax.trained.model import Trained

Say = Callable[[str], None]


def score(arguments: Sequence[str], say: Say = print) -> None:
    """Scores images: how strange each is to a trained model, and whether it is beyond a threshold, as CSV.

        aejax score runs/quickstart photos/                         # by the best autoencoder, to the terminal
        aejax score runs/quickstart photos/ --output=scores.csv --picture=strangest.png
        aejax score runs/quickstart new.npz --by=distance --quantile=0.99
        aejax score runs/quickstart                                 # the study's own test images
        aejax score model new.npz --threshold=0.02                  # a model that Trained.save saved

    The threshold is a quantile (--quantile) of the scores of the validation images, which are read from the data of the
    study. Images are a folder of pictures, one picture, an .npz file with `image`, or an .npy
    file; pictures are brought to the size of those that the model was trained on.
    """
    from aejax.trained import scores

    values = _define_flags()
    flags.DEFINE_enum(
        "by",
        None,
        scores.BY,
        "The score: the mean squared error of the reconstruction, the distance of the features from those of the "
        "training images, of a variational family a bound of −log p(x), or the model's own (deep_svdd's distance from "
        "its center; of others the error after preprocessing). Default: the error, or of a model that reconstructs "
        "nothing its own.",
        flag_values=values,
    )
    define_number(
        "quantile", scores.QUANTILE, "The share of validation images below the threshold.", at_least=0, values=values
    )
    define_number(
        "threshold", None, "The threshold itself; then no validation images are read.", at_least=-1e30, values=values
    )
    flags.DEFINE_string("output", None, "The CSV file to write; default: the terminal.", flag_values=values)
    flags.DEFINE_string(
        "picture", None, "A .png file to write: the strangest images, and their reconstructions.", flag_values=values
    )
    paths = _read_paths(values, arguments, score)
    if paths is None:
        return
    scores.check_quantile(values.quantile)
    _check_ending("--picture", values.picture, (".png",))
    # The lines of a table on the terminal go to a file or a pipe without those for its reader.
    tell = say if values.output else functools.partial(print, file=sys.stderr)
    asked = _ask(values, paths, tell)
    if values.picture:
        asked.trained.check_reconstructs()
    by = values.by or scores.default(asked.trained)
    known = asked.dataset().train.image if by == scores.DISTANCE else None
    score_of = scores.scorer(asked.trained, by, known)
    found, threshold = score_of(asked.images.image), values.threshold
    if threshold is None:
        threshold = scores.threshold(score_of(_validation_images(asked.dataset)), values.quantile)
    beyond = ~(found <= threshold)  # A score that is no number is beyond it.
    table = _to_csv(asked.images, found, beyond)
    if values.output:
        _write(values.output, table)
    else:
        say(table.rstrip("\n"))
    if values.picture:
        strangest = np.argsort(-np.nan_to_num(found, nan=np.inf), kind="stable")[:16]
        content = io.BytesIO()
        asked.trained.picture(asked.images.image[strangest]).save(content, "PNG")
        _write(values.picture, content.getvalue())
    share = "" if values.threshold is not None else f", below which {values.quantile:.4g} of the validation images lie"
    tell(f"{beyond.sum()} of {len(found)} images are beyond {threshold:.6g} by {by}{share}")
    if values.output:
        tell(f"{values.output}: a score for each image")
    if values.picture:
        tell(f"{values.picture}: the strangest images, and below them what the model makes of them")


def encode(arguments: Sequence[str], say: Say = print) -> None:
    """Writes the codes of images by a trained model: the features that a study's classifiers are given.

        aejax encode runs/quickstart photos/ --output=codes.npz
        aejax encode runs/quickstart new.npz --output=codes.parquet --layer=encoder/DenseStack_0
        aejax encode runs/quickstart --output=codes.npz             # the study's own test images
        aejax encode model new.npz --output=codes.npz               # a model that Trained.save saved
        aejax encode runs/quickstart --data_set --layer=latent --output=features.npz

    An .npz file gets `code` [n, size], `name` [n] and, where there are labels, `label` [n]; a Parquet file (which needs
    pyarrow) the columns name, label, code_0, code_1, ... With --data_set the .npz is a data set of vectors, for
    --set data.name=features.npz: `features` and `label` of the study's training and validation images, `test_features`
    and `test_label` of its test images. Images are a folder of pictures, one picture, an .npz file
    with `image`, or an .npy file; pictures are brought to the size of those that the model was trained on.
    """
    values = _define_flags()
    flags.DEFINE_string("output", None, "The file to write: .npz or .parquet.", flag_values=values)
    flags.DEFINE_string(
        "layer", None, "Instead of the code, the output of this layer of the encoder.", flag_values=values
    )
    flags.DEFINE_bool(
        "data_set", False, "Write what all images of the study become, as a data set to train on.", flag_values=values
    )
    paths = _read_paths(values, arguments, encode)
    if paths is None:
        return
    if values.data_set and len(paths) > 1:
        raise ConfigError(f"--data_set is of the data that the model was trained on; leave {paths[1]} out")
    if values.output is None:
        raise ConfigError("say where to write the codes: --output=codes.npz")
    _check_ending("--output", values.output, (".npz",) if values.data_set else (".npz", ".parquet"))
    if values.output.endswith(".parquet"):
        _require_pyarrow()
    from aejax.trained.blocks import in_blocks

    trained, images, dataset = _ask(values, paths, say)
    features = functools.partial(trained.features, layer=values.layer)
    make = lambda image: in_blocks(features, image, trained.autoencoder.task.at_once, "encoding")  # noqa: E731
    if values.data_set:
        _write_data_set(values.output, make, dataset(), say)
        return
    code = make(images.image)
    arrays = {"name": np.array(images.name)} | ({} if images.label is None else {"label": images.label})
    if values.output.endswith(".npz"):
        _make_folder(values.output)
        write_arrays(pathlib.Path(values.output), arrays | {"code": code}, compressed=True)
    else:
        _write(values.output, _to_parquet(arrays, code))
    say(f"{values.output}: codes of {len(code)} images, {code.shape[1]} numbers each")


def _write_data_set(output: str, make: Callable[[Any], np.ndarray], dataset: "Dataset", say: Say) -> None:
    arrays: dict[str, np.ndarray] = {}
    names = np.array([*dataset.classes.names, ""])  # The last of them is that of -1, no label.
    for prefix, parts in {"": ("train", "validation"), TEST: ("test",)}.items():
        splits = [dataset.splits[part] for part in parts if len(dataset.splits[part].image)]
        arrays[prefix + FEATURES] = np.concatenate([make(split.image) for split in splits])
        if dataset.num_classes is not None:
            arrays[f"{prefix}label"] = np.concatenate([names[split.label] for split in splits])
    _make_folder(output)
    write_arrays(pathlib.Path(output), arrays, compressed=True)
    (num, size), num_test = arrays[FEATURES].shape, len(arrays[TEST + FEATURES])
    say(f"{output}: a data set of vectors, {size} numbers each: {num} to train and validate on, {num_test} for tests")


class _Asked(NamedTuple):
    """What a command is about: a model, images, and what reads the data that it was trained on, once."""

    trained: "Trained"
    images: "NewImages"
    dataset: "Callable[[], Dataset]"


def _define_flags() -> flags.FlagValues:
    values = flags.FlagValues()
    define_member(values)
    flags.DEFINE_enum(
        "method", None, tuple(METHODS), "The method of the member; default: the autoencoder.", flag_values=values
    )
    return values


def _read_paths(
    values: flags.FlagValues, arguments: Sequence[str], command: Callable[..., int | None]
) -> list[str] | None:
    """Returns the path of the model and perhaps that of images; None after printing the help."""
    paths = read_flags(values, arguments, help_of(command))
    if paths is not None and not 1 <= len(paths) <= 2:
        raise ConfigError(f"name a study's directory, and perhaps images (got {len(paths)} paths), see --help")
    return paths


def _ask(values: flags.FlagValues, paths: Sequence[str], tell: Say) -> _Asked:
    from aejax.trained.new_images import own_test_images, read_images
    from aejax.trained.opening import open_model, read_data_of

    trained = open_model(paths[0], values.method, values.member, tell)
    dataset = functools.cache(lambda: read_data_of(trained, paths[0]))
    images = read_images(paths[1], trained) if len(paths) == 2 else own_test_images(dataset())
    for note in images.notes:
        tell(note)
    return _Asked(trained, images, dataset)


def _validation_images(read: "Callable[[], Dataset]") -> np.ndarray:
    try:
        dataset = read()
    except DataError as error:
        raise DataError(f"the threshold is of validation images, and {error}; or give --threshold=NUMBER") from None
    if not len(dataset.validation.image):
        raise DataError(f"{dataset.name} has no validation images (data.validation_size=0); give --threshold=NUMBER")
    return dataset.validation.image


def _to_csv(images: "NewImages", found: np.ndarray, beyond: np.ndarray) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "score", "beyond"])
    writer.writerows(
        (csv_cell(name), value, str(bool(strange)).lower())
        for name, value, strange in zip(images.name, found.astype(str), beyond, strict=True)
    )
    return text.getvalue()


def _to_parquet(arrays: dict[str, np.ndarray], code: np.ndarray) -> bytes:
    import pandas as pd

    frame = pd.DataFrame(arrays | {f"code_{index}": column for index, column in enumerate(code.T)})
    content: bytes = frame.to_parquet(engine="pyarrow", index=False)
    return content


def _require_pyarrow() -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ConfigError("a .parquet file needs pyarrow: pip install 'aejax[parquet]', or write an .npz") from None


def _check_ending(flag: str, path: str | None, endings: Sequence[str]) -> None:
    if path is not None and not path.endswith(tuple(endings)):
        raise ConfigError(f"{flag}={path}: its name should end in {' or '.join(endings)}")


def _make_folder(path: str) -> None:
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)


def _write(path: str, content: str | bytes) -> None:
    _make_folder(path)
    write_atomically(pathlib.Path(path), content)
