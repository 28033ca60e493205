"""Fitted estimators in a directory of their own: JSON, arrays and models; reading them runs no code."""

import dataclasses
import os
import pathlib
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from aejax.autoencoders.family import Family
from aejax.config import to_tree
from aejax.errors import UserError
from aejax.experiment import Config, load_recorded
from aejax.store.directory import new_directory
from aejax.store.files import check_digest, read, read_npz, write_arrays, write_json
from aejax.trained.model import Trained

FACTS, ARRAYS = "estimator.json", "fitted.npz"
_CONFIG, _SHAPE = "config", "image_shape"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _SavedEstimator:
    """The content of estimator.json; `arrays` is the digest of the file beside it."""

    project: Literal["aejax"] = "aejax"
    format: Literal[1] = 1
    estimator: Annotated[str, Field(min_length=1)]  # The name of its class.
    parameters: dict[str, Any]
    config_is: Literal["plain", "family", "whole"]
    texts: tuple[str, ...]  # Which of the arrays are of Python's strings.
    models: tuple[str, ...]
    absent: tuple[str, ...]  # Which attributes are None.
    arrays: str


def save(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Saves a fitted estimator in a new directory.

    Raises:
      UserError: if there is something of that name, or a parameter is no plain value.
    """
    parameters = estimator.get_params(deep=False)
    config = parameters[_CONFIG]
    config_is: Any = "family" if isinstance(config, Family) else "whole" if isinstance(config, Config) else "plain"
    if config_is != "plain":
        parameters[_CONFIG] = to_tree(config)
    for name, value in parameters.items():
        if not _is_plain(value):
            raise UserError(f"{name}={value!r} cannot be saved; fit with a plain value there, such as a number")
    fitted = {name: value for name, value in vars(estimator).items() if name.endswith("_")}
    absent = tuple(name for name, value in fitted.items() if value is None)
    fitted = {name: value for name, value in fitted.items() if value is not None}
    models = {name: fitted.pop(name) for name in list(fitted) if isinstance(fitted[name], Trained)}
    arrays = {name: np.asarray(value) for name, value in fitted.items()}
    texts = tuple(name for name, value in arrays.items() if value.dtype == object)
    for name in texts:
        if not all(isinstance(value, str) for value in arrays[name].flat):
            raise UserError(f"{name} holds objects that are no texts, and cannot be saved; use numbers or texts")
        arrays[name] = arrays[name].astype(str)
    with new_directory(path) as folder:
        for name, model in models.items():
            model.save(folder / name)
        saved = _SavedEstimator(
            estimator=type(estimator).__name__,
            parameters=parameters,
            config_is=config_is,
            texts=texts,
            models=tuple(models),
            absent=absent,
            arrays=write_arrays(folder / ARRAYS, arrays),
        )
        write_json(folder / FACTS, dataclasses.asdict(saved))


def load(cls: type, path: str | os.PathLike[str]) -> Any:
    """Loads an estimator of a class that `save` saved.

    Raises:
      UserError: if there is none, if it is damaged, or of another class.
    """
    folder = pathlib.Path(path)
    if not (folder / FACTS).is_file():
        raise UserError(f"{folder} holds no saved estimator; name a directory that {cls.__name__}.save wrote")
    saved = read(_SavedEstimator, folder / FACTS)
    if saved.estimator != cls.__name__:
        raise UserError(f"{folder} holds an {saved.estimator}; load it by {saved.estimator}.load")
    check_digest(folder, ARRAYS, saved.arrays)
    parameters = dict(saved.parameters)
    if saved.config_is != "plain":
        tree = parameters[_CONFIG] if saved.config_is == "whole" else {"autoencoder": parameters[_CONFIG]}
        config = load_recorded(tree)
        parameters[_CONFIG] = config if saved.config_is == "whole" else config.autoencoder
    if parameters[_SHAPE] is not None:
        parameters[_SHAPE] = tuple(parameters[_SHAPE])
    estimator = cls(**parameters)
    for name, value in read_npz(folder / ARRAYS).items():
        # Numbers as they were, sizes of an image as a tuple.
        plain = value.item() if value.ndim == 0 else value.astype(object) if name in saved.texts else value
        setattr(estimator, name, tuple(value.tolist()) if name == "input_shape_" else plain)
    for name in saved.absent:
        setattr(estimator, name, None)
    for name in saved.models:
        setattr(estimator, name, Trained.load(folder / name))
    return estimator


def _is_plain(value: Any) -> bool:
    """Whether JSON gives a value back, but for tuples, which become lists."""
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(part) for name, part in value.items())
    return isinstance(value, bool | int | float | str | None)
