"""Batches of one or more: order, isolation of failures, and callers who leave."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta

import pytest

from payops.infra.batching import Batcher, Overloaded


class Till:
    """Doubles numbers, once it is let; remembers the batches it saw."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def run(self, batch: Sequence[int]) -> list[int]:
        self.batches.append(list(batch))
        await self.open.wait()
        if 13 in batch:
            raise ZeroDivisionError
        return [number * 2 for number in batch]


async def submitted(batcher: Batcher[int, int], *numbers: int) -> list[asyncio.Task[int]]:
    """Tasks that have all reached the queue."""
    tasks = [asyncio.create_task(batcher.submit(number)) for number in numbers]
    await asyncio.sleep(0)
    return tasks


async def test_one_alone_does_not_wait_for_company() -> None:
    """An idle service adds no delay."""
    till = Till()

    assert 2 == await Batcher(till.run).submit(1)
    assert [[1]] == till.batches


async def test_what_comes_while_busy_shares_the_next_batch() -> None:
    """In order, and everybody gets their own result."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run)
    till.open.clear()
    first = await submitted(batcher, 1)
    rest = await submitted(batcher, 2, 3, 4)
    till.open.set()

    assert [2, 4, 6, 8] == await asyncio.gather(*first, *rest)
    assert [[1], [2, 3, 4]] == till.batches


async def test_a_batch_has_a_largest_size() -> None:
    """The rest goes into the one after."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run, size_max=2)

    await asyncio.gather(*(await submitted(batcher, 1, 2, 3, 4, 5)))

    assert [[1, 2], [3, 4], [5]] == till.batches


async def test_lanes_bound_what_is_in_flight() -> None:
    """Two batches at a time, never three."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run, size_max=1, lanes=2)
    till.open.clear()
    tasks = await submitted(batcher, 1, 2, 3, 4)
    await asyncio.sleep(0)

    assert 2 == len(till.batches)
    till.open.set()
    assert [2, 4, 6, 8] == await asyncio.gather(*tasks)


async def test_batches_that_are_kept_apart_gather_single_items() -> None:
    """The first waits for nobody; what trickles in soon after shares one batch, a while later."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run, lanes=2, apart=timedelta(milliseconds=200))
    began_ns = time.monotonic_ns()

    await batcher.submit(1)
    at_once_ns = time.monotonic_ns() - began_ns
    tasks = []
    for number in (2, 3, 4):
        tasks += await submitted(batcher, number)
        for _ in range(5):  # long enough for a batch of its own, were it to begin at once
            await asyncio.sleep(0)

    assert [4, 6, 8] == await asyncio.gather(*tasks)
    assert [[1], [2, 3, 4]] == till.batches
    assert at_once_ns < 150_000_000
    assert time.monotonic_ns() - began_ns >= 199_000_000


async def test_a_full_batch_is_not_kept_waiting() -> None:
    """Not when it fills up while it waits, either: being apart is for the small ones."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run, size_max=2, apart=timedelta(hours=1))
    await batcher.submit(1)

    waiting = await submitted(batcher, 2)
    await asyncio.sleep(0)
    assert [[1]] == till.batches
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting, *(await submitted(batcher, 3)))
        await asyncio.gather(*(await submitted(batcher, 4, 5)))
        waiting = await submitted(batcher, 6)
        await asyncio.sleep(0)
        assert [[1], [2, 3], [4, 5]] == till.batches
        await asyncio.gather(*waiting, *(await submitted(batcher, 7)))

    assert [[1], [2, 3], [4, 5], [6, 7]] == till.batches


async def test_a_lane_that_finds_nothing_left_runs_nothing() -> None:
    """Two lanes wait for the same turn; the first takes all."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run, lanes=2, apart=timedelta(milliseconds=20))
    await batcher.submit(1)

    await asyncio.gather(*(await submitted(batcher, 2, 3)))
    await batcher.drained()

    assert [[1], [2, 3]] == till.batches
    assert 8 == await batcher.submit(4)


async def test_one_poisoned_item_costs_only_itself() -> None:
    """The batch is taken apart; the others get what they came for."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run)

    results = await asyncio.gather(*(await submitted(batcher, 1, 13, 3)), return_exceptions=True)

    assert [2, ZeroDivisionError, 6] == [
        type(result) if isinstance(result, BaseException) else result for result in results
    ]
    assert [[1, 13, 3], [1], [13], [3]] == till.batches


async def test_an_item_alone_is_not_run_twice() -> None:
    """Its error is its answer."""
    till = Till()

    with pytest.raises(ZeroDivisionError):
        await Batcher(till.run).submit(13)

    assert [[13]] == till.batches


async def test_a_caller_who_leaves_takes_nothing_back() -> None:
    """What was submitted is done, whoever still listens; a failure leaves no warning behind."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run)
    till.open.clear()
    tasks = await submitted(batcher, 1, 13)

    for task in tasks:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    till.open.set()
    await batcher.drained()

    assert [asyncio.CancelledError] * 2 == [type(result) for result in results]
    assert [[1, 13], [1], [13]] == till.batches


async def test_a_full_queue_is_refused_at_the_door() -> None:
    """Waiting without end helps nobody; those inside are served."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run, size_max=1, queue_max=2)
    till.open.clear()
    first = await submitted(batcher, 1)
    await asyncio.sleep(0)
    rest = await submitted(batcher, 2, 3)

    with pytest.raises(Overloaded):
        await batcher.submit(4)

    till.open.set()
    assert [2, 4, 6] == await asyncio.gather(*first, *rest)
    assert 10 == await batcher.submit(5)


async def test_drained_waits_for_the_last_of_the_queue() -> None:
    """Also for what was queued behind a batch in flight."""
    till = Till()
    batcher: Batcher[int, int] = Batcher(till.run, size_max=1)
    tasks = await submitted(batcher, 1, 2, 3)

    await batcher.drained()

    assert [[1], [2], [3]] == till.batches
    assert [2, 4, 6] == await asyncio.gather(*tasks)
