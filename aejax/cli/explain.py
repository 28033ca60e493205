"""The command that explains a study: from the flags of scripts/explain.py to its explanations and its report."""

from collections.abc import Callable, Sequence

from absl import flags

from aejax.cli.arguments import read_flags, script_help
from aejax.errors import ConfigError
from aejax.store.directory import StudyDirectory


def explain(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Explains the autoencoders of a study; `scripts/explain.py` documents its flags.

    Raises:
      ConfigError: if a flag is wrong.
      UserError: if the study has no such member, or nothing to explain.
    """
    from aejax.trained.explaining.explain import OF_LAYER, OF_STUDY, PARTS
    from aejax.trained.explaining.explain import explain as explain_study

    parts = (*PARTS, OF_STUDY)
    values = flags.FlagValues()
    flags.DEFINE_multi_enum(
        "part", None, parts, "What to explain, repeatable; default: everything.", flag_values=values
    )
    flags.DEFINE_multi_enum(
        "leave_out", [], parts, "What not to explain, repeatable: tsne and dictionary take longest.", flag_values=values
    )
    flags.DEFINE_string(
        "member",
        None,
        "The first characters of a member's id, as results.csv has it: this one alone, with pictures; default: all, "
        "with pictures of the first seed of each setting.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "layer",
        None,
        "Whose features the dictionary is made of, such as 'latent'; default: the code.",
        flag_values=values,
    )
    paths = read_flags(values, arguments, script_help())
    if paths is None:
        return
    if len(paths) != 1:
        raise ConfigError(f"name one study's directory (got {len(paths)}), see --help")
    wanted = [part for part in values.part or parts if part not in values.leave_out]
    if not wanted:
        raise ConfigError("--leave_out leaves nothing to explain; leave out less")
    if values.layer is not None and OF_LAYER not in wanted:
        raise ConfigError(
            f"--layer={values.layer} is of the part '{OF_LAYER}', which is left out; add --part={OF_LAYER}"
        )
    from aejax.report.write import write_report
    from aejax.store.stop import stop_on_signals
    from aejax.study.job import Options

    directory = StudyDirectory(paths[0])
    with stop_on_signals() as stop:
        explain_study(directory, wanted, member=values.member, layer=values.layer, options=Options(stop=stop, say=say))
    write_report([directory], directory.path)
    say(f"{directory.path}: explanations/, and report.html that shows them (open it in a browser)")
