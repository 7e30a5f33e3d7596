"""The circuit breaker against a clock that the test moves."""

import pytest

from payops.kernel.breaker import Breaker, Circuit

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.ns = 5 * SECOND

    def __call__(self) -> int:
        return self.ns

    def passes(self, seconds: int) -> None:
        self.ns += seconds * SECOND


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(failures_max=3, open_seconds=30, now_ns=clock)


def fail(breaker: Breaker, times: int) -> list[bool]:
    return [breaker.failed() for _ in range(times)]


def test_it_lets_everything_through_while_closed(breaker: Breaker) -> None:
    """A new breaker is closed and admits as many as are wanted."""
    assert Circuit.CLOSED == breaker.circuit
    assert 7 == breaker.admit(7)
    assert 0 == breaker.seconds_until_trial


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    """The last of failures_max failures in a row opens it, and says so once."""
    assert [False, False, True] == fail(breaker, 3)

    assert Circuit.OPEN == breaker.circuit
    assert 0 == breaker.admit(7)
    assert not breaker.failed()


def test_a_success_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    """Failures that are not in a row do not open it."""
    fail(breaker, 2)
    assert not breaker.succeeded()

    assert [False, False] == fail(breaker, 2)
    assert Circuit.CLOSED == breaker.circuit


def test_tripping_opens_it_at_once(breaker: Breaker) -> None:
    """One trip is enough; a second one says that it was open already, and waits anew."""
    assert breaker.trip()
    assert not breaker.trip()
    assert Circuit.OPEN == breaker.circuit


def test_one_trial_passes_when_the_time_has_come(breaker: Breaker, clock: Clock) -> None:
    """Not a second early; then exactly one, however many are wanted."""
    breaker.trip()
    clock.passes(29)
    assert 0 == breaker.admit(7)
    assert 1 == breaker.seconds_until_trial

    clock.passes(1)
    assert 0 == breaker.seconds_until_trial
    assert 0 == breaker.admit(0)
    assert 1 == breaker.admit(7)

    assert Circuit.HALF_OPEN == breaker.circuit
    assert 0 == breaker.admit(7)


def test_part_of_a_second_is_waited_for_as_a_whole_one(breaker: Breaker, clock: Clock) -> None:
    """The time until the next trial is rounded up, never to zero too early."""
    breaker.trip()
    clock.ns += 1

    assert 30 == breaker.seconds_until_trial


def test_a_trial_that_succeeds_closes_it(breaker: Breaker, clock: Clock) -> None:
    """After a good trial everything passes again and the count starts at nothing."""
    fail(breaker, 3)
    clock.passes(30)
    breaker.admit()

    assert breaker.succeeded()

    assert Circuit.CLOSED == breaker.circuit
    assert [False, False, True] == fail(breaker, 3)


def test_a_trial_that_fails_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    """One failed trial is enough for another full wait; it was not closed, so that is no news."""
    fail(breaker, 3)
    clock.passes(30)
    breaker.admit()

    assert not breaker.failed()

    assert Circuit.OPEN == breaker.circuit
    assert 30 == breaker.seconds_until_trial


def test_a_trial_that_never_reports_is_followed_by_another(breaker: Breaker, clock: Clock) -> None:
    """A trial whose task died holds its place for open_seconds only."""
    breaker.trip()
    clock.passes(30)
    breaker.admit()

    clock.passes(29)
    assert 0 == breaker.admit()
    clock.passes(1)
    assert 1 == breaker.admit()


def test_an_answer_from_before_does_not_close_it(breaker: Breaker) -> None:
    """A request that began before the breaker opened says nothing about now."""
    breaker.trip()

    assert not breaker.succeeded()
    assert Circuit.OPEN == breaker.circuit


def test_a_trial_that_is_not_used_can_be_given_back(breaker: Breaker, clock: Clock) -> None:
    """With nothing to send the trial is free for the next one at once."""
    breaker.trip()
    clock.passes(30)
    breaker.admit()

    breaker.give_back()

    assert Circuit.OPEN == breaker.circuit
    assert 1 == breaker.admit()


def test_giving_back_nothing_changes_nothing(breaker: Breaker) -> None:
    """Only an admitted trial can be given back."""
    breaker.give_back()
    assert Circuit.CLOSED == breaker.circuit

    breaker.trip()
    breaker.give_back()
    assert 30 == breaker.seconds_until_trial


@pytest.mark.parametrize(("failures_max", "open_seconds"), [(0, 30), (3, 0)])
def test_its_limits_are_positive(failures_max: int, open_seconds: int) -> None:
    """A breaker that is always open, or never waits, is a mistake in the settings."""
    with pytest.raises(ValueError, match="positive"):
        Breaker(failures_max=failures_max, open_seconds=open_seconds)
