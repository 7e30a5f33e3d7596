"""A batch of one or more: what waits while a commit is in flight shares the next one.

An idle service adds no wait, a busy one spreads the cost of a commit over everything that
queued meanwhile. Where nobody minds a few milliseconds, batches can be kept apart, so that
a steady stream of single items does not become a stream of commits.
"""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar, cast

from payops.kernel import errors

_NS = 1_000_000_000

Item = TypeVar("Item")
Result = TypeVar("Result")


class Overloaded(errors.Unavailable):
    code = "overloaded"
    title = "Too many requests are waiting"


@dataclass(slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    result: asyncio.Future[Result]


class Batcher(Generic[Item, Result]):
    """Gathers calls made while ``run`` is busy and hands them over together.

    ``run`` gets up to ``size_max`` items and returns one result each, in order. When it
    raises, each item of that batch is run alone, so one poisoned item costs only itself;
    ``run`` must therefore be safe to repeat. ``lanes`` batches may be in flight at once.
    Unless ``size_max`` items wait, a batch begins no sooner than ``apart`` after the one before.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        size_max: int = 64,
        lanes: int = 1,
        queue_max: int = 10_000,
        apart: timedelta = timedelta(),
    ) -> None:
        self._run = run
        self._size_max = size_max
        self._lanes = lanes
        self._queue_max = queue_max
        self._apart_ns = apart // timedelta(microseconds=1) * 1_000
        self._next_turn_ns = 0
        self._full = asyncio.Event()
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._busy: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """Queue ``item`` and wait for its result; being cancelled does not take it back.

        Raises:
            Overloaded: ``queue_max`` items wait already.
        """
        if len(self._queue) >= self._queue_max:
            raise Overloaded(retry_after_seconds=1)
        waiting: _Waiting[Item, Result] = _Waiting(item, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if len(self._queue) >= self._size_max:
            self._full.set()
        if len(self._busy) < self._lanes:
            # An empty context: a batch belongs to no single request.
            task = asyncio.create_task(self._drain(), context=contextvars.Context())
            self._busy.add(task)
        return await asyncio.shield(waiting.result)

    async def drained(self) -> None:
        """Return when nothing is queued or in flight."""
        while self._busy:
            await asyncio.wait(self._busy)

    async def _drain(self) -> None:
        try:
            await self._drain_queue()
        finally:
            # In the step that saw the queue empty: one later, and a submit in between would
            # find every lane busy and its item would wait for ever.
            self._busy.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _drain_queue(self) -> None:
        while self._queue:
            await self._turn()
            batch = self._take()
            if not batch:
                return  # another lane took it all meanwhile
            try:
                results = await self._run([waiting.item for waiting in batch])
            except Exception as error:  # noqa: BLE001 - handed to the caller
                await self._one_by_one(batch, error)
            else:
                for waiting, result in zip(batch, results, strict=True):
                    _answer(waiting, result)

    async def _turn(self) -> None:
        """Wait until the next batch may begin, or is full."""
        wait_ns = self._next_turn_ns - time.monotonic_ns()
        if wait_ns > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_ns / _NS):
                    await self._full.wait()
        self._next_turn_ns = time.monotonic_ns() + self._apart_ns

    def _take(self) -> list[_Waiting[Item, Result]]:
        size = min(len(self._queue), self._size_max)
        batch = [self._queue.popleft() for _ in range(size)]
        if len(self._queue) < self._size_max:
            self._full.clear()
        return batch

    async def _one_by_one(self, batch: Sequence[_Waiting[Item, Result]], error: Exception) -> None:
        if len(batch) == 1:
            _fail(batch[0], error)
            return
        for waiting in batch:
            try:
                (result,) = await self._run([waiting.item])
            except Exception as own_error:  # noqa: BLE001 - handed to the caller
                _fail(waiting, own_error)
            else:
                _answer(waiting, result)


def _answer(waiting: _Waiting[Item, Result], result: Result) -> None:
    if not waiting.result.done():
        waiting.result.set_result(result)


def _fail(waiting: _Waiting[Item, Result], error: Exception) -> None:
    if not waiting.result.done():
        waiting.result.set_exception(error)
        waiting.result.exception()  # a caller who left must not leave a warning behind
