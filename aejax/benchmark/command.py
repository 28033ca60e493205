"""The command that measures speed beside peers."""

import pathlib
from collections.abc import Callable, Sequence

from absl import flags

from aejax.benchmark.measure import measure_suites, write_record
from aejax.benchmark.suites import SUITES
from aejax.cli.arguments import help_of, read_flags
from aejax.errors import ConfigError
from aejax.report.speed import to_table

ALL = [name for name in SUITES if name not in ("scaling", "families", "estimators")]  # These take minutes each.


def benchmark(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Measures how fast autoencoders train, beside the peers that are installed, in turns in one run.

    Examples:

      One suite, five repetitions:
        aejax benchmark --suite=dense

      A record of it, which is kept:
        aejax benchmark --suite=conv --json=experiments/results/speed/conv.json

      What each family costs, for its page:
        aejax benchmark --suite=families --json=experiments/results/speed/families.json
        aejax benchmark --suite=families --contender=vq_vae --contender=fsq --json=some.json    # beside plain

      How well a classifier does on features of AutoencoderFeatures and of PCA, in five times five folds:
        aejax benchmark --suite=estimators --repetitions=25 --json=experiments/results/estimators/digits.json

    Every contender does the same work (network, images, batch, optimizer) in a process of its own that rests while the
    others run. Compilation is measured apart. Compare ratios within one run, never numbers between machines, and let
    nothing else run. Peers: pip install 'aejax[bench]'. For a GPU there is aejax accelerator.
    """
    values = flags.FlagValues()
    flags.DEFINE_multi_enum("suite", ALL, list(SUITES), "Run only this one; may be repeated.", flag_values=values)
    flags.DEFINE_integer("repetitions", 5, "Measurements of each contender.", lower_bound=1, flag_values=values)
    flags.DEFINE_multi_string(
        "contender", [], "Measure only this one, beside the first of its case; may be repeated.", flag_values=values
    )
    flags.DEFINE_string("json", None, "Also write a record of the run to this file.", flag_values=values)
    leftover = read_flags(values, arguments, help_of(benchmark))
    if leftover is None:
        return
    if leftover:
        raise ConfigError(f"what is '{leftover[0]}'? Suites are named by --suite, see --help")
    record = measure_suites(values.suite, values.repetitions, say, values.contender)
    if values.json is not None:
        write_record(pathlib.Path(values.json), record)
    say("\n" + to_table(record))
