"""The command that prepares data sets from their original files."""

import difflib
from collections.abc import Callable, Sequence

from absl import flags

from aejax.cli.arguments import help_of, read_flags
from aejax.errors import ConfigError


def prepare(arguments: Sequence[str], say: Callable[[str], None] = print) -> None:
    """Fetches the original files of mnist, fashion_mnist, kmnist, cifar10 or cifar100, without TensorFlow.

    Examples:

      MNIST; then train on it with --set data.name=mnist:
        aejax data prepare mnist

      From a mirror, or from a folder that has the files:
        aejax data prepare mnist --url=https://example.org/mnist/
        aejax data prepare mnist --from=downloads/

    Files are checked against their published SHA-256; a file with another one is not kept. A download that was
    interrupted continues where it stopped. The images come in the order in which TFDS has them, so they have the same
    fingerprint.
    """
    values = flags.FlagValues()
    flags.DEFINE_string(
        "directory", None, "Where prepared data sets lie: $TFDS_DATA_DIR, else ~/tensorflow_datasets.", values
    )
    flags.DEFINE_string("url", None, "The URL of a folder with the files, instead of the published one.", values)
    flags.DEFINE_string("from", None, "A folder with the files, which are copied instead of fetched.", values)
    names = read_flags(values, arguments, help_of(prepare))
    if names is None:
        return
    from aejax.data.sources.fetch import fetch_originals
    from aejax.data.sources.published import PUBLISHED

    if len(names) != 1:
        raise ConfigError(f"name one data set: {', '.join(PUBLISHED)}")
    (name,) = names
    if name not in PUBLISHED:
        near = difflib.get_close_matches(name, PUBLISHED, n=1)
        advice = f"did you mean {near[0]}?" if near else "others are prepared by TFDS: --set data.name says how"
        raise ConfigError(f"data prepare fetches {', '.join(PUBLISHED)}, not '{name}'; {advice}")
    if values.url and values["from"].value:
        raise ConfigError("--url and --from are given; leave one of them out")
    folder = fetch_originals(name, directory=values.directory, url=values.url, folder=values["from"].value, say=say)
    where = f" --set data.directory={values.directory}" if values.directory else ""
    say(f"{folder}: complete; train on it with --set data.name={name}{where}")
