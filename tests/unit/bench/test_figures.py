"""The arithmetic behind the benchmark's figures."""

import pytest

from bench.figures import (
    Line,
    Target,
    median,
    milliseconds_each,
    percentile,
    ratio_of_rounds,
)
from bench.picture import svg
from bench.report import shown


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (99, 99), (100, 100)])
def test_a_percentile_is_a_value_that_was_seen(percent: float, expected: float) -> None:
    """Nearest rank: no value is made up between two that were measured."""
    assert expected == percentile([float(n) for n in range(100, 0, -1)], percent)


def test_a_percentile_of_one_value_is_that_value() -> None:
    """However few the values, there is an answer."""
    assert percentile([3.5], 99) == 3.5


@pytest.mark.parametrize("percent", [0, -1, 101])
def test_a_percentile_outside_the_ranks_is_refused(percent: float) -> None:
    """There is no zeroth value."""
    with pytest.raises(ValueError, match="percentage"):
        percentile([1.0], percent)


@pytest.mark.parametrize(
    ("values", "expected"), [([3, 1, 2], 2), ([4, 1, 3, 2], 2.5), ([7], 7), ([1, 1000, 2], 2)]
)
def test_one_slow_round_does_not_move_the_median(values: list[float], expected: float) -> None:
    """The median is the middle, whatever the outer ones are."""
    assert expected == median(values)


@pytest.mark.parametrize("figure", [median, lambda values: percentile(values, 50)])
def test_nothing_measured_has_no_figure(figure: object) -> None:
    """An empty measurement is an error and never a zero in a table."""
    assert callable(figure)
    with pytest.raises(ValueError, match="no values"):
        figure([])


def test_a_ratio_compares_each_round_with_its_neighbour() -> None:
    """A machine that is slower for one round slows both sides of that round's ratio."""
    assert ratio_of_rounds([60, 6, 60], [100, 10, 100]) == 0.6


def test_rounds_that_do_not_pair_up_are_refused() -> None:
    """A ratio of different numbers of rounds would compare different moments."""
    with pytest.raises(ValueError, match="3 rounds against 2"):
        ratio_of_rounds([1, 2, 3], [1, 2])


def test_cpu_time_is_shown_per_item() -> None:
    """Seconds of CPU over a count are milliseconds each, and none for none."""
    assert milliseconds_each(3, 2000) == 1.5
    assert milliseconds_each(3, 0) == 0


@pytest.mark.parametrize(
    ("target", "figure", "expected"),
    [
        (Target("≥", 0.6), 0.6, "pass"),
        (Target("≥", 0.6), 0.59, "miss"),
        (Target("≤", 4), 4, "pass"),
        (Target("<", 10), 10, "miss"),
        (None, 1, ""),
    ],
)
def test_a_target_is_met_or_missed(target: Target | None, figure: float, expected: str) -> None:
    """The bound itself meets ``≥`` and ``≤``; a figure without a target has no verdict."""
    assert expected == Line("a", "rate", figure, "/s", target).verdict


@pytest.mark.parametrize(
    ("figure", "expected"), [(12345.6, "12,346 /s"), (45.67, "45.7 /s"), (0.834, "0.83 /s")]
)
def test_a_figure_shows_about_three_digits(figure: float, expected: str) -> None:
    """More digits would pretend to a precision that was not measured."""
    assert expected == shown(Line("a", "rate", figure, "/s"))


def test_the_picture_has_a_bar_for_each_rate_and_none_for_the_rest() -> None:
    """Milliseconds and ratios do not share an axis with rates."""
    lines = [Line("a", "accepted & kept", 100, "/s"), Line("a", "ratio", 0.8, "×")]

    picture = svg(lines, "Rates")

    assert picture.count("100/s") == 1
    assert "accepted &amp; kept" in picture
    assert "ratio" not in picture
