"""The waits of the safe retry loop."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.kernel.retrying import Backoff, doubling

SECOND = timedelta(seconds=1)
SAFE_LOOP = Backoff(attempts_max=5, base=SECOND, jitter=SECOND)


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8)])
def test_waits_double_from_the_base(attempt: int, seconds: int) -> None:
    """Without jitter: one, two, four, eight."""
    assert seconds * SECOND == SAFE_LOOP.wait_after(attempt, fraction=lambda: 0)


def test_jitter_is_added_on_top() -> None:
    """A fraction of the jitter, and never the whole of it."""
    assert 2.5 * SECOND == SAFE_LOOP.wait_after(2, fraction=lambda: 0.5)


def test_what_the_other_side_asked_for_wins_when_it_is_longer() -> None:
    """A Retry-After is a floor, not a replacement."""
    wait_after = SAFE_LOOP.wait_after

    assert 30 * SECOND == wait_after(1, at_least=30 * SECOND, fraction=lambda: 0)
    assert 8 * SECOND == wait_after(4, at_least=SECOND, fraction=lambda: 0)


@given(st.integers(1, 10))
def test_a_wait_stays_between_its_bounds(attempt: int) -> None:
    """From base * 2^(n-1) to that plus less than the jitter, with real chance."""
    wait = SAFE_LOOP.wait_after(attempt)

    assert SECOND * 2 ** (attempt - 1) <= wait < SECOND * (2 ** (attempt - 1) + 1)


@given(st.integers(0, 100_000))
def test_doubling_ends_at_its_most(count: int) -> None:
    """However often it was doubled, it neither overflows nor passes the cap."""
    hour = timedelta(hours=1)

    assert SECOND <= doubling(SECOND, count, most=hour) <= hour
    assert doubling(SECOND, count, most=hour) <= doubling(SECOND, count + 1, most=hour)
