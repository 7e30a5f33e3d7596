"""Trying a rule on the past gives what enforcing it would have given."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from payops.fraud.domain.backtesting import Past, replay
from payops.fraud.domain.rules import Rule
from payops.fraud.domain.velocity import Done, judge
from tests.support.velocity import ANY_RULES, HISTORIES, HOURLY, NOON

SINCE = NOON - timedelta(hours=2)


def test_what_would_have_been_refused_does_not_count_afterwards() -> None:
    """Every fifteen minutes, three an hour: one in four is stopped, not all after the third."""
    moments = [NOON - timedelta(minutes=15 * n) for n in range(8, 0, -1)]
    history = [Past("u", "u", Done(moment, 100)) for moment in moments]

    found = replay(HOURLY, history, moments[0])

    assert (8, 2, 200) == (found.considered, found.stopped, found.stopped_minor)


@given(ANY_RULES, st.dictionaries(st.sampled_from("abc"), HISTORIES))
def test_a_backtest_is_enforcement_one_by_one(rule: Rule, histories: dict[str, list[Done]]) -> None:
    """Each request is judged by what passed before it, as the live decision would."""
    stopped: list[Done] = []
    for whom in sorted(histories):
        passed: list[Done] = []
        for done in histories[whom]:
            is_hit = done.at >= SINCE and judge(rule, passed, done.amount_minor, done.at).is_hit
            (stopped if is_hit else passed).append(done)
    past = [Past(whom, whom, done) for whom in sorted(histories) for done in histories[whom]]

    found = replay(rule, past, SINCE)

    assert (len(stopped), sum(done.amount_minor for done in stopped)) == (
        found.stopped,
        found.stopped_minor,
    )
