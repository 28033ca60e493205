"""Compilation in the background: several programs at a time, each once, and none while another is timed."""

import collections
import concurrent.futures
import copy
import functools
import hashlib
import os
import time
import types
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax

from aejax.progress import progress_bar
from aejax.training.setup import num_cores

NO_OPTIONS: Mapping[str, Any] = types.MappingProxyType({})
# For programs that run once or twice. On a CPU, compiling them takes a quarter less time, and running them no longer.
LESS_EFFORT: Mapping[str, Any] = types.MappingProxyType(
    {"xla_backend_optimization_level": 1, "xla_cpu_parallel_codegen_split_count": 1}
)
_MOST = 32  # Programs that are kept here, whoever else keeps them.
_POLL_SECONDS = 0.5


class Compiled(NamedTuple):
    """What XLA made of a lowered program, and the seconds it took."""

    program: Any
    seconds: float


Compiling: TypeAlias = "concurrent.futures.Future[Compiled]"
_compilations: collections.OrderedDict[str, Compiling] = collections.OrderedDict()


@functools.cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(num_cores(), "compilation")


def compile_in_background(lowered: Any, options: Mapping[str, Any] = NO_OPTIONS) -> tuple[Compiling, bool]:
    """Returns the future program of a lowered one, and whether this call began to compile it.

    The populations of a search, one after another, are of one program where members run one at a time. Options are of
    CPUs; those that XLA_FLAGS sets are left as they are there.
    """
    given, on_cpu = os.environ.get("XLA_FLAGS", ""), jax.default_backend() == "cpu"
    options = {name: value for name, value in options.items() if on_cpu and f"--{name}" not in given}
    # The text lacks arguments that the program does not read.
    text = f"{lowered.as_text()}{lowered.args_info}{lowered.out_info}{options}"
    key = hashlib.sha256(text.encode()).hexdigest()
    is_new = key not in _compilations or _has_failed(_compilations[key])
    if is_new:
        _compilations[key] = _threads().submit(_compile, lowered, options)
    _compilations.move_to_end(key)
    done = [earlier for earlier, compiling in _compilations.items() if earlier != key and compiling.done()]
    for earlier in done[: max(0, len(_compilations) - _MOST)]:
        del _compilations[earlier]
    return _compilations[key], is_new


def result_of(compiling: Compiling) -> Compiled:
    """Waits for a compilation and returns its result, or raises the error that it ended with."""
    error = compiling.exception()
    if error is not None:
        # A copy: the traceback of one that is kept would keep whatever its readers had in memory.
        raise copy.copy(error)
    return compiling.result()


def wait_for_compilations(meanwhile: Callable[[], None] = lambda: None) -> None:
    """Returns once no program is being compiled, so that what is timed has the machine for itself; shows a bar.

    What failed is raised where the program is needed. `meanwhile` is called now and then, and may raise.
    """
    pending = [compiling for compiling in _compilations.values() if not compiling.done()]
    if not pending:
        return
    with progress_bar(len(pending), "compiling", "program", shown=jax.process_index() == 0) as bar:
        while pending:
            meanwhile()
            done, left = concurrent.futures.wait(pending, _POLL_SECONDS, concurrent.futures.FIRST_COMPLETED)
            bar.update(len(done))
            pending = list(left)


def cancel_compilations() -> None:
    """Forgets the programs whose compilation has not begun: a process that ends then waits only for those that have."""
    for key in [key for key, compiling in _compilations.items() if compiling.cancel()]:
        del _compilations[key]


def _compile(lowered: Any, options: dict[str, Any]) -> Compiled:
    started = time.perf_counter()
    program = lowered.compile(compiler_options=options) if options else lowered.compile()
    return Compiled(program, time.perf_counter() - started)


def _has_failed(compiling: Compiling) -> bool:
    return compiling.cancelled() or (compiling.done() and compiling.exception() is not None)
