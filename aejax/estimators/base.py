"""What the estimators have in common: their parameters, the config made of these, training, and how they are kept."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from aejax.autoencoders.denoising import DenoisingConfig
from aejax.autoencoders.family import Family
from aejax.config import load, override, to_tree
from aejax.data.load import DataConfig
from aejax.errors import ConfigError, DataError, shortened
from aejax.estimators import keeping
from aejax.estimators.images import Scaling, check_shape, to_rows
from aejax.estimators.together import train_one
from aejax.evaluation.suite import EvaluationConfig, Representation
from aejax.experiment import Config, check
from aejax.networks.convolutional import Convolutional
from aejax.networks.dense import Dense
from aejax.samplers.zoo import GenerationConfig
from aejax.trained.model import Trained
from aejax.training.config import TrainingConfig

# The defaults of estimators, beside those of `aejax.Config`: chosen on digits as docs/tasks/scikit_learn.md says.
DEFAULT = DenoisingConfig(latent_size=16, encoder=Dense(widths=(512, 256)))
EPOCHS = 200

FIELDS = "fields__"  # Before the path of a field in `set_params`: fields__optimizer__learning_rate.


class TrainingRows(NamedTuple):
    """What an estimator trains: the config, and its rows as images [n, height, width, channels]."""

    config: Config
    image: np.ndarray
    target: Any = None  # [n], of an estimator that reads labels.


class AutoencoderEstimator(BaseEstimator):
    """The parameters of an estimator that trains an autoencoder, and how it trains one."""

    _READS_LABELS = False

    def __init__(
        self,
        config: Any = None,
        *,
        latent_size: int | None = None,
        epochs: int | None = None,
        batch_size: int | str | None = None,
        learning_rate: float | None = None,
        image_shape: tuple[int, ...] | None = None,
        fields: Mapping[str, Any] | None = None,
        random_state: Any = None,
    ):
        self.config = config
        self.latent_size = latent_size
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.image_shape = image_shape
        self.fields = fields
        self.random_state = random_state

    @property
    def curves_(self) -> Mapping[str, np.ndarray]:
        """The metrics of each epoch of training, [epochs], by name."""
        return self.model_.curves

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the parameters by name; the deep ones have each of `fields` too, as `set_params` takes it."""
        parameters = super().get_params(deep=deep)
        if deep and isinstance(self.fields, Mapping):
            parameters |= {FIELDS + str(path).replace(".", "__"): value for path, value in self.fields.items()}
        return parameters

    def set_params(self, **parameters: Any) -> "AutoencoderEstimator":
        """Sets parameters; `fields__optimizer__learning_rate=1e-3` adds to the `fields`, which `fit` checks."""
        super().set_params(**{name: value for name, value in parameters.items() if not name.startswith(FIELDS)})
        paths = {name: value for name, value in parameters.items() if name.startswith(FIELDS)}
        if paths:
            added = {name.removeprefix(FIELDS).replace("__", "."): value for name, value in paths.items()}
            self.fields = {**(self.fields or {}), **added}
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the fitted estimator in a directory, as JSON and arrays: reading these runs no code.

        Raises:
          UserError: if there is something of that name, or a parameter is no plain value.
        """
        check_is_fitted(self)
        keeping.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Loads an estimator that `save` saved.

        Raises:
          UserError: if there is none of this class, or it is damaged.
        """
        return keeping.load(cls, path)

    def _prepare(self, X: Any, y: Any = None) -> TrainingRows:
        """Checks rows or images to train on, and scales them; `y` is checked where the estimator reads labels."""
        rows, target = self._check(X, y, reset=True) if self._READS_LABELS else (self._check(X, reset=True), None)
        shape = self._own_image_shape(rows)
        scaling = Scaling.fit(rows, shape)
        self.data_min_, self.data_max_ = scaling.low, scaling.high
        config = self._make_config(scaling.image_shape, are_images=shape is not None)
        return TrainingRows(config, scaling.to_images(rows), target)

    def _train(self, prepared: TrainingRows) -> None:
        """Trains the autoencoder."""
        self._adopt(train_one(prepared.config, prepared.image), prepared)

    def _adopt(self, trained: Trained, prepared: TrainingRows) -> None:
        """Takes a trained autoencoder, and fits what goes with it; warns if it diverged."""
        del prepared
        self.model_ = trained
        curves = [trained.curves[name][-1:] for name in ("train_loss", "parameter_norm") if name in trained.curves]
        if not all(np.isfinite(last).all() for last in curves):
            warnings.warn(
                "training diverged; the model is at its last finite state: make learning_rate smaller",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _check(self, X: Any, *y: Any, reset: bool) -> Any:
        """Returns rows or images as rows [n, features] of finite numbers; where it is fitted, as those of training.

        If labels are given, even None, they are checked and returned too.
        """
        rows, shape = to_rows(X)
        checked = validate_data(self, rows, *y, reset=reset, dtype="numeric")
        rows = checked[0] if y else checked
        if reset:
            self.input_shape_ = (rows.shape[1],) if shape is None else shape
        elif shape is not None and len(self.input_shape_) > 1 and shape != self.input_shape_:
            raise DataError(f"images are {shape}; those that it was fitted to are {self.input_shape_}")
        return checked

    def _own_image_shape(self, rows: np.ndarray) -> tuple[int, ...] | None:
        """Returns (height, width, channels), from the parameter or from images that were given; None: flat rows."""
        if self.image_shape is not None:
            return check_shape(self.image_shape, rows.shape[1])
        return check_shape(self.input_shape_, rows.shape[1]) if len(self.input_shape_) > 1 else None

    @property
    def _scaling(self) -> Scaling:
        described = self.model_.trained_on
        return Scaling(described.image_shape, self.data_min_, self.data_max_, described.image_type == "uint8")

    def _images(self, X: Any) -> np.ndarray:
        """Returns rows or images, checked, as the model takes them."""
        check_is_fitted(self)
        return self._scaling.to_images(self._check(X, reset=False))

    def _map(self, function: Callable[[Representation, jax.Array], Any], image: np.ndarray) -> Any:
        return self.model_.map(function, image, check=False)

    def _make_config(self, image_shape: tuple[int, ...], *, are_images: bool) -> Config:
        """Returns the config of the parameters.

        Raises:
          ConfigError: naming the field that is wrong, or fields that do not go together.
        """
        given = {
            "autoencoder.latent_size": self.latent_size,
            "training.epochs": self.epochs,
            "training.batch_size": self.batch_size,
            "optimizer.learning_rate": self.learning_rate,
        }
        fields = self.fields or {}
        if not isinstance(fields, Mapping):
            raise ConfigError(f"fields should be a dict of values by path; got {shortened(repr(fields), 60)}")
        given = {path: value for path, value in given.items() if value is not None} | dict(fields)
        # A kind before what refines it.
        changes = {path: plain(given[path]) for path in sorted(given, key=lambda path: str(path).count("."))}
        base = _base(self.config, image_shape if are_images else None)
        config = override(base, changes)
        if not isinstance(self.config, Config) or self.random_state is not None:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
            config = dataclasses.replace(config, seed=seed)
        data = dataclasses.replace(config.data, name=DataConfig().name, test_size=0)
        # Nothing is measured.
        config = dataclasses.replace(
            config,
            data=data,
            evaluation=EvaluationConfig(measures=(), baselines=()),
            generation=GenerationConfig(),
        )
        check(config)
        for name, network in config.autoencoder.networks().items():
            misfit = network.misfit(image_shape)
            if misfit is not None:
                raise DataError(f"autoencoder.{name}={network.kind} does not fit: {misfit}")
        return config


def features(representation: Representation, stored: jax.Array) -> jax.Array:
    """The features of images, [block, size]."""
    return representation.encode(stored)


def feature_size(trained: Trained) -> int:
    """How many features an image has."""
    described = trained.trained_on
    stored = jax.ShapeDtypeStruct((1, *described.image_shape), jnp.dtype(described.image_type))
    return int(jax.eval_shape(trained.represent(trained.variables).encode, stored).shape[1])


def plain(value: Any) -> Any:
    """Returns a number of numpy, as grids of scikit-learn's have them, as one of Python's; parts as trees."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    return to_tree(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _base(config: Any, image_shape: tuple[int, ...] | None) -> Config:
    """Returns the config that the parameters refine.

    Args:
      config: a whole one; or a family, the kind of one, or None, and then with the defaults of estimators.
      image_shape: None: rows are no images.
    """
    if isinstance(config, Config):
        return load(Config, to_tree(config))
    if not isinstance(config, Family | str | None):
        got = shortened(repr(config), 60)
        raise ConfigError(f"config should be a family, its kind as text, or an aejax.Config; got {got}")
    training = TrainingConfig(epochs=EPOCHS)
    base = Config(autoencoder=DEFAULT, training=training, data=DataConfig(validation_size=0, test_size=0))
    if isinstance(config, Family):
        return load(Config, to_tree(dataclasses.replace(base, autoencoder=config)))
    base = base if config is None else override(base, {"autoencoder": config})
    encoder = base.autoencoder.encoder
    if image_shape is None or encoder not in (Dense(), DEFAULT.encoder):
        return base
    as_maps = dataclasses.replace(base.autoencoder, encoder=_convolutional(image_shape))
    fits = not any(as_maps.conflicts(base))
    return dataclasses.replace(base, autoencoder=as_maps) if fits else base


def _convolutional(image_shape: tuple[int, ...]) -> Convolutional:
    """Returns convolutions that halve height and width, where these can be halved twice; else as often as they can."""
    halved = next(num for num in (2, 1, 0) if all(side % 2**num == 0 for side in image_shape[:2]))
    return Convolutional(strides={2: (2,), 1: (2, 1), 0: (1,)}[halved])
