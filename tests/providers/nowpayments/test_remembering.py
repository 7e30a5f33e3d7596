"""Answers are remembered for a while, and asked for once however many want them."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

import pytest

from payops.deposits.ports import NoAnswer
from payops.providers.nowpayments.remembering import Memory

AWAY = NoAnswer("away", is_outage=True)


@dataclass(slots=True)
class Asked:
    """Answers in the order given, once it may; counts how often it was asked."""

    answers: deque[int | NoAnswer]
    times: int = 0
    now_ns: int = 0
    may: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may.set()

    async def __call__(self) -> int | NoAnswer:
        self.times += 1
        await self.may.wait()
        return self.answers.popleft()

    def passes(self, seconds: int) -> None:
        self.now_ns += seconds * 1_000_000_000

    def memory(self, *, keeps_last: bool = False) -> Memory[int]:
        return Memory(
            seconds=60,
            seconds_after_failure=5,
            keeps_last=keeps_last,
            now_ns=lambda: self.now_ns,
        )


def asked(*answers: int | NoAnswer) -> Asked:
    return Asked(deque(answers))


async def test_an_answer_is_remembered_until_its_time_is_over() -> None:
    """To the second."""
    ask = asked(1, 2)
    memory = ask.memory()

    assert 1 == await memory.get("a", ask)
    ask.passes(59)
    assert 1 == await memory.get("a", ask)
    ask.passes(1)
    assert 2 == await memory.get("a", ask)


async def test_each_key_has_its_own_answer() -> None:
    """One is not given for another."""
    ask = asked(1, 2)
    memory = ask.memory()

    assert [1, 2, 1] == [await memory.get(key, ask) for key in ("a", "b", "a")]


async def test_a_failure_is_remembered_for_a_shorter_while() -> None:
    """So that nobody waits for a time-out who need not, and nobody is turned away for long."""
    ask = asked(AWAY, 1)
    memory = ask.memory()

    assert AWAY == await memory.get("a", ask)
    ask.passes(4)
    assert AWAY == await memory.get("a", ask)
    ask.passes(1)
    assert 1 == await memory.get("a", ask)


async def test_the_last_answer_stands_in_while_there_is_no_new_one() -> None:
    """And it is asked for again soon."""
    ask = asked(1, AWAY, AWAY, 2)
    memory = ask.memory(keeps_last=True)

    assert 1 == await memory.get("a", ask)
    ask.passes(60)
    assert 1 == await memory.get("a", ask)
    ask.passes(5)
    assert 1 == await memory.get("a", ask)
    ask.passes(5)
    assert 2 == await memory.get("a", ask)
    assert 4 == ask.times


async def test_without_a_last_answer_there_is_none() -> None:
    """A failure is not an answer to keep."""
    ask = asked(AWAY, AWAY, 1)
    memory = ask.memory(keeps_last=True)

    assert AWAY == await memory.get("a", ask)
    ask.passes(5)
    assert AWAY == await memory.get("a", ask)
    ask.passes(5)
    assert 1 == await memory.get("a", ask)


async def test_many_who_want_to_know_ask_once() -> None:
    """A hundred invoices at once are one question."""
    ask = asked(1)
    ask.may.clear()
    memory = ask.memory()
    waiting = [asyncio.create_task(memory.get("a", ask)) for _ in range(100)]
    await asyncio.sleep(0)
    ask.may.set()

    assert [1] * 100 == await asyncio.gather(*waiting)
    assert 1 == ask.times


async def test_who_asked_first_may_go_without_taking_the_answer_along() -> None:
    """Its client has hung up; the others still wait."""
    ask = asked(1)
    ask.may.clear()
    memory = ask.memory()
    first = asyncio.create_task(memory.get("a", ask))
    second = asyncio.create_task(memory.get("a", ask))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    ask.may.set()

    assert 1 == await second
    assert 1 == ask.times


async def test_a_fault_of_ours_is_told_to_all_and_not_remembered() -> None:
    """The next one asks anew."""
    ask = asked()
    memory = ask.memory()
    for _ in range(2):
        with pytest.raises(IndexError):
            await memory.get("a", ask)

    assert 2 == ask.times
