"""No item is left behind: whatever is queued, somebody is on the way to it."""

import asyncio
from collections.abc import Sequence

import pytest

from payops.infra.batching import Batcher

_SECONDS_MAX = 2


@pytest.mark.parametrize("lanes", [1, 2])
async def test_an_item_that_comes_as_the_last_lane_ends_is_run(lanes: int) -> None:
    """Queued after a lane saw nothing more to do, and before the loop knew of its end."""
    door = asyncio.get_running_loop().create_future()

    async def run(batch: Sequence[int]) -> list[int]:
        if not door.done():
            # Wakes the latecomer in the very next step of the loop; this lane ends in this one.
            door.set_result(None)
        return [number * 2 for number in batch]

    batcher: Batcher[int, int] = Batcher(run, lanes=lanes)

    async def late() -> int:
        await door
        return await batcher.submit(2)

    latecomer = asyncio.create_task(late())
    await asyncio.sleep(0)
    async with asyncio.timeout(_SECONDS_MAX):
        first = [batcher.submit(1) for _ in range(lanes)]
        assert [2] * lanes == await asyncio.gather(*first)
        assert 4 == await latecomer


async def test_nothing_is_left_behind_whenever_it_comes() -> None:
    """Every distance from the end of a lane, in steps of the loop."""
    answered: list[int] = []

    async def run(batch: Sequence[int]) -> list[int]:
        await asyncio.sleep(0)
        return list(batch)

    batcher: Batcher[int, int] = Batcher(run, size_max=3, lanes=2)

    async def submit(number: int) -> None:
        for _ in range(number % 13):
            await asyncio.sleep(0)
        answered.append(await batcher.submit(number))

    async with asyncio.timeout(_SECONDS_MAX):
        await asyncio.gather(*(submit(number) for number in range(500)))
        await batcher.drained()

    assert list(range(500)) == sorted(answered)


async def test_drained_also_waits_for_a_latecomer() -> None:
    """A stop that has waited for all lanes leaves no item without an answer."""
    door = asyncio.get_running_loop().create_future()
    runs: list[list[int]] = []

    async def run(batch: Sequence[int]) -> list[int]:
        runs.append(list(batch))
        if not door.done():
            door.set_result(None)
        return list(batch)

    batcher: Batcher[int, int] = Batcher(run)

    async def late() -> None:
        await door
        await batcher.submit(2)

    latecomer = asyncio.create_task(late())
    await asyncio.sleep(0)
    async with asyncio.timeout(_SECONDS_MAX):
        await batcher.submit(1)
        await batcher.drained()
        assert [[1], [2]] == runs
        await latecomer
