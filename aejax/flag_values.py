"""Values as flags spell them: what the text of `path=value` stands for."""

import json
from typing import Any

from aejax.errors import ConfigError, shortened

SHOWN = 200  # The most characters of a value in a message.
TOO_DEEP = "too many brackets within brackets; no field takes so many"
_DEEPEST = 20  # Brackets within brackets that a value may have.


def parse_value(text: str) -> Any:
    """Returns the value that a flag's text stands for: JSON where it is JSON, else a number, else the text itself.

    Raises:
      ConfigError: if it is JSON that nobody can mean: nested too deep, or with a name twice in one object.
    """
    try:
        value = json.loads(text, object_pairs_hook=_unique)
        level = [value]
        for _ in range(_DEEPEST):
            level = [inner for part in level for inner in _parts(part)]
        if level:
            raise RecursionError
        return value
    except RecursionError:
        raise ConfigError(f"{shortened(text, SHOWN)}: {TOO_DEEP}") from None
    except ValueError:  # Also of an integer that has more digits than Python reads.
        pass
    try:
        return float(text)  # What JSON refuses: .5, 1., nan, inf. The gate decides whether the field wants it.
    except ValueError:
        return text


def _parts(value: Any) -> list[Any]:
    """Returns the values inside a JSON object or list; none of another value."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ConfigError(f"an object has '{shortened(twice, SHOWN)}' twice; leave one of them out")
    return value


def parse_assignment(text: str, flag: str) -> tuple[str, str]:
    """Returns (path, text of the value) of `path=value`, as the flags `--set` and `--sweep` take it."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip() or not value.strip():
        raise ConfigError(f"{flag}={text}: expected path=value, for example {flag}=optimizer.learning_rate=3e-4")
    return path.strip(), value.strip()
