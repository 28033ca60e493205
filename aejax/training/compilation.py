"""Compilation in the background: several programs at a time, each once, and none while another is timed."""

import collections
import concurrent.futures
import functools
import hashlib
import os
import time
import types
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import tqdm

from aejax.training.setup import num_cores

NO_OPTIONS: Mapping[str, Any] = types.MappingProxyType({})
# For programs that run once or twice on a CPU: XLA takes three quarters of the time for them, and they take no more.
LESS_EFFORT: Mapping[str, Any] = types.MappingProxyType(
    {"xla_backend_optimization_level": 1, "xla_cpu_parallel_codegen_split_count": 1}
)
_MOST = 32  # Programs that are kept.


class Compiled(NamedTuple):
    """What XLA made of a lowered program, and the seconds it took."""

    program: Any
    seconds: float


Compiling: TypeAlias = "concurrent.futures.Future[Compiled]"
_known: collections.OrderedDict[str, Compiling] = collections.OrderedDict()


@functools.cache
def _threads() -> concurrent.futures.ThreadPoolExecutor:
    return concurrent.futures.ThreadPoolExecutor(num_cores(), "compilation")


def compile_in_background(lowered: Any, options: Mapping[str, Any] = NO_OPTIONS) -> tuple[Compiling, bool]:
    """Begins to compile a lowered program; returns what will come of it, and whether it is new.

    The populations of a search, one after another, are of one program where members run one at a time. Options that
    XLA_FLAGS sets are left as they are there.
    """
    options = {name: value for name, value in options.items() if f"--{name}" not in os.environ.get("XLA_FLAGS", "")}
    # The text lacks arguments that the program does not read.
    text = f"{lowered.as_text()}{lowered.args_info}{lowered.out_info}{options}"
    key = hashlib.sha256(text.encode()).hexdigest()
    is_new = key not in _known or _has_failed(_known[key])
    if is_new:
        _known[key] = _threads().submit(_compile, lowered, options)
    _known.move_to_end(key)
    while len(_known) > _MOST:
        _known.popitem(last=False)
    return _known[key], is_new


def wait_for_compilations() -> None:
    """Returns once no program is being compiled, so that what is timed has the machine for itself; shows a bar.

    What failed is raised where the program is needed.
    """
    pending = [compiling for compiling in _known.values() if not compiling.done()]
    if not pending:
        return
    quiet = None if jax.process_index() == 0 else True  # None: where nobody would see the bar.
    with tqdm.tqdm(total=len(pending), desc="compiling", unit="program", disable=quiet) as bar:
        for _ in concurrent.futures.as_completed(pending):
            bar.update()


def cancel_compilations() -> None:
    """Forgets the programs whose compilation has not begun: a process that ends waits for the others alone."""
    for key in [key for key, compiling in _known.items() if compiling.cancel()]:
        del _known[key]


def _compile(lowered: Any, options: dict[str, Any]) -> Compiled:
    started = time.perf_counter()
    program = lowered.compile(compiler_options=options) if options else lowered.compile()
    return Compiled(program, time.perf_counter() - started)


def _has_failed(compiling: Compiling) -> bool:
    return compiling.cancelled() or (compiling.done() and compiling.exception() is not None)
