"""Going on from a finished study: its autoencoders, trained for more epochs, are the members of another one."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aejax.config import config_id, override, to_tree
from aejax.data.load import DataConfig, Dataset
from aejax.errors import ConfigError, UserError
from aejax.experiment import Config, check
from aejax.methods.base import find_method
from aejax.methods.zoo import SUBJECT
from aejax.store.directory import StudyDirectory
from aejax.store.files import exists
from aejax.store.record import Parent, differences, require_record
from aejax.store.status import read_statuses
from aejax.study.checkpoint import Checkpoints
from aejax.study.plan import Lineage, check_unchanged, recorded_configs, recorded_labels

FEW = 4  # Differences that are named.


class Continuation(NamedTuple):
    """The members of a study that goes on from another, and who goes on from whom; arguments of `run`."""

    configs: list[Config]
    parent: Parent
    lineage: Lineage
    labels: Mapping[Config, str]
    name: str
    question: str


def continue_study(original: StudyDirectory, directory: StudyDirectory, changes: Mapping[str, Any]) -> Continuation:
    """Returns the study in `directory` that goes on from a finished one.

    Args:
      original: the finished study.
      directory: where the other lies, or will.
      changes: fields that the configs of its members have otherwise, by their dotted paths; training.epochs is one.

    Raises:
      ConfigError: if members would differ in more than their epochs from those that they go on from.
      UserError: if a member has no trained state.
    """
    record = require_record(original)
    if record.search is not None or (record.lineage and record.parent is None):
        raise UserError(f"{original.path} is a search or its winner; only studies of a config or a sweep go on")
    if original.path.resolve() == directory.path.resolve():
        raise ConfigError(f"{original.path} is the study itself; choose another workdir for what goes on from it")
    before = recorded_configs(original, record)
    after = [override(config, changes) for config in before]
    lineage: dict[str, str] = {}
    for old, new in zip(before, after, strict=True):
        check(new)
        _check_change(original, old, new)
        lineage[_id(new)] = _id(old)
    epochs = {config.training.epochs for config in before}
    if len(epochs) > 1:
        raise ConfigError(
            f"{original.path} has members of {', '.join(map(str, sorted(epochs)))} epochs, which would become one; go "
            "on from a study whose members have the same training.epochs"
        )
    labels = recorded_labels(record, before)
    return Continuation(
        configs=after,
        parent=describe_parent(original, directory, epochs.pop()),
        lineage=lineage,
        labels={new: labels[old] for old, new in zip(before, after, strict=True) if old in labels},
        name=f"{record.name}-continued",
        question=record.question,
    )


def describe_parent(original: StudyDirectory, directory: StudyDirectory, epochs: int) -> Parent:
    """Describes a study, whose members have trained for so many epochs, to the one in `directory` that goes on."""
    path = os.path.relpath(original.path.resolve(), directory.path.resolve())
    return Parent(path=path, name=require_record(original).name, epochs=epochs)


def moved_parent(parent: Parent, directory: StudyDirectory, copy: StudyDirectory) -> Parent:
    """Returns the parent of a study in a directory as that of a copy of it.

    Raises:
      UserError: if it is not there: a second run goes on from the same states.
    """
    original = parent.seen_from(directory)
    if not exists(original.record):
        raise UserError(
            f"{directory.path} goes on from {parent}, which is not there; bring it back (if need be by aejax reproduce)"
        )
    return describe_parent(original, copy, parent.epochs)


def check_parent(
    directory: StudyDirectory, parent: Parent, lineage: Lineage, datasets: Mapping[DataConfig, Dataset]
) -> None:
    """Checks that the trained states are there that the members of a study go on from, and that the data are the same.

    Raises:
      UserError: if they are not, saying what to do.
    """
    original = parent.seen_from(directory)
    record = require_record(original)
    check_unchanged(record, datasets, f"{original.path} was trained", "bring those images back, or train anew")
    wanted = set(lineage.values())
    trained: set[str] = set()
    without: set[str] = set()
    for path, status in read_statuses(original).items():
        if status.method == SUBJECT and status.state == "finished":
            checkpoint = Checkpoints(path, status.members).newest(status.checkpoint, lambda line: None, writes=False)
            (without if checkpoint is None else trained).update(status.members)
    if wanted & without:
        raise UserError(
            f"{original.path} keeps no checkpoint of {len(wanted & without)} members, as published studies do not; "
            f"train it again (aejax reproduce {original.path}), and go on from that"
        )
    if wanted - trained:
        raise UserError(
            f"{original.path} has not finished {len(wanted - trained)} of the {len(wanted)} members to go on from; run "
            "its command again first"
        )


def cautions(configs: Sequence[Config], parent: Parent) -> list[str]:
    """Returns lines on what training in two parts makes other than training at once, for who has to know."""
    kinds = {config.optimizer.schedule.kind: config for config in configs if config.optimizer.schedule.OF_ALL_EPOCHS}
    return [
        f"optimizer.schedule={kind}: up to epoch {parent.epochs} the learning rate was on the curve of so many epochs, "
        f"and goes on on that of {config.training.epochs}; training them at once gives something else"
        for kind, config in kinds.items()
    ]


def _check_change(original: StudyDirectory, old: Config, new: Config) -> None:
    if new.training.epochs <= old.training.epochs:
        raise ConfigError(
            f"training.epochs={new.training.epochs}: {original.path} has trained for {old.training.epochs} already; "
            "set more, such as --set training.epochs="
            f"{2 * max(old.training.epochs, 1)}"
        )
    subject = find_method(SUBJECT)
    same = dataclasses.replace(new, training=dataclasses.replace(new.training, epochs=old.training.epochs))
    changes = differences(to_tree(subject.reduce(old)), to_tree(subject.reduce(same)))
    if changes:
        more = "; ..." if len(changes) > FEW else ""
        raise ConfigError(
            f"only training.epochs may be other than in {original.path} ({'; '.join(changes[:FEW])}{more}); leave the "
            "rest as it is, or train anew"
        )


def _id(config: Config) -> str:
    return config_id(find_method(SUBJECT).reduce(config))
