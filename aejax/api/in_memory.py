"""Training in memory: several members, each on rows of its own of the same images, without a study and its files.

Members are populations here too, trained by the same loop from the same tasks. Their programs depend neither on how
many images there are nor on which of them a member sees: arrays have room for the next power of two.
"""

import collections
import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aejax.config import partition, traced
from aejax.data import load, preprocessing
from aejax.data.description import DataDescription
from aejax.data.load import SPLIT_SEED, DataConfig, Split
from aejax.data.preprocessing import Preprocessing
from aejax.data.resident import ResidentData, Rows, training_arrays
from aejax.data.subsets import RowsSubset
from aejax.errors import ConfigError, DataError
from aejax.evaluation.suite import EvaluationConfig
from aejax.experiment import Config, check, check_data
from aejax.methods.base import Method, find_method
from aejax.methods.roles import Role
from aejax.methods.zoo import SUBJECT
from aejax.trained.model import Trained
from aejax.training.config import TrainingConfig
from aejax.training.loop import compile_chunk, compile_init, epochs_per_chunk
from aejax.training.loop import train as train_members
from aejax.training.population import Members, Program, fit_members, share
from aejax.training.setup import set_up_jax_if_unused
from aejax.training.step import Task


def train(
    configs: Sequence[Config],
    image: np.ndarray,
    label: np.ndarray | None = None,
    rows: Sequence[np.ndarray] | None = None,
    *,
    method: str = SUBJECT,
) -> list[Trained]:
    """Trains a model of each config; those that differ in traced fields (most numbers) and seed train together.

    A member is trained on its rows, but for `data.validation_size` of them (None: none), and its preprocessing is
    fitted to these training rows. If they are fewer than a batch, a batch is the largest power of two below their
    number. Other fields of the config's data, and its evaluation, are not read.

    Args:
      configs: through the gate.
      image: as they are stored, [n, height, width, channels], uint8, or float32 in [0, 1].
      label: int [n], classes counted from 0; None: there are none, and methods with a classifier are refused.
      rows: of each member the indices of its images, int [number of rows]; None: all of them.
      method: "autoencoder", or "supervised" or "fine_tuned"; the latter trains the autoencoders that it begins with.

    Returns:
      The trained models, in the order of the configs. A model that diverged is at its last finite state, and the last
      loss in its `curves` is not finite.

    Raises:
      ConfigError: if a config asks for what goes with a study alone, in one line.
      DataError: if the images do not allow what a config asks for, in one line.
    """
    set_up_jax_if_unused()
    everything = np.arange(len(image), dtype=np.int32)
    chosen = [everything] * len(configs) if rows is None else [np.asarray(own, np.int32) for own in rows]
    data = _Data(image, label, {own.tobytes(): own for own in chosen})
    members = [
        _Member(_without_study(config, len(own)), own.tobytes()) for config, own in zip(configs, chosen, strict=True)
    ]
    return _train(members, data, find_method(method))


@dataclasses.dataclass(frozen=True)
class _Member:
    """All that a model follows from: a config, and rows, as bytes."""

    config: Config
    rows: bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Seat:
    """A member as its program sees it: its config, and the number of its subset among those of the population."""

    config: Config
    subset: int = traced(0)

    @property
    def training(self) -> TrainingConfig:
        """How training goes."""
        return self.config.training


