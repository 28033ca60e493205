"""Errors whose message is meant for the person at the keyboard.

Command-line programs print the message as one line and exit with `exit_status`. Everything else is a bug and keeps its
traceback.
"""

KEPT = "; put that right and run the same command again: what was saved is kept"
_EXHAUSTED = {  # The texts of errors that are not MemoryError, for want of memory.
    "ImportError": "failed to map segment",
    "JaxRuntimeError": "RESOURCE_EXHAUSTED",
    "RuntimeError": "can't start new thread",
}
LONGEST = 2000  # Characters of a message; of a longer one, its middle is left out.


class UserError(Exception):
    """Something that its reader can put right; the message names what is wrong and what to do.

    As text it is one line, whatever names and values of a flag or a file went into it: see `printable`.
    """

    exit_status = 1

    def __str__(self) -> str:
        return printable(super().__str__())


class ConfigError(UserError):
    """A flag or a config is wrong. Raised before any data is read or anything is written."""

    exit_status = 2


class DataError(UserError):
    """A data set is missing, unreadable or unfit for what was asked."""


class InUse(UserError):
    """Another process is at it; it may be tried again later."""


class Interrupted(UserError):
    """The process was asked to stop, and has saved what it did. Running the same command again goes on from there."""

    def __init__(self, message: str, exit_status: int):
        super().__init__(message)
        self.exit_status = exit_status


def refusal(error: OSError) -> str:
    """What the operating system refused, in one line, for who can put that right."""
    what = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    return printable(what + KEPT)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory is exhausted, that of the host or of a device of JAX; then no place in the code is to blame."""
    text = _EXHAUSTED.get(type(error).__name__)
    return isinstance(error, MemoryError) or (text is not None and text in str(error))


def in_one_line(error: BaseException) -> str:
    """An unexpected error in one line that is not too long."""
    return f"{type(error).__name__}: {printable(' '.join(str(error).split()), 500)}".removesuffix(": ")


def printable(text: str, longest: int = LONGEST) -> str:
    """Returns a text as one line that moves no cursor: other characters are escaped, and a middle too long left out."""
    text = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in shortened(text, longest))
    return shortened(text, longest)


def shortened(text: str, longest: int) -> str:
    """Returns a text of at most so many characters: of a longer one, its beginning and its end."""
    if len(text) <= longest:
        return text
    half = (longest - 3) // 2
    return f"{text[:half]} … {text[-half:]}"
