"""A trained model: what it makes of images and codes, and how it is kept in a directory of its own."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from aejax.config import combine, config_id, partition, to_tree
from aejax.data import preprocessing
from aejax.data.description import DataDescription
from aejax.data.preprocessing import Array, Preprocessing
from aejax.data.resident import ResidentData, map_examples
from aejax.errors import ConfigError, DataError, UserError
from aejax.evaluation.classifier import AUTOENCODER
from aejax.evaluation.suite import Representation
from aejax.experiment import Config, check_layers, load_recorded
from aejax.methods.roles import Role
from aejax.methods.zoo import SUBJECT
from aejax.objectives.posteriors import Posterior
from aejax.samplers.drawing import sampling_key, to_stored
from aejax.samplers.generator import IMAGES_AT_ONCE, make_generator
from aejax.samplers.prior import Prior
from aejax.store.directory import new_directory
from aejax.store.files import Damaged, check_digest, read, read_npz, write_arrays, write_json
from aejax.trained import programs, showing
from aejax.trained import scores as scoring
from aejax.trained.abilities import Abilities
from aejax.trained.images import check_images
from aejax.trained.saved import ARRAYS, FACTS, SavedModel, is_saved
from aejax.training.step import Task, init_variables

if TYPE_CHECKING:
    from PIL import Image

_MOST_PROGRAMS = 64
_LEAST_ROOM = 32  # Rows that a program has room for.
_PROGRAMS: dict[Any, Callable[..., Any]] = {}  # Of functions that many models are asked for.
_NO_IMAGES = {"train": 0, "validation": 0, "test": 0}


@dataclasses.dataclass(frozen=True, eq=False)
class Trained(Abilities):
    """A trained model, with the fitted preprocessing that stands between images and it.

    Images go in as [n, height, width, channels] in the form in which those are stored that it was trained on, uint8 or
    floats in [0, 1] (one channel may be left out), and come out as float32 on the scale of [0, 1], neither cut nor
    rounded; `to_stored` does that. All results are numpy arrays.
    """

    method: str  # Of a study: "autoencoder", "generator", ...
    config: Config
    trained_on: DataDescription
    preprocessing: Preprocessing
    variables: Any  # Of the Flax module.
    curves: Mapping[str, np.ndarray]  # The metrics of each epoch, [epochs].
    study: pathlib.Path | None = None  # The directory of the study that it was opened from.
    _programs: dict[Any, Callable[..., Any]] = dataclasses.field(default_factory=dict, init=False, repr=False)

    @property
    def id(self) -> str:
        """The id that a study knows it by."""
        return config_id(self.config)

    def make_task(self, config: Config) -> Task:
        """Makes the task of a member of its method on the same data, from the member's config."""
        task = self._method.task(config, self.trained_on.image_shape, self.trained_on.num_classes)
        assert task is not None, "what is trained has a task"
        return task

    @functools.cached_property
    def task(self) -> Task:
        """What was trained, and how."""
        return self.make_task(self.config)

    @property
    def model(self) -> Any:
        """The Flax module."""
        return self.task.model

    def encode(self, images: Any) -> np.ndarray:
        """The latents of images, float32 [n, latent size]; of a posterior, its means."""
        return self.autoencoder._of_images(programs.encode, images)

    def decode(self, latents: Any, labels: Any = None) -> np.ndarray:
        """The expected images of latents, [n, latent size]; of a conditional family with labels, int [n], or -1."""
        self.check_decoder()
        values = jnp.asarray(latents)
        if values.ndim != 2 or values.shape[1] != self.latent_size or not len(values):
            raise DataError(f"latents have the shape {values.shape}; they should have (n, {self.latent_size})")
        given = self._labels(labels, len(values), needed=self.config.autoencoder.condition is not None)
        return self.autoencoder._map(programs.decode, (values, *given))

    def reconstruct(self, images: Any, labels: Any = None) -> np.ndarray:
        """The images as the model gives them back; of a conditional family with their labels, int [n], or -1."""
        self.check_reconstructs()
        stored = jnp.asarray(self.check_images(images))
        given = self._labels(labels, len(stored), needed=self.config.autoencoder.needs_label)
        return self.autoencoder._map(programs.reconstruct, (stored, *given))

    def posterior(self, images: Any) -> Posterior:
        """The mean and the log variance of q(z|x) of each image, float32 [n, latent size] each.

        Raises:
          UserError: if it has no posterior, or one that is no Gaussian.
        """
        self.check_posterior()
        is_gaussian = self.config.autoencoder.has_gaussian_posterior
        self._require(is_gaussian, "has a posterior that is no Gaussian, so it has no variance by units; use encode")
        return Posterior(*self.autoencoder._of_images(programs.posterior, images))

    def clusters(self, images: Any) -> np.ndarray:
        """The cluster to which each image belongs most, int32 [n], of a family with clusters of its own.

        Raises:
          UserError: if it has none.
        """
        self.check_clusters()
        return self.autoencoder._of_images(programs.clusters, images)

    def features(self, images: Any, layer: str | None = None) -> np.ndarray:
        """What a study's classifiers are given of images, float32 [n, size].

        Args:
          images: see the class.
          layer: of the encoder, by its name; None: the model's features, mostly the latents.

        Raises:
          DataError: if there is no such layer, naming all that there are.
        """
        if layer is None:
            return self.autoencoder._of_images(programs.features, images)
        check_layers(self.config, [layer], self.trained_on.image_shape)
        return self.autoencoder._of_images(programs.layer, images, layer)

    def scores(self, images: Any, by: str | None = None, *, known: Any = None) -> np.ndarray:
        """How strange images are, float32 [n]: the higher, the less like those that it was trained on.

        Args:
          images: see the class.
          by: "error", the mean squared error of the reconstruction, on the scale of pixels in [0, 1]; "distance", the
            squared Mahalanobis distance of the features from those of known images; "nll", in nats a bound on −log p(x)
            by importance weights, of a variational family, with as many draws as `evaluation.likelihood` says; "own",
            the family's own, such as the distance from the center of deep_svdd, or else the squared error on images as
            the network sees them, after preprocessing. None: "error", or of a family without reconstructions "own".
          known: images whose features "distance" is taken from, mostly the training images; the others read none.

        Raises:
          ConfigError: if there is no such score, or none of such a model.
        """
        return scoring.scorer(self, by, known)(images)

    def threshold(
        self, images: Any, quantile: float = scoring.QUANTILE, by: str | None = None, *, known: Any = None
    ) -> float:
        """The score below which a share of images lies, mostly validation images: what is above it is strange.

        The arguments are those of `scores`.
        """
        return scoring.threshold(self.scores(images, by, known=known), quantile)

    def sample(self, num: int, *, seed: int = 0, label: int | None = None) -> np.ndarray:
        """Draws images: by the sampler of a generator, or of a variational family from its prior.

        The first of them are the same however many are asked for. Of a conditional family they are of the class
        `label`, counted from 0; None: of all classes, drawn alike.
        """
        return np.concatenate(list(self.sample_blocks(num, seed=seed, label=label)))

    def sample_blocks(self, num: int, *, seed: int = 0, label: int | None = None) -> Iterator[np.ndarray]:
        """Yields what `sample` returns, a block at a time."""
        if num < 1:
            raise DataError(f"{num} images cannot be drawn; ask for at least one")
        given = self._labels(None if label is None else [label], 1, needed=False)
        (generator, variables), key, draw = self.generator, sampling_key(seed, "own"), programs.draw
        if draw not in self._programs:
            self._programs[draw] = jax.jit(functools.partial(draw, self, generator))
        for first in range(0, num, IMAGES_AT_ONCE):
            block = self._programs[draw](variables, key, first // IMAGES_AT_ONCE, *(of_all[0] for of_all in given))
            yield np.asarray(block)[: num - first]

    def to_stored(self, images: Array) -> np.ndarray:
        """Images that the model made, in the form in which those are stored that it was trained on; NaN is black."""
        return np.asarray(to_stored(self.outline, jnp.asarray(images)))

    def map(self, function: Callable[..., Any], images: Any, *constants: Any, check: bool = True) -> Any:
        """Applies a function of the model's representation, stored images and constants to all images, in blocks.

        Without the `check` float images may leave [0, 1].
        """
        stored = self.check_images(images) if check else images
        return self.autoencoder._map(programs.represented, (jnp.asarray(stored),), function, *constants)

    def represent(self, variables: Any) -> Representation:
        """What the model offers for evaluation, with its own variables or others of their shapes."""
        return self._method.represent(self.task, variables, self.config, self.outline)

    @functools.cached_property
    def outline(self) -> ResidentData:
        """The data that it was trained on, without images."""
        return self.trained_on.outline(self.preprocessing)

    @functools.cached_property
    def latent_size(self) -> int:
        """How many numbers a latent has."""
        own, image = self.autoencoder, jax.ShapeDtypeStruct((1, *self.trained_on.image_shape), jnp.float32)
        return int(jax.eval_shape(functools.partial(programs.encode, own), own.variables, image).shape[1])

    def picture(self, images: Any) -> "Image.Image":
        """Draws images in a row, at most 16, and below each what the model makes of it: a Pillow image.

        vae.picture(images).save("reconstructions.png")
        """
        return showing.draw(self, images)

    def __repr__(self) -> str:
        return f"<aejax.Trained: {showing.to_line(self)}>"

    def _repr_html_(self) -> str:
        return showing.to_html(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Saves the model in a directory, which can be carried elsewhere and needs no data set.

        Raises:
          UserError: if there is something of that name.
          OSError: if it cannot be written; then nothing of it is left.
        """
        with new_directory(path) as folder:
            digest = write_arrays(folder / ARRAYS, self.arrays(curves=True))
            saved = SavedModel(method=self.method, config=to_tree(self.config), data=self.trained_on, arrays=digest)
            write_json(folder / FACTS, dataclasses.asdict(saved))

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Trained":
        """Loads a model that `save` saved.

        Raises:
          UserError: if there is none, if it is damaged, or of a version that this one cannot read.
          OSError: if it cannot be read now.
        """
        folder = pathlib.Path(path)
        if not is_saved(folder):
            raise UserError(f"{folder} holds no saved model; name a directory that Trained.save wrote")
        try:
            saved = read(SavedModel, folder / FACTS)
        except FileNotFoundError:
            raise Damaged(folder, f"{FACTS} is missing") from None
        check_digest(folder, ARRAYS, saved.arrays)
        return Trained._of_saved(saved.method, saved.config, saved.data, read_npz(folder / ARRAYS), os.fspath(folder))

    def __reduce__(self) -> tuple[Callable[..., "Trained"], tuple[Any, ...]]:
        """Pickles it as what `save` writes: plain values and arrays, without functions or compiled programs."""
        return Trained._of_saved, (
            self.method,
            to_tree(self.config),
            self.trained_on,
            self.arrays(curves=True),
            "the pickle",
        )

    def arrays(self, *, curves: bool = False) -> dict[str, np.ndarray]:
        """Its arrays by their paths, in host memory: variables, preprocessing, and perhaps the curves."""
        parts = {"variables": self.variables, "preprocessing": preprocessing.to_arrays(self.preprocessing)}
        parts |= {"curves": dict(self.curves)} if curves else {}
        return flax.traverse_util.flatten_dict(jax.device_get(parts), sep="/")

    def export(self, path: str | os.PathLike[str], *, onnx: bool = False) -> None:
        """Exports the model to a directory, to be used without aejax: StableHLO, weights, metrics and a model card.

        Args:
          path: of the directory, which is made.
          onnx: whether encoder and decoder are written as ONNX too, by jax2onnx (`pip install 'aejax[onnx]'`).

        Raises:
          UserError: if there is something of that name, if jax2onnx is not installed, or if the model cannot be
            exported; then nothing is left.
          OSError: if it cannot be written; likewise.
        """
        from aejax.trained.export.directory import write_export  # Using a model needs nothing of a report.

        write_export(self, pathlib.Path(path), onnx=onnx)

    @staticmethod
    def _of_saved(
        method: str, config: dict[str, Any], data: DataDescription, arrays: dict[str, np.ndarray], source: str
    ) -> "Trained":
        """Makes it of what was saved, in the place that `source` names."""
        parts: Any = {"variables": {}, "preprocessing": {}, "curves": {}}
        parts |= flax.traverse_util.unflatten_dict(arrays, sep="/")
        try:
            recorded = load_recorded(config)
        except ConfigError as error:
            raise UserError(
                f"{source} has a config that this version does not read ({error}); use the version that saved it"
            ) from None
        fitted = preprocessing.from_arrays(recorded.data.preprocessing, parts["preprocessing"])
        trained = Trained(method, recorded, data, fitted, parts["variables"], parts["curves"])
        trained._check_variables(source)
        return trained

    def _check_variables(self, path: str) -> None:
        outlined = {name: jnp.shape(leaf) for name, leaf in _leaves(self.variables)}
        own = jax.eval_shape(functools.partial(init_variables, self.task), self.outline)
        if outlined != {name: leaf.shape for name, leaf in _leaves(own)}:
            raise UserError(f"{path} does not hold what this version trains; use the version that saved it")

    @functools.cached_property
    def autoencoder(self) -> "Trained":
        """The autoencoder in a generator; any other model as it is."""
        if not self._has(Role.GENERATOR):
            return self
        inner = {name: tree[AUTOENCODER] for name, tree in self.variables.items() if AUTOENCODER in tree}
        return dataclasses.replace(self, method=SUBJECT, variables=inner)

    @property
    def generator(self) -> tuple[Any, Any]:
        """The generator of images, a Flax module, and its variables.

        Raises:
          UserError: if it cannot draw any.
        """
        self.check_decoder()
        if self._has(Role.GENERATOR):
            return self.model, self.variables
        self._require(
            self.config.autoencoder.has_prior,
            "has no distribution of codes to sample from; train with a sampler, such as generation.sampler=mixture, "
            "and open the generator",
        )
        wrapped = {name: {AUTOENCODER: tree} for name, tree in self.variables.items()}
        return make_generator(self.model, Prior()), wrapped

    def _of_images(self, function: Callable[..., Any], images: Any, *constants: Any) -> Any:
        return self._map(function, (jnp.asarray(self.check_images(images)),), *constants)

    def check_images(self, images: Any) -> Array:
        """Returns images as the class says that they go in, with their channels; floats become float32.

        Raises:
          DataError: if they are others.
        """
        return check_images(images, self.trained_on)

    def _map(self, function: Callable[..., Any], arrays: tuple[jax.Array, ...], *constants: Any) -> Any:
        """What a function of this, variables, blocks and constants gives of all rows of arrays, in host memory."""
        static, traced = partition(self.config)
        like = dataclasses.replace(self.trained_on, name="", fingerprint="", num_images=_NO_IMAGES)
        key = (
            self.method,
            static,
            like.image_shape,
            like.image_type,
            like.num_classes,
            function,
            len(arrays),
            *constants,
        )
        compiled = _PROGRAMS if all(map(_is_global, (function, *constants))) else self._programs
        if key not in compiled:
            method = self.method  # Programs outlive models.

            def run(traced: Any, fitted: Preprocessing, variables: Any, *arrays: jax.Array) -> Any:
                alike = Trained(method, combine(static, traced), like, fitted, variables, {})

                def block(indices: jax.Array) -> Any:
                    return function(alike, variables, *(values[indices] for values in arrays), *constants)

                return map_examples(block, len(arrays[0]), alike.task.at_once)

            compiled[key] = jax.jit(run)
        num = len(arrays[0])
        if num < self.task.at_once:  # Other numbers of rows are no other programs, and so no other bits of a few.
            room = max(_LEAST_ROOM, 1 << (num - 1).bit_length())
            arrays = tuple(values[np.minimum(np.arange(room), num - 1)] for values in arrays)
        result = compiled[key](traced, self.preprocessing, self.variables, *arrays)
        while len(_PROGRAMS) > _MOST_PROGRAMS:
            del _PROGRAMS[next(iter(_PROGRAMS))]
        return jax.tree.map(lambda leaf: np.asarray(leaf)[:num], result)


def _is_global(constant: Any) -> bool:
    """Whether a function holds no values of its own, or what is no function."""
    return not callable(constant) or "<locals>" not in getattr(constant, "__qualname__", "<locals>")


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    return list(flax.traverse_util.flatten_dict(dict(tree), sep="/").items())
