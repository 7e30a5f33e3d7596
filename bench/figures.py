"""The arithmetic of a benchmark: percentiles, medians, ratios, targets. No I/O."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_OPERATORS: Final[Mapping[str, Callable[[float, float], bool]]] = MappingProxyType(
    {"≥": operator.ge, "≤": operator.le, "<": operator.lt}
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be: ``Target("≥", 0.6)``."""

    relation: str
    value: float

    def __str__(self) -> str:
        return f"{self.relation} {self.value:g}"

    def is_met_by(self, figure: float) -> bool:
        return _OPERATORS[self.relation](figure, self.value)


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the report; ``part`` is the letter of the measurement."""

    part: str
    what: str
    figure: float
    unit: str = ""
    target: Target | None = None

    @property
    def verdict(self) -> str:
        """``pass``, ``miss``, or nothing where nothing was aimed at."""
        if self.target is None:
            return ""
        return "pass" if self.target.is_met_by(self.figure) else "miss"


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of ``values`` do not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or ``percent`` is not in (0, 100].
    """
    if not values:
        raise ValueError("no values")
    if not 0 < percent <= 100:
        raise ValueError(f"{percent} is not a percentage of ranks")
    rank = -(-len(values) * percent // 100)  # rounded up
    return sorted(values)[int(rank) - 1]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the middle two.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2


def ratio_of_rounds(ours: Sequence[float], yardstick: Sequence[float]) -> float:
    """The median of the rounds' ratios: each round is held against its own neighbour.

    Raises:
        ValueError: the two were not measured in the same rounds.
    """
    if len(ours) != len(yardstick):
        raise ValueError(f"{len(ours)} rounds against {len(yardstick)}")
    return median([one / other for one, other in zip(ours, yardstick, strict=True)])


def milliseconds_each(cpu_seconds: float, count: int) -> float:
    """CPU time per item; 0 when there was none."""
    return 1000 * cpu_seconds / count if count else 0.0
