"""The curves of a population: a JSON line for each member and epoch."""

import hashlib
import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from aejax.config import config_id
from aejax.store.files import exists, is_measured, open_in_place, read_bytes, set_aside

FILE = "metrics.jsonl"
Tell = Callable[[int, Sequence[Mapping[str, float]]], None]


class Written(NamedTuple):
    """How much of the curves had been written at some moment: so many bytes, with this SHA-256 (None: not recorded)."""

    num_bytes: int = 0
    digest: str | None = None


class MetricsWriter:
    """Writes the metrics that `aejax.training.loop.train` hands out; use it as a context manager."""

    def __init__(
        self,
        directory: pathlib.Path | None,
        configs: Sequence[Any],
        *,
        keep: Written = Written(),  # noqa: B008
        say: Callable[[str], None] = print,
        tell: Tell | None = None,
    ):
        """Opens the file, and keeps of it the curves that belong to a checkpoint: later ones are written again.

        Where the file does not begin with these, it is set aside, and the curves begin where training goes on.
        Without a directory nothing is kept: another process does that.

        `tell` is called with the index of a member and the metrics of some of its epochs, in order: those kept first.
        """
        self._ids = [(config_id(config), config.seed) for config in configs]
        self._digest = hashlib.sha256()
        self._file: IO[bytes]
        self._tell = tell
        if directory is None:
            self._file = open(os.devnull, "ab")  # noqa: SIM115
            return
        path = directory / FILE
        self._file = open_in_place(path)
        kept = self._file.read(keep.num_bytes)
        self._digest.update(kept)
        if len(kept) < keep.num_bytes or keep.digest not in (None, self._digest.hexdigest()):
            self._file.close()
            aside = f" (the file was set aside as {set_aside(path).name})" if path.stat().st_size else ""
            say(f"{path}: the curves before the last checkpoint are gone{aside}; they begin where training goes on")
            self._file, self._digest = open_in_place(path), hashlib.sha256()
        else:
            self._file.truncate(keep.num_bytes)
            self._tell_of(kept)

    def __enter__(self) -> "MetricsWriter":
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def __call__(self, first: int, metrics: dict[str, np.ndarray]) -> None:
        """Writes metrics of [members, epochs] from the member at index `first` on; epoch 0 stands for none."""
        by_member: dict[int, list[dict[str, float]]] = {}
        for member, epoch in zip(*np.nonzero(metrics["epoch"]), strict=True):
            values = {name: shortest(value[member, epoch]) for name, value in metrics.items()}
            name, seed = self._ids[first + member]
            # JSON has no NaN and no infinity; the epoch in which a member diverged has both.
            finite = {key: value if math.isfinite(value) else None for key, value in values.items()}
            line = (json.dumps({"id": name, "seed": seed, **finite}) + "\n").encode()
            self._file.write(line)
            self._digest.update(line)
            by_member.setdefault(first + int(member), []).append(values)
        self._file.flush()
        if self._tell is not None:
            for index, epochs in by_member.items():
                self._tell(index, epochs)

    def sync(self) -> Written:
        """Returns how much the file holds, once that is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return Written(self._file.seek(0, os.SEEK_END), self._digest.hexdigest())

    def _tell_of(self, kept: bytes) -> None:
        """Tells of the epochs in the curves that are kept."""
        if self._tell is None:
            return
        records, _ = _by_member(kept)
        for index, (name, _) in enumerate(self._ids):
            epochs = [record for _, record in sorted(records.get(name, {}).items())]
            self._tell(index, [{key: value for key, value in record.items() if key != "seed"} for record in epochs])


def read_curves(directory: pathlib.Path) -> tuple[dict[str, dict[str, np.ndarray]], str | None]:
    """The metrics of each member of a population by its id, arrays [epochs] in order, NaN where not finite.

    Beside them the first line that holds no metrics, as a sentence, or None. The last line does not count while it has
    no end: the process that writes it may not be done.

    Raises:
      OSError: if the file cannot be read now.
      Damaged: if it is no file, or cannot be unpacked.
    """
    records, problem = _by_member(read_bytes(directory / FILE) if exists(directory / FILE) else b"")
    curves = {
        name: {
            key: np.array([epochs[number].get(key, math.nan) for number in sorted(epochs)], float)
            for key in next(iter(epochs.values()))
        }
        for name, epochs in records.items()
    }
    return curves, problem


def _by_member(content: bytes) -> tuple[dict[str, dict[int, dict[str, float]]], str | None]:
    """The metrics in a file's content by id and epoch, and the first line that holds none, as `read_curves` says it."""
    records: dict[str, dict[int, dict[str, float]]] = {}
    problem = None
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        record = _parse(line)
        if record is None:
            problem = problem or f"line {number} holds no metrics"
            continue
        epochs = records.setdefault(record.pop("id"), {})
        epochs[record["epoch"]] = {name: math.nan if value is None else value for name, value in record.items()}
    return records, problem


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or type(record.get("epoch")) is not int:
        return None
    values = [value for name, value in record.items() if name != "id" and value is not None]
    are_numbers = all(type(value) in (int, float) and is_measured(value) for value in values)
    return record if are_numbers and record["epoch"] > 0 else None


def thin(content: bytes, every: int) -> bytes:
    """Returns the lines of a file of curves: of each member one epoch in `every`, from the first on, and the last."""
    lines = content.decode().splitlines(keepends=True)
    records = [json.loads(line) for line in lines]
    last = {record["id"]: record["epoch"] for record in records}
    kept = [r["epoch"] % every == 1 or r["epoch"] == last[r["id"]] for r in records]
    return "".join(line for line, keep in zip(lines, kept, strict=True) if keep).encode()


def shortest(value: np.generic) -> float | int:
    """A value for JSON: of a float, no more digits than tell it from the next of its type."""
    return float(str(value)) if isinstance(value, np.floating) else value.item()
