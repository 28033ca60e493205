"""The command that exports a trained member: from its flags to a directory that is used without aejax."""

import pathlib
from collections.abc import Callable, Sequence

from absl import flags

from aejax.cli.arguments import define_member, help_of, read_flags
from aejax.errors import ConfigError
from aejax.methods.zoo import METHODS


def export(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Exports a trained member of a study, or a saved model, to be used where aejax is not installed.

        aejax export runs/quickstart                                    # the best autoencoder
        aejax export runs/quickstart --member=1f3a --to=digits          # another member
        aejax export runs/generation-small --method=generator           # with a sampler
        aejax export runs/quickstart --onnx                             # ONNX too: pip install 'aejax[onnx]'
        aejax export model                                              # a directory that Trained.save wrote

    The directory holds encoder, decoder and sampler as StableHLO with the weights inside (for any number of images, on
    CPU, GPU and TPU; jax and flatbuffers run them), the weights as safetensors, the config, the metrics with their
    intervals beside those of the baselines, and a model card, README.md, whose first lines of code show the use.
    """
    values = flags.FlagValues()
    define_member(values)
    flags.DEFINE_enum(
        "method", None, list(METHODS), "The method of the member; default: the autoencoder.", flag_values=values
    )
    flags.DEFINE_string(
        "to", None, "The directory to write; default: exported/<method>-<member> in the study.", flag_values=values
    )
    flags.DEFINE_bool("onnx", False, "Write encoder and decoder as ONNX too.", flag_values=values)
    paths = read_flags(values, arguments, help_of(export))
    if paths is None:
        return
    if len(paths) != 1:
        raise ConfigError(f"name one study's directory, or a saved model's (got {len(paths)}), see --help")
    from aejax.trained.opening import open_model

    trained = open_model(paths[0], values.method, values.member, say)
    target = pathlib.Path(values.to or pathlib.Path(paths[0], "exported", f"{trained.method}-{trained.id}"))
    trained.export(target, onnx=values.onnx)
    names = ", ".join(sorted(path.name for path in target.iterdir()))
    say(f"{target}: {names}; README.md says how to use them")
