"""The command that measures a GPU: each row is printed and kept at once, until time is up."""

import functools
import pathlib
import time
from collections.abc import Callable, Sequence

from absl import flags

from aejax.benchmark.accelerator_suites import SMALLEST, SUITES, Scale, accelerator_suites
from aejax.benchmark.turns import Processes, Turns
from aejax.cli.arguments import define_number, help_of, read_flags
from aejax.errors import ConfigError

SAY = functools.partial(print, flush=True)  # Whoever reads a pipe sees each row at once.


def accelerator(arguments: Sequence[str], say: Callable[[str], None] = SAY) -> None:
    """Measures what a GPU is asked for, in one command of at most eight minutes: a table as it goes, and a record.

    Examples:

      All of it, kept row by row:
        aejax accelerator --json=experiments/results/speed/h100.json

      What the first command had no time for, or what was killed with it:
        aejax accelerator --json=experiments/results/speed/h100.json

      How many members fit, as the compiler counts memory; nothing is trained:
        aejax accelerator --dry_run

      Only what --deterministic of aejax train costs, and whether it repeats bits:
        aejax accelerator --suite=deterministic --json=deterministic.json

      The study that is stopped and carried on, in a directory where it stays (MNIST in TFDS_DATA_DIR):
        aejax accelerator --suite=study --study=runs/iwae-full

      On a CPU, at its smallest, to see that it runs:
        aejax accelerator --smallest

    Suites, the most important first: populations (1, 64 and 1,024 dense, variational and convolutional autoencoders,
    beside PyTorch training one after another, and beside torch.vmap over stacked parameters), convolutions (as matrix
    products and XLA's own), precision (bfloat16), deterministic, study (iwae:full stopped, and carried
    on for two minutes), memory, sizes (256, 16 and 4 members). A row that fails, takes too long or has no time left is
    left out with its reason. PyTorch: pip install 'aejax[bench]'.
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
    leftover = read_flags(values, arguments, help_of(accelerator))
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
