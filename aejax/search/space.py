"""Where a search looks: a domain for each field of the config."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from aejax.errors import ConfigError
from aejax.flag_values import parse_assignment, parse_value
from aejax.sweep import Override, parse_sweep

# Differences of such numbers are finite.
End = Annotated[int, Field(gt=-(2**63), lt=2**63)] | Annotated[float, Field(gt=-1e100, lt=1e100, allow_inf_nan=False)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Range:
    """The numbers from `low` to `high`, evenly spread, or their logarithms; whole numbers where both ends are."""

    kind: Literal["range"] = "range"
    low: End
    high: End
    log: bool = False

    def problem(self) -> str | None:
        """Returns why there are no such numbers; None: there are."""
        lowest = 0.0 if self.log else -math.inf
        if lowest < self.low < self.high < math.inf:
            return None
        return "the numbers have to be finite" + " and positive" * self.log + ", the first smaller than the second"

    @property
    def whole(self) -> bool:
        """Whether it has whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, position: float) -> int | float:
        """Returns the number at a position from 0 to 1."""
        # Each whole number has the same share of positions.
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.log:
            value = math.exp(math.log(low) + position * (math.log(high) - math.log(low)))
        else:
            value = low + position * (high - low)
        return self.clip(value)

    def clip(self, value: float) -> int | float:
        """Returns the number of the range that is nearest to a value."""
        nearest = min(max(value, self.low), self.high)
        return round(nearest) if self.whole else float(nearest)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """One of some values."""

    kind: Literal["choice"] = "choice"
    values: Annotated[tuple[Any, ...], Field(min_length=1)]

    def at(self, position: float) -> Any:
        """Returns the value at a position from 0 to 1."""
        return self.values[min(int(position * len(self.values)), len(self.values) - 1)]


Domain = Annotated[Range | Choice, Field(discriminator="kind")]
Space = dict[str, Domain]


def parse_space(text: str) -> Space:
    """Returns the field and the domain that a flag `--space path=...` stands for.

    `low:high` are numbers between two, `log:low:high` those whose logarithms are evenly spread, `a,b,c` some values.

    Raises:
      ConfigError: if it stands for none.
    """
    path, domain = parse_assignment(text, "--space")
    parts = domain.split(":")
    if len(parts) == 1 or domain[0] in '[{"' or "," in domain:
        return {path: Choice(values=tuple(point[path] for point in parse_sweep(f"{path}={domain}")))}
    log = parts[0] == "log"
    ends = [parse_value(part) for part in parts[log:]]
    if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
        raise ConfigError(f"--space={text}: expected low:high, log:low:high, or values a,b,c")
    numbers = Range(low=ends[0], high=ends[1], log=log)
    problem = numbers.problem()
    if problem is not None:
        raise ConfigError(f"--space={text}: {problem}")
    return {path: numbers}


def ends(space: Mapping[str, Any]) -> list[Override]:
    """Returns a point for each end of each domain, and each of its values: what has to be allowed for all to be."""
    points: list[Override] = []
    for path, domain in space.items():
        values = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
        points += [{path: value} for value in values]
    return points


def at(space: Mapping[str, Any], positions: Any) -> Override:
    """Returns the point of a space at some positions from 0 to 1, [fields]."""
    return {path: domain.at(float(x)) for (path, domain), x in zip(space.items(), positions, strict=True)}
