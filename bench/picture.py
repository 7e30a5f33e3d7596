"""The rates as a bar chart: an SVG written by hand, no library needed."""

from collections.abc import Sequence
from html import escape
from typing import Final

from bench.figures import Line

_WIDTH: Final = 760
_LABEL_WIDTH: Final = 330
_BAR_HEIGHT: Final = 22
_ROW_HEIGHT: Final = 34
_MARGIN: Final = 16
_HEAD_HEIGHT: Final = 44
_COLOURS: Final = {
    "a": "#2563eb",
    "b": "#059669",
    "c": "#d97706",
    "d": "#7c3aed",
    "e": "#475569",
    "f": "#be123c",
}
_FONT: Final = "font-family='system-ui, sans-serif' font-size='13'"


def svg(lines: Sequence[Line], title: str) -> str:
    """A bar for each line that is a rate."""
    rates = [line for line in lines if line.unit == "/s"]
    height = _HEAD_HEIGHT + _ROW_HEIGHT * len(rates) + _MARGIN
    most = max((line.figure for line in rates), default=1)
    bars = [_bar(line, number, most) for number, line in enumerate(rates)]
    heading = f"<text x='{_MARGIN}' y='28' {_FONT} font-weight='600' fill='#111827'>"
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height}' role='img'>",
            f"<title>{escape(title)}</title>",
            f"<rect width='{_WIDTH}' height='{height}' fill='#ffffff'/>",
            f"{heading}{escape(title)}</text>",
            *bars,
            "</svg>",
            "",
        ]
    )


def _bar(line: Line, number: int, most: float) -> str:
    top = _HEAD_HEIGHT + _ROW_HEIGHT * number
    middle = top + _BAR_HEIGHT * 7 // 10
    room = _WIDTH - _LABEL_WIDTH - 3 * _MARGIN - 60
    width = max(1, round(room * line.figure / most))
    label = escape(f"({line.part}) {line.what.strip()}")
    return (
        f"<text x='{_MARGIN}' y='{middle}' {_FONT} fill='#374151'>{label}</text>"
        f"<rect x='{_LABEL_WIDTH}' y='{top}' width='{width}' height='{_BAR_HEIGHT}' rx='3'"
        f" fill='{_COLOURS[line.part]}'/>"
        f"<text x='{_LABEL_WIDTH + width + 8}' y='{middle}' {_FONT} fill='#111827'>"
        f"{line.figure:,.0f}/s</text>"
    )
