"""The command that inspects data: from its flags to a page of text, or JSON, and a sheet of pictures."""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from aejax.cli.arguments import help_of, read_flags
from aejax.config import load, override, to_tree
from aejax.data.inspection import inspect as inspect_dataset
from aejax.data.load import DataConfig, Dataset
from aejax.data.locate import Clues, locate
from aejax.data.vectors import check_pictures
from aejax.errors import ConfigError
from aejax.flag_values import parse_assignment, parse_value


@dataclasses.dataclass(frozen=True, kw_only=True)
class _OfData:
    """The part of a config that is about data."""

    data: DataConfig = DataConfig()


def inspect(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Shows a data set as a study would see it: its images and classes, and what is wrong with them.

    Examples:

      Images, sizes, pixels, classes, images that occur twice or are constant, the fingerprint:
        aejax data inspect images.npz

      A picture of some images of each class:
        aejax data inspect digits --sheet=sheet.png

      With other fields of `data`, as JSON for another program:
        aejax data inspect digits --set 'data.classes=[3,8]' --set data.train_size=100 --json

      The data of an experiment, and the others that it evaluates on:
        aejax data inspect --config=anomaly:mnist
        aejax data inspect --config=anomaly:mnist --field=evaluation.outliers
    """
    values = _define_flags()
    names = read_flags(values, arguments, help_of(inspect))
    if names is None:
        return
    if len(names) + (values.config is not None) != 1:
        raise ConfigError("name one data set, or an experiment by --config; see aejax data inspect --help")
    if values.sheet is not None and not values.sheet.endswith(".png"):
        raise ConfigError(f"--sheet={values.sheet}: it is a picture; give a name that ends in .png")
    configs, beside = _read_config(values) if values.config is not None else (_read_named(names[0], values), None)
    if values.field not in configs:
        raise ConfigError(f"--field={values.field}: there are no such data; choose {' or '.join(configs)}")
    dataset = locate(configs[values.field], values.field, Clues(beside))
    inspection = inspect_dataset(dataset)
    say(json.dumps(to_tree(inspection), indent=1) if values.json else str(inspection))
    others = [field for field in configs if field != values.field]
    if others and not values.json:
        say(f"it also names other data: --field={' or --field='.join(others)}")
    if values.sheet is not None:
        check_pictures(dataset)
        path = pathlib.Path(values.sheet)
        _write_sheet(path, dataset)
        if not values.json:
            say(f"{path}: some images of each class of the training split")


def _write_sheet(path: pathlib.Path, dataset: Dataset) -> None:
    from aejax.data.sheet import make_sheet
    from aejax.report.html import to_png
    from aejax.store.files import write_atomically

    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, to_png(make_sheet(dataset.train, dataset.classes)))


def _assignments(values: flags.FlagValues) -> dict[str, Any]:
    pairs = (parse_assignment(text, "--set") for text in values.set)
    return {path: parse_value(value) for path, value in pairs}


def _read_named(name: str, values: flags.FlagValues) -> dict[str, DataConfig]:
    """Returns the data config of a name, by its field."""
    config = override(load(_OfData, {"data": {"name": name}}), _assignments(values))
    return {"data": config.data}


def _read_config(values: flags.FlagValues) -> tuple[dict[str, DataConfig], pathlib.Path | None]:
    """Returns the data configs of an experiment by their fields, and the folder of its file."""
    from aejax.cli.experiment_file import load_experiment  # It needs JAX.

    experiment = load_experiment(values.config)
    config = override(experiment.config, _assignments(values))
    others = config.evaluation.other_data(config.data).items()
    return {"data": config.data} | {f"evaluation.{name}": data for name, data in others}, experiment.folder


def _define_flags() -> flags.FlagValues:
    values = flags.FlagValues()
    flags.DEFINE_multi_string("set", [], "Sets one field: --set data.train_size=100. Repeatable.", flag_values=values)
    flags.DEFINE_string("config", None, "Instead of a name: the data of this experiment.", flag_values=values)
    flags.DEFINE_string(
        "field",
        "data",
        "With --config, which of its data: data, evaluation.transfer, evaluation.outliers.",
        flag_values=values,
    )
    flags.DEFINE_string("sheet", None, "Draw some images of each class to this file (.png).", flag_values=values)
    flags.DEFINE_bool("json", False, "Print JSON.", flag_values=values)
    return values
