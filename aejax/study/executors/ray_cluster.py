"""A Ray cluster executes populations, each as a task: https://docs.ray.io."""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from aejax.errors import UserError, in_one_line
from aejax.store.stop import EXIT_STATUS
from aejax.study.executors.remote import Answer, Died, Remote, Ticket
from aejax.study.worker import Worker

CONNECT_SECONDS = 10.0
# Ray's switch for macOS and Windows, which works elsewhere too: if it is off, a cluster that this process starts
# listens on the loopback, and else on every network of the machine. It is read when Ray is imported.
ON_ALL_NETWORKS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
# Ends processes when its standard input does, whatever ended the process at the other end. It holds descriptors of
# them, as their numbers may be given to others.
_WATCHER = """
import contextlib, os, signal, sys
watched = []
for number in sys.argv[1:]:
    with contextlib.suppress(ProcessLookupError):
        watched.append(os.pidfd_open(int(number)))
sys.stdin.read()
for process in watched:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process, signal.SIGKILL)
"""


class RayCluster(Remote):
    """Executes populations as Ray tasks, each on as many CPUs and GPUs as it asks for."""

    def __init__(self, address: str | None = None, num_workers: int | None = None, cpus: float = 1, gpus: float = 0):
        """Takes the address of a running cluster (None: one of this machine is started), and what a task asks for.

        Raises:
          UserError: if Ray is not installed.
        """
        super().__init__(num_workers)
        if address is None and "RAY_ADDRESS" not in os.environ:
            os.environ.setdefault(ON_ALL_NETWORKS, "0")
        try:
            import ray
        except ImportError:
            raise UserError(
                "--executor=ray needs a package that is missing; run pip install 'aejax[cluster]'"
            ) from None
        self._ray, self._address = ray, address
        self._wanted = {"CPU": cpus, "GPU": gpus}
        # Ray begins nothing again by itself: `Remote` does, and says so. GPUs are named here, and not later by
        # `options`, because Ray then ends a process with its task: JAX could not change to the next task's GPU.
        self._task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(_execute)

    @contextlib.contextmanager
    def engine(self, worker: Worker) -> Iterator[None]:
        """Connects to the cluster, and leaves it at the end."""
        if self._ray.is_initialized():  # Who connected will leave.
            yield
            return
        _require_answer(self._address)
        handlers = {number: signal.getsignal(number) for number in EXIT_STATUS}
        before = _descendants()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # Of JAX: what Ray starts is another program at once.
                self._ray.init(
                    address=self._address, log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR
                )
        except (OSError, ValueError, RuntimeError) as error:
            raise _no_answer(self._address, str(error).strip().splitlines()[0]) from None
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:  # Ray's own would end everything at once.
                signal.signal(number, handler)
        with _ended_with_this_process(_descendants() - before):
            try:
                self._require_room(worker)
                yield
            finally:
                self._ray.shutdown()

    def _require_room(self, worker: Worker) -> None:
        """Raises UserError if no node is large enough for a task, or says so if a larger one may join."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        if any(all(node.get(name, 0) >= wanted for name, wanted in self._wanted.items()) for node in nodes):
            return
        wanted = " and ".join(f"{amount:g} {name}" for name, amount in self._wanted.items())
        most = " and ".join(f"{max((node.get(name, 0) for node in nodes), default=0):g}" for name in self._wanted)
        text = f"no node of the Ray cluster has {wanted} for a population (at most {most})"
        if self._address is None:
            raise UserError(f"{text}; ask for less with --cpus and --gpus")
        worker.options.say(f"{text}; waiting for one to join")

    def submit(self, tickets: Sequence[Ticket]) -> Sequence[Any]:
        """Asks for populations, each a task."""
        return [self._task.remote(ticket) for ticket in tickets]

    def withdraw(self, handle: Any) -> None:
        """Cancels the task."""
        self._ray.cancel(handle, force=True)

    def has_ended(self, handle: Any) -> bool:
        """Returns whether the task has ended."""
        return bool(self._ray.wait([handle], timeout=0)[0])

    def result(self, handle: Any) -> Answer:
        """The answer of the population's process."""
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.RayTaskError as error:
            return Answer(in_one_line(error.cause))
        except self._ray.exceptions.RayError as error:
            raise Died(type(error).__name__) from error


def _descendants() -> set[int]:
    """Returns the processes that this one has started, and those that they have, by their numbers."""
    import psutil  # It comes with Ray.

    return {process.pid for process in psutil.Process().children(recursive=True)}


@contextlib.contextmanager
def _ended_with_this_process(numbers: Collection[int]) -> Iterator[None]:
    """Ends processes at the end at the latest, also if this one is killed.

    Most of Ray's see to that themselves; but the agents of a node would try for a minute to tell of its death.
    """
    if not numbers or not hasattr(os, "pidfd_open"):  # Ray ends them where this is not Linux.
        yield
        return
    command = [sys.executable, "-I", "-S", "-c", _WATCHER, *map(str, numbers)]
    # In a session of its own, so that what ends all processes of a terminal leaves it.
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    with watcher:
        yield


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
    if address is None:
        return UserError(f"--executor=ray: Ray does not start here ({reason}); leave it out to train in this process")
    return UserError(
        f"--ray_address={address}: no Ray cluster answers there ({reason}); start one with 'ray start --head', or "
        "leave the address out"
    )


def _execute(ticket: Ticket) -> Answer:
    return ticket()
