"""Velocity limits, to the second and to the shilling, around Nairobi's midnight."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.fraud.domain.rules import Action, Measure, Mode, Rule, Scope, Window
from payops.fraud.domain.velocity import Assessment, Done, RuleSet, judge
from tests.support.velocity import ANY_RULES, HISTORIES, HOURLY, MINUTE, NOON, RULES, done

MIDNIGHT = datetime(2026, 11, 21, 21, 0, tzinfo=UTC)  # the one before it
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def assessed(
    history: Sequence[Done], kes: int = 100, to: Sequence[Done] = (), rules: RuleSet = RULES
) -> Assessment:
    return rules.for_withdrawals(history, to, kes * 100, NOON)


def refusal(history: Sequence[Done], kes: int = 100) -> tuple[str, int] | None:
    """The words and the seconds to wait, or ``None`` when it passes."""
    error = assessed(history, kes).refusal
    return (str(error), error.retry_after_seconds or 0) if error else None


@pytest.mark.parametrize("history", [[], done(1), done(1, 2), done(1, 2, 60), done(60, 60, 60)])
def test_up_to_three_an_hour_pass(history: list[Done]) -> None:
    """One of exactly an hour ago does not count any more."""
    assert None is refusal(history)


def test_the_fourth_in_an_hour_waits_for_the_oldest_to_leave() -> None:
    """The oldest of the last three frees its slot an hour after it was taken."""
    words = "Withdrawal limit exceeded (3/hour). Try again later."

    assert (words, 600) == refusal(done(1, 20, 50))
    assert (words, 40 * 60) == refusal(done(1, 2, 20, 59))


def test_a_part_of_a_second_is_waited_for_in_full() -> None:
    """Rounded up, and never zero."""
    history = [Done(NOON - HOUR + timedelta(milliseconds=1), 100)] * 3

    assert 1 == (refusal(history) or ("", 0))[1]


def test_the_daily_sum_is_reached_and_not_passed() -> None:
    """Half a million exactly is within it; one shilling more is not, until Nairobi's midnight."""
    history = done(200, kes=400_000)

    assert None is refusal(history, kes=100_000)
    assert (
        "Daily withdrawal limit exceeded (KES 500,000/day). Try again later.",
        12 * 3600,
    ) == refusal(history, kes=100_001)


def test_of_two_limits_the_longer_wait_is_told() -> None:
    """Or else the caller would come back only to meet the other."""
    history = [*done(200, kes=500_000), *done(1, 2, 3)]

    assert ("Daily withdrawal limit", 12 * 3600) == (
        (refusal(history) or ("", 0))[0][:22],
        (refusal(history) or ("", 0))[1],
    )


def test_yesterday_in_nairobi_does_not_count_today() -> None:
    """The day turns at 21:00 UTC."""
    assert None is refusal([Done(MIDNIGHT - SECOND, 50_000_000)])
    assert None is not refusal([Done(MIDNIGHT, 50_000_000)])


def test_what_others_sent_to_a_number_counts_for_it() -> None:
    """A rule of the recipient; failed ones brought it nothing and do not count."""
    received, failed = done(5, 6, kes=250_000), done(5, 6, kes=250_000, is_failed=True)
    words = "Daily recipient limit exceeded (KES 500,000/day). Try again later."

    assert words == str(assessed([], 1, received).refusal)
    assert None is assessed([], 1, failed).refusal


def test_failed_ones_count_for_the_user() -> None:
    """Whatever became of it: trying often is what the limit is about."""
    assert None is not refusal(done(1, 2, 3, is_failed=True))


def test_a_rolling_sum_waits_until_enough_has_left() -> None:
    """Not for the first that leaves, and for a whole window if it could never pass."""
    rule = Rule("user-sum", Scope.USER, Action.WITHDRAWAL, Measure.SUM, Window(2), limit=100_000)
    history = [Done(NOON - n * MINUTE, kes * 100) for n, kes in ((100, 300), (50, 400), (10, 300))]

    assert 20 * 60 == judge(rule, history, 30_000, NOON).wait_seconds
    assert 70 * 60 == judge(rule, history, 30_001, NOON).wait_seconds
    assert 2 * 3600 == judge(rule, history, 100_001, NOON).wait_seconds


def test_a_rule_in_the_shadow_finds_and_does_not_refuse() -> None:
    """Its hit is among the findings."""
    shadow = RuleSet((replace(HOURLY, mode=Mode.SHADOW),))

    found = assessed(done(1, 2, 3), rules=shadow)

    assert None is found.refusal
    assert [True] == [finding.is_hit for finding in found.findings]


def test_what_is_left_is_told_of_the_users_own_limits() -> None:
    """After this one; shillings for sums; nothing of what others sent to the same number."""
    found = assessed(done(10, kes=1_000), 250, done(5, kes=70_000))

    assert (
        '"user-withdrawals-per-hour";r=1;t=3000, "user-withdrawal-kes-per-day";r=498750;t=43200'
    ) == found.header


def test_rules_that_are_off_need_no_history() -> None:
    """Nor does a scope without rules."""
    rules = RuleSet((replace(HOURLY, mode=Mode.OFF),))

    assert None is rules.reach(Action.WITHDRAWAL, NOON)
    assert None is RULES.reach(Action.DEPOSIT, NOON, scope=Scope.RECIPIENT)
    assert NOON - HOUR == RULES.reach(Action.DEPOSIT, NOON)
    assert MIDNIGHT == RULES.reach(Action.WITHDRAWAL, NOON)


def test_the_sixth_deposit_in_an_hour_is_refused() -> None:
    """In the agreed words."""
    assert None is RULES.for_deposits(done(1, 2, 3, 4), NOON).refusal
    error = RULES.for_deposits(done(1, 2, 3, 4, 30), NOON).refusal

    assert "Deposit limit exceeded (5/hour). Try again later." == str(error)
    assert error is not None
    assert 1800 == error.retry_after_seconds


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
    assert midnight == Window().start(now)


@given(ANY_RULES, HISTORIES, st.integers(1, 500))
def test_the_wait_that_is_told_is_exact(rule: Rule, history: list[Done], kes: int) -> None:
    """After it the same request passes, unless it never could; a second earlier it does not."""
    found = judge(rule, history, kes * 100, NOON)

    if found.is_hit and found.adds <= rule.limit:
        later = NOON + timedelta(seconds=found.wait_seconds)
        assert not judge(rule, history, kes * 100, later).is_hit
        if found.wait_seconds > 1:
            assert judge(rule, history, kes * 100, later - SECOND).is_hit


@given(ANY_RULES, HISTORIES, st.integers(1, 500))
def test_a_hit_is_exactly_what_would_pass_the_limit(
    rule: Rule, history: list[Done], kes: int
) -> None:
    """The sum over the window, however it is written down."""
    start = Window.start(rule.window, NOON)
    inside = [
        one
        for one in history
        if (one.at >= start if rule.window.hours is None else one.at > start)
        and not (one.is_failed and not rule.counts_failed)
    ]
    size = sum(one.amount_minor for one in inside) + kes * 100
    total = size if rule.measure is Measure.SUM else len(inside) + 1

    assert (total > rule.limit) is judge(rule, history, kes * 100, NOON).is_hit
