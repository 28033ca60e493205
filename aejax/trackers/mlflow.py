"""MLflow: an experiment for the study, a run for each member. https://mlflow.org/docs/latest/ml/tracking"""

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TypeVar

from aejax.config import flatten
from aejax.errors import UserError, in_one_line
from aejax.trackers.base import Metrics, TrackedPopulation, Tracker, require_package

MOST_METRICS, MOST_PARAMS = 1000, 100  # Of one request.
RETRIES = "2"  # Of a request to a server that is away, unless the environment says otherwise: training waits for it.

Item = TypeVar("Item")


class MLflow(Tracker):
    """Writes to the tracking server that MLflow was given, or else to files in the study's directory."""

    kind: Literal["mlflow"] = "mlflow"

    def __init__(self) -> None:
        self._client: Any = None
        self._runs: dict[int, str] = {}

    def check(self) -> None:
        """Checks that the package is there, and that a server that was named answers."""
        require_package("mlflow", self.kind)
        uri = _chosen_uri()
        if uri is None or not uri.startswith("http"):
            return
        try:
            _client(uri).search_experiments(max_results=1)
        except Exception as error:
            raise UserError(
                f"tracker mlflow: no MLflow server answers at {uri} ({in_one_line(error)}); start it, or choose "
                "another MLFLOW_TRACKING_URI"
            ) from None

    def begin(self, population: TrackedPopulation) -> Sequence[int]:
        """Opens the runs, or finds those of an earlier start by their tags."""
        from mlflow.entities import Param

        uri = _chosen_uri()
        if uri is None:
            # MLflow advises a database, for which mlflow-skinny lacks packages and shared folders often lack locks.
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            uri = (population.folder / "mlruns").absolute().as_uri()
        self._client = _client(uri)
        experiment = self._experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", population.study))
        found = self._find(experiment, population)
        for index, member in enumerate(population.members):
            if member.id in found:
                self._runs[index] = found[member.id].info.run_id
                self._client.update_run(self._runs[index], status="RUNNING")
                continue
            tags = {**_common_tags(population), "aejax.member": member.id, "setting": member.setting}
            run = self._client.create_run(experiment, run_name=member.id, tags=tags)
            self._runs[index] = run.info.run_id
            params = [Param(name, str(value)) for name, value in flatten(member.config)]
            for some in _in_batches(params, MOST_PARAMS):
                self._client.log_batch(run.info.run_id, params=some)
        held = {name: int(run.data.metrics.get("epoch", 0)) for name, run in found.items()}
        return [held.get(member.id, 0) for member in population.members]

    def log(self, member: int, epochs: Sequence[Metrics]) -> None:
        """Logs each epoch as the step of its number, `epoch` last: an epoch counts as held once that is there."""
        for some in _in_batches(epochs, max(1, MOST_METRICS // len(epochs[0]))):
            self._log(member, [(int(metrics["epoch"]), _epoch_last(metrics)) for metrics in some])

    def finish(self, member: int, status: str, metrics: Metrics) -> None:
        """Logs the final metrics, and ends the run."""
        self._log(member, [(0, {f"final/{name}": value for name, value in metrics.items()})])
        run = self._runs.pop(member)
        self._client.set_tag(run, "status", status)
        self._client.set_terminated(run, "FAILED" if status == "diverged" else "FINISHED")

    def close(self) -> None:
        """Ends the runs that are left as killed; the next start goes on with them."""
        while self._runs:
            self._client.set_terminated(self._runs.popitem()[1], "KILLED")

    def _experiment(self, name: str) -> str:
        """Returns the id of the experiment of a name, which is created if there is none."""
        found = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if found is None else found.experiment_id)

    def _find(self, experiment: str, population: TrackedPopulation) -> dict[str, Any]:
        """Returns the runs of a population's method by the ids of their members."""
        query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in _common_tags(population).items())
        found, token = [], None
        while token != "":
            page = self._client.search_runs([experiment], query, page_token=token)
            found += page
            token = page.token or ""
        return {run.data.tags["aejax.member"]: run for run in found}

    def _log(self, member: int, steps: Sequence[tuple[int, Metrics]]) -> None:
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, step) for step, values in steps for name, value in values.items()]
        self._client.log_batch(self._runs[member], metrics=metrics)


def _epoch_last(metrics: Metrics) -> Metrics:
    return {name: value for name, value in metrics.items() if name != "epoch"} | {"epoch": metrics["epoch"]}


def _common_tags(population: TrackedPopulation) -> dict[str, str]:
    return {"aejax.study": population.start, "method": population.method}


def _chosen_uri() -> str | None:
    """Where the environment, or code of the user's, says that MLflow writes; None: nowhere."""
    import mlflow

    return str(mlflow.get_tracking_uri()) if mlflow.is_tracking_uri_set() else None


def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", RETRIES)
    return MlflowClient(tracking_uri=uri)


def _in_batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]
