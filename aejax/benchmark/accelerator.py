"""The command behind `scripts/accelerator.py`: what is measured is printed and kept at once, until time is up."""

import functools
import pathlib
import time
from collections.abc import Callable, Sequence

from absl import flags

from aejax.benchmark.accelerator_suites import SMALLEST, SUITES, Scale, accelerator_suites
from aejax.benchmark.turns import Processes, Turns
from aejax.cli.arguments import define_number, read_flags, script_help
from aejax.errors import ConfigError

SAY = functools.partial(print, flush=True)  # Whoever reads a pipe sees each row at once.


def accelerator(arguments: Sequence[str], say: Callable[[str], None] = SAY) -> None:
    """Measures what a GPU is asked for; `scripts/accelerator.py` documents the flags.

    Raises:
      ConfigError: if a flag is wrong.
      UserError: if the record that is to be gone on with is another machine's.
    """
    values = flags.FlagValues()
    flags.DEFINE_multi_enum("suite", list(SUITES), list(SUITES), "Only this one; may be repeated.", flag_values=values)
    flags.DEFINE_string("json", None, "The record: written after each row, and gone on with.", flag_values=values)
    define_number("seconds", 480.0, "After which nothing more is measured.", at_least=1, values=values)
    flags.DEFINE_string(
        "study", None, "Directory of the study that is carried on; default: a temporary one.", flag_values=values
    )
    flags.DEFINE_bool("smallest", False, "Everything as small as it can be, to try the command.", flag_values=values)
    flags.DEFINE_bool("dry_run", False, "Only estimate memory, and how many members fit.", flag_values=values)
    leftover = read_flags(values, arguments, script_help())
    if leftover is None:
        return
    if leftover:
        raise ConfigError(f"what is '{leftover[0]}'? Suites are named by --suite, see --help")
    scale = SMALLEST if values.smallest else Scale()
    workdir = values.study and str(pathlib.Path(values.study).absolute())
    with Processes() as processes:
        turns = Turns(processes, scale, time.monotonic() + values.seconds, say)
        backend = turns.open_record(pathlib.Path(values.json) if values.json else None)
        suites = accelerator_suites(scale, backend, workdir)
        suites = {name: cases for name, cases in suites.items() if name in values.suite}
        if values.dry_run:
            turns.estimate(suites)
        else:
            turns.measure(suites)