class _Data:
    """The images and labels that all members share, and the rows that members see, by their bytes."""

    def __init__(self, image: np.ndarray, label: np.ndarray | None, rows: Mapping[bytes, np.ndarray]):
        self.image, self.label, self.rows = image, label, rows
        self._fitted: dict[tuple[bytes, DataConfig], Preprocessing] = {}

    def split(self, member: _Member) -> tuple[np.ndarray, np.ndarray]:
        """The rows that a member is trained on, and those that it is validated on."""
        rows, num = self.rows[member.rows], member.config.data.validation_size
        if not num:
            return rows, rows[:0]
        order = np.random.default_rng(SPLIT_SEED).permutation(len(rows))
        return rows[order[num:]], rows[order[:num]]

    def describe(self, member: _Member, *, labelled: bool) -> DataDescription:
        """Describes what a member is trained on.

        Raises:
          DataError: if it does not allow what the config asks for.
        """
        if labelled and self.label is None:
            raise DataError("there are no labels, and a classifier is trained by them; give labels too")
        label = self.label if labelled else None
        train, validation = (
            Split(self.image[rows], None if label is None else label[rows]) for rows in self.split(member)
        )
        num_classes = None if label is None else int(label[self.rows[member.rows]].max()) + 1
        dataset = load.of_arrays(train, validation, num_classes)
        check_data(member.config, dataset)
        return DataDescription.of(dataset)

    def preprocessing(self, member: _Member) -> Preprocessing:
        """The preprocessing fitted to what a member is trained on."""
        key = (member.rows, member.config.data)
        if key not in self._fitted:
            train, _ = self.split(member)
            self._fitted[key] = preprocessing.fit(member.config.data.preprocessing, self.image[train])
        return self._fitted[key]

    @functools.cached_property
    def resident(self) -> ResidentData:
        """All images and labels, on the devices."""
        return share(
            training_arrays(image=_widen(self.image), label=None if self.label is None else _widen(self.label))
        )

    def of(self, members: Sequence[_Member]) -> ResidentData:
        """The images on the devices, with the rows and the preprocessing of each of these members' subsets."""
        splits = [self.split(member) for member in members]
        counts, size = [len(train) for train, _ in splits], _batch_size(members[0].config)
        table = {
            "train": _widen(
                np.stack([np.pad(train, (0, _room(len(train)) - len(train)), "edge") for train, _ in splits])
            ),
            "validation": _widen(np.stack([validation for _, validation in splits])),
        }
        rows = Rows(table, _widen(np.array(counts, np.int32)), np.array(counts[0] // size, np.int32))
        fitted = jax.tree.map(lambda *leaves: _widen(np.stack(leaves)), *map(self.preprocessing, members))
        shared: ResidentData = self.resident.replace(**share({"rows": rows, "preprocessing": fitted}))
        return shared


_MOST_KEPT = 16
_earlier: dict[Any, Members] = {}  # Members whose programs others may take over.


class _Population:
    """Members that one program trains together."""

    def __init__(self, described: Mapping[_Member, DataDescription], data: _Data, method: Method, initial: Any):
        self._described, self._data, self._method = described, data, method
        subsets = {member.rows: member for member in described}
        numbers = {rows: number for number, rows in enumerate(subsets)}
        seats = [_Seat(config=member.config, subset=numbers[member.rows]) for member in described]
        self._resident = data.of(list(subsets.values()))
        self._chunk_epochs = epochs_per_chunk(self._task(seats[0]), self._resident)
        self._members = fit_members(seats, seats[0].training.members_at_once, self._memory)
        self._initial = None if initial is None else list(self._members.deal(initial))
        key = (
            (method.name, partition(seats[0])[0], self._chunk_epochs, self._members.at_once, self._members.round_size),
            str(jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), (self._resident, self._initial))),
            self._resident.preprocessing.kind,
            next(iter(described.values())).num_classes,
        )
        if key in _earlier:  # Then nothing is traced anew either.
            self._members.take_programs(_earlier[key])
        _earlier[key] = self._members
        while len(_earlier) > _MOST_KEPT:
            del _earlier[next(iter(_earlier))]
        # Compiled beside the programs of other populations, while none is trained yet.
        compile_init(self._members, self._task, self._resident, self._initial[0] if self._initial else {})
        self._compile(self._members)

    def train(self) -> dict[_Member, Trained]:
        """Returns the trained members."""
        chunks: list[tuple[int, dict[str, np.ndarray]]] = []
        trained = train_members(
            self._members,
            self._task,
            self._resident,
            write=lambda first, metrics: chunks.append((first, metrics)),
            description=f"{self._method.name} ({self._members.num})",
            initial=self._initial,
            chunk_epochs=self._chunk_epochs,
        )
        variables = self._members.fetch([state.evaluated_variables() for state in trained.states])
        curves: dict[int, list[dict[str, np.ndarray]]] = collections.defaultdict(list)
        for first, metrics in chunks:
            for index, ran in enumerate(metrics["epoch"] > 0):
                curves[first + index].append({name: values[index][ran] for name, values in metrics.items()})
        return {
            member: Trained(
                self._method.name,
                member.config,
                described,
                self._data.preprocessing(member),
                jax.tree.map(lambda leaf: leaf[index], variables),  # noqa: B023
                {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {},
            )
            for index, (member, described) in enumerate(self._described.items())
            for parts in [curves[index]]
        }

    def _task(self, seat: Any) -> Task:
        described = next(iter(self._described.values()))  # All are alike in this.
        task = self._method.task(seat.config, described.image_shape, described.num_classes)
        assert task is not None, "what is trained has a task"
        return task._replace(subset=RowsSubset(seat.subset))

    def _compile(self, members: Members) -> Program:
        return compile_chunk(members, self._task, self._resident, self._chunk_epochs)

    def _memory(self, members: Members) -> int:
        return self._compile(members).memory_bytes


def _train(members: Sequence[_Member], data: _Data, method: Method) -> list[Trained]:
    """Trains members by a method; those that are one to it once."""
    reduced = [_Member(method.reduce(member.config), member.rows) for member in members]
    distinct = dict(zip(reduced, members, strict=True))
    labelled = bool(method.role & Role.CLASSIFIER)
    groups: dict[Any, dict[_Member, DataDescription]] = {}
    for member in distinct:
        described = data.describe(member, labelled=labelled)
        count, size = described.num_images["train"], _batch_size(member.config)
        shapes = jax.tree.map(np.shape, data.preprocessing(member))
        key = (partition(member.config)[0], described.num_classes, _room(count), count // size, str(shapes))
        groups.setdefault(key, {})[member] = described
    learnt: dict[_Member, Any] = {}
    if method.warm_start_from is not None:
        parents = _train(list(distinct.values()), data, find_method(method.warm_start_from))
        learnt = {member: parent.variables for member, parent in zip(distinct, parents, strict=True)}
    populations = []
    for group in groups.values():
        initial = method.warm_start(_stack([learnt[member] for member in group])) if learnt else None
        populations.append(_Population(group, data, method, initial))
    trained: dict[_Member, Trained] = {}
    for population in populations:
        trained |= population.train()
    return [trained[member] for member in reduced]


def _without_study(config: Config, num_rows: int) -> Config:
    """Returns a config without what only a study reads, and with a batch size that so many rows allow.

    Raises:
      ConfigError: if something of it cannot be had in memory.
      DataError: if there is no row to train on.
    """
    if config.data.binarization is not None:
        raise ConfigError("data.binarization is of images that are read; make images that are given black and white")
    if config.fine_tuning.labels_per_class is not None:
        raise ConfigError("fine_tuning.labels_per_class draws labels in a study; give images and labels of these alone")
    if config.semi_supervised.epochs:
        raise ConfigError("semi_supervised.epochs: only a study trains so; use aejax.run, or leave it out")
    num_validation = config.data.validation_size or 0
    count = num_rows - num_validation
    if count < 1:
        raise DataError(f"there are {num_rows} rows, and {num_validation} for validation leave none to train on")
    data = DataConfig(preprocessing=config.data.preprocessing, validation_size=num_validation, test_size=0)
    size = count if config.training.batch_size == "all" else config.training.batch_size
    training = dataclasses.replace(config.training, batch_size=size if size <= count else _room(count + 1) // 2)
    evaluation = EvaluationConfig(measures=(), baselines=())
    config = dataclasses.replace(config, data=data, training=training, evaluation=evaluation)
    check(config)
    return config


def _batch_size(config: Config) -> int:
    """The batch size that `_without_study` left."""
    size = config.training.batch_size
    assert size != "all", "it is a number here"
    return size


def _room(num: int) -> int:
    """Returns for how many there is room where there are so many: the next power of two."""
    return 1 << (num - 1).bit_length()


def _widen(array: np.ndarray) -> np.ndarray:
    """Returns an array with room for more rows, which are zero."""
    return np.pad(array, [(0, _room(len(array)) - len(array))] + [(0, 0)] * (array.ndim - 1))


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
