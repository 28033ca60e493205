"""How every script reads its flags, prints its help, and says what is wrong with them."""

import inspect
import sys
from collections.abc import Sequence

from absl import flags

from aejax.errors import ConfigError


def read_flags(
    values: flags.FlagValues, arguments: Sequence[str], help_text: str, *, more: str = ""
) -> list[str] | None:
    """Returns the arguments that are no flags, after reading those that are; None after printing the help.

    Args:
      values: the flags, whose values are set.
      arguments: of the command line.
      help_text: what comes before the flags in the help.
      more: what comes after them.

    Raises:
      ConfigError: naming the flag that is wrong, in one line.
    """
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    try:
        leftover = values(["script", *arguments])[1:]
    except flags.Error as error:
        raise ConfigError(" ".join(str(error).split())) from None
    if values.help:
        print("\n".join(part for part in (help_text, "", values.get_help(), more) if part))
        return None
    return leftover


def define_features(values: flags.FlagValues) -> None:
    """Defines the flag that names the user's own features of images."""
    flags.DEFINE_string(
        "features",
        None,
        "Compare generated images by a function of yours: --features=inception.py:pool3, which is given images in "
        "[0, 1], float32 [n, height, width, channels], and returns [n, features]. With Inception's features the "
        "Fréchet distance is FID.",
        flag_values=values,
    )


def script_help() -> str:
    """Returns the docstring of the script that runs."""
    return inspect.getdoc(sys.modules["__main__"]) or ""
