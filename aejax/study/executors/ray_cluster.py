"""A Ray cluster executes populations, each as a task: https://docs.ray.io."""

import contextlib
import pathlib
import socket
from collections.abc import Iterator
from typing import Any

from aejax.errors import UserError
from aejax.study.executors.remote import RETRIES, Died, Remote, Ticket

CONNECT_SECONDS = 10.0


class RayCluster(Remote):
    """Executes populations as Ray tasks, each on as many CPUs and GPUs as it asks for."""

    def __init__(self, address: str | None = None, num_workers: int | None = None, cpus: float = 1, gpus: float = 0):
        """Takes the address of a running cluster (None: one of this machine is started), and what a task asks for.

        Raises:
          UserError: if Ray is not installed.
        """
        super().__init__(num_workers)
        try:
            import ray
        except ImportError:
            raise UserError(
                "--executor=ray needs a package that is missing; run pip install 'aejax[cluster]'"
            ) from None
        self._ray, self._address = ray, address
        # Ray itself begins a task again whose worker or node died.
        self._task = ray.remote(_execute).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES)

    @contextlib.contextmanager
    def engine(self, path: pathlib.Path) -> Iterator[None]:
        """Connects to the cluster, and leaves it at the end."""
        del path
        if self._ray.is_initialized():  # Who connected will leave.
            yield
            return
        _require_answer(self._address)
        try:
            self._ray.init(address=self._address, log_to_driver=False, include_dashboard=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise _no_answer(self._address, str(error).strip().splitlines()[0]) from None
        try:
            yield
        finally:
            self._ray.shutdown()

    def submit(self, ticket: Ticket) -> Any:
        """Asks for a population."""
        return self._task.remote(ticket)

    def has_ended(self, handle: Any) -> bool:
        """Returns whether the task has ended."""
        return bool(self._ray.wait([handle], timeout=0)[0])

    def result(self, handle: Any) -> str | None:
        """Returns what the ticket gave."""
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.RayTaskError as error:
            return f"{type(error.cause).__name__}: {' '.join(str(error.cause).split())[:500]}"
        except self._ray.exceptions.RayError as error:
            raise Died(f"{type(error).__name__}") from error


def _require_answer(address: str | None) -> None:
    """Raises UserError if nothing answers at host:port. Ray itself would try for many minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise _no_answer(address, error.strerror or str(error)) from None


def _no_answer(address: str | None, reason: str) -> UserError:
    return UserError(
        f"--ray_address={address}: no Ray cluster answers there ({reason}); start one with 'ray start --head', or "
        "leave the address out"
    )


def _execute(ticket: Ticket) -> str | None:
    return ticket()
