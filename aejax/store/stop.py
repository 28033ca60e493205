"""Being asked to stop: noticed at once, obeyed where nothing is lost."""

import contextlib
import pathlib
import signal
from collections.abc import Callable, Iterator

from aejax.errors import Interrupted

EXIT_STATUS = {signal.SIGTERM: 75, signal.SIGINT: 130}  # 75: EX_TEMPFAIL, "try again"; 130: what shells give Ctrl-C.
STOP_FILE = ".stop"


class StopRequest:
    """Whether somebody asked this process to stop, and by which signal."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def obey(self) -> None:
        """Raises Interrupted if there was a request. Called where all that was done is saved."""
        if self.signal is not None:
            raise Interrupted(
                f"stopped by {self.signal.name}; run the same command again to go on from here",
                EXIT_STATUS[self.signal],
            )


class StopFile(StopRequest):
    """A request that another process passes on, by a file in a study's directory."""

    def __init__(self, path: pathlib.Path):
        super().__init__()
        self._file = path / STOP_FILE

    def __bool__(self) -> bool:
        if self._file.exists():
            self.signal = signal.SIGTERM
        return super().__bool__()

    def obey(self) -> None:
        """Raises Interrupted if there was a request."""
        if self:
            super().obey()


@contextlib.contextmanager
def passed_on(request: StopRequest, path: pathlib.Path) -> Iterator[Callable[[], bool]]:
    """Gives a function that passes a request on to processes that have a `StopFile`, and says whether there is one."""
    file = path / STOP_FILE
    file.unlink(missing_ok=True)

    def pass_on() -> bool:
        if request:
            file.touch()
        return bool(request)

    try:
        yield pass_on
    finally:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Lets SIGTERM and Ctrl-C ask for a stop; a second one of them has its usual effect."""
    request = StopRequest()
    usual = {number: signal.getsignal(number) for number in EXIT_STATUS}

    def notice(number: int, _: object) -> None:
        request.signal = signal.Signals(number)
        signal.signal(number, usual[request.signal])

    for number in EXIT_STATUS:
        signal.signal(number, notice)
    try:
        yield request
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
