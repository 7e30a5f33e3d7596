"""Spans and bars: whole numbers, and nothing that falls out of the picture."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.ops.console.charts import HEIGHT, WIDTH, Series, chart
from payops.ops.console.spans import age, span

START = datetime(2026, 3, 14, tzinfo=UTC)
HOURS = [START + timedelta(hours=number) for number in range(24)]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_599, "59 min"),
        (3_600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (86_400, "1 d 0 h"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_span_is_said_in_two_units_at_most(seconds: int, said: str) -> None:
    """Rounded down, so that nothing is called older than it is."""
    assert said == span(seconds)


def test_an_age_is_the_span_between_two_moments() -> None:
    """A part of a second is none."""
    assert "1 min" == age(START, START + timedelta(seconds=60, milliseconds=900))


def test_no_counts_are_no_bars() -> None:
    """And nothing is divided by zero."""
    empty = chart("Deposits", HOURS, [Series("credited", "bar-calm", [0] * 24)])

    assert [] == empty.bars
    assert "Deposits: 0 credited in 24 hours, at most 0 in one." == empty.summary


@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=24, max_size=24))
def test_bars_stay_in_the_picture_and_beside_one_another(counts: list[tuple[int, int]]) -> None:
    """However different the counts are; the smallest is still to be seen."""
    good, bad = zip(*counts, strict=True)
    drawn = chart("W", HOURS, [Series("a", "bar-good", good), Series("b", "bar-bad", bad)])

    assert sum(count > 0 for pair in counts for count in pair) == len(drawn.bars)
    for bar in drawn.bars:
        assert 0 <= bar.x < bar.x + bar.width <= WIDTH
        assert 0 <= bar.y < bar.y + bar.height <= HEIGHT
        assert bar.height >= 1
