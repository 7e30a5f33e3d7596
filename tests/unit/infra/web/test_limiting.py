"""The abuse limit."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payops.infra.web.limiting import RateLimit, RateLimited


@dataclass
class Seconds:
    now: int = 0

    def __call__(self) -> int:
        return self.now


def passes(limit: RateLimit, caller: str = "a") -> bool:
    try:
        limit.count(caller)
    except RateLimited:
        return False
    return True


def test_a_caller_has_so_many_requests_and_others_have_theirs() -> None:
    """Callers do not share a count."""
    limit = RateLimit(3, Seconds())

    assert [True, True, True, False] == [passes(limit) for _ in range(4)]
    assert passes(limit, "b")


def test_zero_is_off() -> None:
    """Nothing is counted when the limit is off."""
    limit = RateLimit(0, Seconds())

    assert all(passes(limit) for _ in range(10_000))


def test_there_is_no_double_burst_at_the_turn_of_the_minute() -> None:
    """The last minute still counts just after it is over."""
    seconds = Seconds(59)
    limit = RateLimit(10, seconds)
    assert 10 == sum(passes(limit) for _ in range(20))

    seconds.now = 60
    assert 0 == sum(passes(limit) for _ in range(20))

    seconds.now = 90
    assert 5 == sum(passes(limit) for _ in range(20))


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=1, max_size=8),
)
def test_the_wait_that_is_named_is_just_long_enough(
    per_minute: int, bursts: list[tuple[int, int]]
) -> None:
    """After ``Retry-After`` seconds a request passes, and one second earlier none does."""
    seconds = Seconds(1000)
    limit = RateLimit(per_minute, seconds)
    for pause, requests in bursts:
        seconds.now += pause
        for _ in range(requests):
            passes(limit)
    try:
        limit.require_room("a")
    except RateLimited as refused:
        wait = refused.retry_after_seconds
        assert wait is not None
    else:
        return

    seconds.now += wait - 1
    with pytest.raises(RateLimited):
        limit.require_room("a")
    seconds.now += 1
    limit.require_room("a")


def test_memory_is_bounded() -> None:
    """A flood of new callers shares one count instead of filling the memory."""
    limit = RateLimit(3, Seconds(), callers_max=5)

    passed = sum(passes(limit, f"caller {n}") for n in range(100))

    assert 5 + 3 == passed
    assert passes(limit, "caller 0")
