"""Velocity limits, to the second and to the shilling, around Nairobi's midnight."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.fraud.domain import HOUR, Done, WithdrawalLimits, day_start, window_start
from payops.fraud.errors import VelocityLimitExceeded

NOON = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)  # in Nairobi
MIDNIGHT = datetime(2026, 11, 21, 21, 0, tzinfo=UTC)  # the one before it
LIMITS = WithdrawalLimits(per_hour=3, kes_per_day=500_000)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def done(*minutes_ago: int, kes: int = 100) -> list[Done]:
    return [Done(NOON - minutes * MINUTE, kes * 100) for minutes in sorted(minutes_ago)[::-1]]


def refusal(
    limits: WithdrawalLimits, history: list[Done], kes: int = 100
) -> tuple[str, int] | None:
    """The words and the seconds to wait, or ``None`` when it passes."""
    try:
        limits.check(history, kes * 100, NOON)
    except VelocityLimitExceeded as error:
        return str(error), error.retry_after_seconds or 0
    return None


@pytest.mark.parametrize("history", [[], done(1), done(1, 2), done(1, 2, 60), done(60, 60, 60)])
def test_up_to_three_an_hour_pass(history: list[Done]) -> None:
    """One of exactly an hour ago does not count any more."""
    assert None is refusal(LIMITS, history)


def test_the_fourth_in_an_hour_waits_for_the_oldest_to_leave() -> None:
    """The oldest of the last three frees its slot an hour after it was taken."""
    words = "Withdrawal limit exceeded (3/hour). Try again later."

    assert (words, 600) == refusal(LIMITS, done(1, 20, 50))
    assert (words, 40 * 60) == refusal(LIMITS, done(1, 2, 20, 59))


def test_a_part_of_a_second_is_waited_for_in_full() -> None:
    """Rounded up, and never zero."""
    history = [Done(NOON - HOUR + timedelta(milliseconds=1), 100)] * 3

    assert 1 == (refusal(LIMITS, history) or ("", 0))[1]


def test_the_daily_sum_is_reached_and_not_passed() -> None:
    """Half a million exactly is within it; one shilling more is not, until Nairobi's midnight."""
    history = done(200, kes=400_000)

    assert None is refusal(LIMITS, history, kes=100_000)
    assert (
        "Daily withdrawal limit exceeded (KES 500,000/day). Try again later.",
        12 * 3600,
    ) == refusal(LIMITS, history, kes=100_001)


def test_yesterday_in_nairobi_does_not_count_today() -> None:
    """The day turns at 21:00 UTC."""
    late = [Done(MIDNIGHT - SECOND, 50_000_000)]
    early = [Done(MIDNIGHT, 50_000_000)]

    assert None is refusal(LIMITS, late)
    assert None is not refusal(LIMITS, early)


@pytest.mark.parametrize("off", [WithdrawalLimits(0, 0), WithdrawalLimits(1_000, 0)])
def test_zero_switches_a_limit_off(off: WithdrawalLimits) -> None:
    """Not: nothing is allowed."""
    assert None is refusal(off, done(*range(1, 50), kes=250_000), kes=250_000)


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        (NOON, MIDNIGHT),
        (MIDNIGHT, MIDNIGHT),
        (MIDNIGHT - SECOND, MIDNIGHT - timedelta(days=1)),
    ],
)
def test_a_day_begins_at_midnight_in_nairobi(now: datetime, midnight: datetime) -> None:
    """To the second."""
    assert midnight == day_start(now)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - the strategy adds the zone
def test_the_window_reaches_back_far_enough_for_every_limit(now: datetime) -> None:
    """Also in the first hour of a day."""
    start = window_start(now)

    assert start <= now - HOUR
    assert start <= day_start(now) <= now < day_start(now) + timedelta(days=1)
