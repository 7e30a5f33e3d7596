"""Bars by the hour, as whole numbers of an SVG: no script, no style, no library."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 480
HEIGHT: Final = 120
_TOP: Final = 14  # room for the highest count
_FOOT: Final = 18  # room for the hours
_GAP: Final = 4
_LABEL_EVERY: Final = 4


@dataclass(frozen=True, slots=True)
class Series:
    """Counts, one an hour; ``tone`` is the class of its bars in the style sheet."""

    name: str
    tone: str
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Bar:
    """``tip`` is shown when the pointer rests on it."""

    x: int
    y: int
    width: int
    height: int
    tone: str
    tip: str


@dataclass(frozen=True, slots=True)
class Label:
    x: int
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """``summary`` says in words what the bars show, for who does not see them."""

    title: str
    summary: str
    bars: Sequence[Bar]
    labels: Sequence[Label]
    most: int  # what the full height stands for
    width: int = WIDTH
    height: int = HEIGHT
    foot: int = HEIGHT - _FOOT
    top: int = _TOP


def chart(title: str, hours: Sequence[datetime], series: Sequence[Series]) -> Chart:
    """Bars of ``series`` on top of one another, an hour beside the other."""
    most = max(sum(counts) for counts in zip(*(one.counts for one in series), strict=True))
    step = WIDTH // len(hours)
    bars: list[Bar] = []
    for number, hour in enumerate(hours):
        y = HEIGHT - _FOOT
        for one in series:
            count = one.counts[number]
            if not count:
                continue
            height = max(1, count * (HEIGHT - _FOOT - _TOP) // most)
            y -= height
            tip = f"{hour:%H:%M}: {count} {one.name}"
            bars.append(Bar(number * step + _GAP // 2, y, step - _GAP, height, one.tone, tip))
    labels = [
        Label(number * step + step // 2, f"{hour:%H}")
        for number, hour in enumerate(hours)
        if number % _LABEL_EVERY == 0 or number == len(hours) - 1
    ]
    totals = " and ".join(f"{sum(one.counts)} {one.name}" for one in series)
    summary = f"{title}: {totals} in {len(hours)} hours, at most {most} in one."
    return Chart(title, summary, bars, labels, most)
