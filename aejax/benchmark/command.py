"""The command that measures speed beside peers."""

import pathlib
from collections.abc import Callable, Sequence

from absl import flags

from aejax.benchmark.families import describe_families
from aejax.benchmark.measure import measure_suites, write_record
from aejax.benchmark.suites import SUITES
from aejax.cli.arguments import help_of, read_flags
from aejax.errors import ConfigError
from aejax.report.speed import read_record, to_table

ALL = [name for name in SUITES if name not in ("scaling", "families")]  # These take minutes each.


def benchmark(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    r"""Measures how fast autoencoders train, beside the peers that are installed, in turns in one run.

    Examples:

      One suite, five repetitions:
        aejax benchmark --suite=dense

      A record of it, which is kept:
        aejax benchmark --suite=conv --json=experiments/results/speed/conv.json

      What each family costs, and the page about all families:
        aejax benchmark --suite=families --json=experiments/results/speed/families.json
        aejax benchmark --suite=families --contender=vq_vae --contender=fsq --json=some.json    # beside plain
        aejax benchmark --families=docs/families.md --json=experiments/results/speed/families.json \
            --json=experiments/results/speed/families-generative.json

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
    flags.DEFINE_multi_string("json", [], "Also write a record of the run to this file.", flag_values=values)
    flags.DEFINE_string(
        "families",
        None,
        "Measure nothing: write the page about all families to this file, with the costs of records (--json, which may "
        "be repeated: the first that knows a family counts).",
        flag_values=values,
    )
    leftover = read_flags(values, arguments, help_of(benchmark))
    if leftover is None:
        return
    if leftover:
        raise ConfigError(f"what is '{leftover[0]}'? Suites are named by --suite, see --help")
    if values.families:
        if not values.json:
            raise ConfigError("--families takes the costs from a record: name it with --json, see --help")
        page = describe_families([read_record(pathlib.Path(path)) for path in values.json])
        pathlib.Path(values.families).write_text(page, encoding="utf-8")
        return
    if len(values.json) > 1:
        raise ConfigError("one run makes one record: give --json once")
    record = measure_suites(values.suite, values.repetitions, say, values.contender)
    for path in values.json:
        write_record(pathlib.Path(path), record)
    say("\n" + to_table(record))
