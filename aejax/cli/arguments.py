"""How every command reads its flags, prints its help, and says what is wrong with them."""

import inspect
import math
from collections.abc import Callable, Sequence

from absl import flags

from aejax.errors import ConfigError
from aejax.user_files import load_plugins


def read_flags(
    values: flags.FlagValues,
    arguments: Sequence[str],
    help_text: str,
    *,
    more: str = "",
    instead: Callable[[str], str | None] = lambda name: None,
) -> list[str] | None:
    """Returns the arguments that are no flags, after reading those that are; None after printing the help.

    Every command takes --plugin, whose files are imported.

    Args:
      values: the flags, whose values are set.
      arguments: of the command line.
      help_text: what comes before the flags in the help.
      more: what comes after them.
      instead: returns what to write instead of an unknown flag, or None.

    Raises:
      ConfigError: naming the flag that is wrong, in one line.
    """
    flags.DEFINE_multi_string(
        "plugin",
        [],
        "A Python file of yours that adds a family, network, measure, method, tracker or the like: --plugin=mine.py. "
        "Repeatable.",
        flag_values=values,
    )
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    try:
        leftover = values(["aejax", *arguments])[1:]
    except flags.UnrecognizedFlagError as error:
        other = instead(error.flagname)
        raise ConfigError(str(error) if other is None else f"unknown flag '{error.flagname}'; write {other}") from None
    except flags.Error as error:
        raise ConfigError(" ".join(str(error).split())) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"--flagfile: not a file of text ({error.reason})") from None
    if values.help:
        print("\n".join(part for part in (help_text, "", values.get_help(), more) if part))
        return None
    load_plugins(values.plugin)
    return leftover


class _Finite(flags.FloatParser):
    def convert(self, argument: int | float | str) -> float:
        value = super().convert(argument)
        if not math.isfinite(value):
            raise ValueError(f"{argument} is not finite")
        return value


def define_number(
    name: str, default: float | None, help_text: str, *, at_least: float, values: flags.FlagValues
) -> None:
    """Defines a flag that takes a finite number."""
    flags.DEFINE(_Finite(lower_bound=at_least), name, default, help_text, values, flags.ArgumentSerializer())


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


def define_member(values: flags.FlagValues, otherwise: str = "the one that validation finds best.") -> None:
    """Defines the flag that chooses a member of a study; `otherwise` says which are meant without it."""
    flags.DEFINE_string(
        "member",
        None,
        f"The first characters of a member's id, as results.csv has it; default: {otherwise}",
        flag_values=values,
    )


def define_keep_model(values: flags.FlagValues, help_text: str) -> None:
    """Defines the flag by which a published study keeps a trained model."""
    flags.DEFINE_bool("keep_model", False, help_text, flag_values=values)


def read_one_study(
    values: flags.FlagValues, arguments: Sequence[str], command: Callable[..., int | None]
) -> str | None:
    """Returns the study's directory that a command names, after reading its flags; None after printing its help.

    Raises:
      ConfigError: in one line, if a flag is wrong or if it names none, or several.
    """
    leftover = read_flags(values, arguments, help_of(command))
    return None if leftover is None else one_study(leftover)


def one_study(leftover: Sequence[str]) -> str:
    """Returns the study's directory that is named.

    Raises:
      ConfigError: if none is, or several are.
    """
    if len(leftover) != 1:
        raise ConfigError(f"name one study's directory (got {len(leftover)}), see --help")
    return leftover[0]


def help_of(command: Callable[..., int | None]) -> str:
    """The help of a command, which is its docstring."""
    return inspect.getdoc(command) or ""
