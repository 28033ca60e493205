"""Telling trackers of a population that is executed: who its members are, and where they belong."""

import hashlib
import json
from collections.abc import Sequence

from aejax.config import flatten, to_tree
from aejax.errors import shortened
from aejax.experiment import Config
from aejax.methods.base import Method
from aejax.store.record import Record, require_record
from aejax.store.results import settings
from aejax.study.job import Execution
from aejax.study.plan import members_of, recorded_configs
from aejax.trackers.base import TrackedMember, TrackedPopulation
from aejax.trackers.tracking import Tracking
from aejax.training.population import is_leader

LONGEST_SETTING = 120  # Characters; W&B takes 128 for a group.


def track(execution: Execution) -> Tracking:
    """Returns the trackers that were asked for, with a run of each member open; none where nothing trains."""
    tracking, names = Tracking(execution.options.say), execution.options.trackers
    if names and is_leader() and execution.job.method.trains:
        tracking.begin(names, _population(execution))
    return tracking


def _population(execution: Execution) -> TrackedPopulation:
    record, method = require_record(execution.directory), execution.job.method
    start = json.dumps(to_tree(record.starts[0]), sort_keys=True)
    names = settings_of(method, record, recorded_configs(execution.directory, record))
    return TrackedPopulation(
        study=record.name,
        start=hashlib.sha256(start.encode()).hexdigest()[:8],
        folder=execution.directory.trackers,
        path=execution.path,
        method=method.name,
        members=tuple(
            TrackedMember(name, names[name], config.seed, to_tree(config))
            for name, config in zip(execution.job.ids, execution.configs, strict=True)
        ),
    )


def settings_of(method: Method, record: Record, configs: Sequence[Config]) -> dict[str, str]:
    """The names of the settings of a method's members in a study, by the members' ids: those of the report."""
    rows = [
        record.labelled({"method": method.name, "id": name, "config": dict(flatten(to_tree(config)))})
        for name, config in members_of(method, configs).items()
    ]
    return {row["id"]: shortened(setting.name, LONGEST_SETTING) for setting in settings(rows) for row in setting.rows}
