"""Rules and histories that tests of velocity share, seen from one noon in Nairobi."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from payops.fraud.domain.rules import Action, Measure, Rule, Scope, Window, defaults
from payops.fraud.domain.velocity import Done, RuleSet

NOON = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)  # in Nairobi
MINUTE = timedelta(minutes=1)
HOURLY = Rule(
    "user-withdrawals-per-hour", Scope.USER, Action.WITHDRAWAL, Measure.COUNT, Window(1), 3
)
RULES = RuleSet(
    defaults(
        withdrawals_per_hour=3,
        deposits_per_hour=5,
        withdrawal_kes_per_day=500_000,
        recipient_kes_per_day=500_000,
    )
)

_MOMENTS = st.integers(0, 3 * 3600).map(lambda seconds: NOON - timedelta(seconds=seconds))
HISTORIES = st.lists(
    st.builds(Done, _MOMENTS, st.integers(1, 500).map(lambda kes: kes * 100), st.booleans()),
    max_size=12,
).map(lambda history: sorted(history, key=lambda one: one.at))
ANY_RULES = st.builds(
    Rule,
    st.just("any-rule"),
    st.sampled_from(Scope),
    st.just(Action.WITHDRAWAL),
    st.sampled_from(Measure),
    st.builds(Window, st.sampled_from([None, 1, 2])),
    st.integers(1, 100_000),
    counts_failed=st.booleans(),
)


def done(*minutes_ago: int, kes: int = 100, is_failed: bool = False) -> list[Done]:
    """Accepted so many minutes before noon, in order of time."""
    return [
        Done(NOON - minutes * MINUTE, kes * 100, is_failed) for minutes in sorted(minutes_ago)[::-1]
    ]
