"""The command that explains a study: from its flags to its explanations and its report."""

from collections.abc import Callable, Sequence

from absl import flags

from aejax.cli.arguments import define_member, read_one_study
from aejax.errors import ConfigError
from aejax.store.directory import StudyDirectory


def explain(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Explains the autoencoders of a trained study: what their units stand for, and how far that can be trusted.

        aejax explain runs/explain-mnist                               # everything, and the page that shows it
        aejax explain runs/explain-mnist --leave_out=tsne --leave_out=dictionary    # what takes seconds
        aejax explain runs/quickstart --part=units --part=attribution
        aejax explain runs/explain-mnist --member=1f3a                 # one member, with pictures
        aejax explain runs/explain-mnist --part=dictionary --layer=encoder/DenseStack_0/Dense_0

    Traversals, units with the images they answer, a sparse dictionary, attributions with their checks, maps of the
    codes, ways between classes, and how alike seeds, families and layers are: in <study>/explanations/, and in its
    report. The same command goes on where it was stopped.
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
    define_member(values, "all, with pictures of the first seed of each setting.")
    flags.DEFINE_string(
        "layer",
        None,
        "Whose features the dictionary is made of, such as 'latent'; default: the code.",
        flag_values=values,
    )
    path = read_one_study(values, arguments, explain)
    if path is None:
        return
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

    directory = StudyDirectory(path)
    with stop_on_signals() as stop:
        explain_study(directory, wanted, member=values.member, layer=values.layer, options=Options(stop=stop, say=say))
    write_report([directory], directory.path)
    say(f"{directory.path}: explanations/, and report.html that shows them (open it in a browser)")
