"""Answers that are remembered for a while, and asked for once however many want them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from payops.deposits.ports import NoAnswer

Value = TypeVar("Value")

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Known(Generic[Value]):
    answer: Value | NoAnswer
    until_ns: int


class Memory(Generic[Value]):
    """By key, for ``seconds``; that there was no answer, for ``seconds_after_failure``.

    With ``keeps_last`` an old answer is given again while there is no new one. The asking
    runs in a task of its own: who asked first may go without taking it from the others.
    Keys are few and known; none is ever dropped. ``now_ns`` is a monotonic clock.
    """

    def __init__(
        self,
        *,
        seconds: int,
        seconds_after_failure: int,
        keeps_last: bool = False,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._seconds = seconds
        self._seconds_after_failure = seconds_after_failure
        self._keeps_last = keeps_last
        self._now_ns = now_ns
        self._known: dict[str, _Known[Value]] = {}
        self._asking: dict[str, asyncio.Task[Value | NoAnswer]] = {}

    async def get(
        self, key: str, ask: Callable[[], Awaitable[Value | NoAnswer]]
    ) -> Value | NoAnswer:
        """What is remembered under ``key``, else what ``ask`` answers."""
        known = self._known.get(key)
        if known and self._now_ns() < known.until_ns:
            return known.answer
        asking = self._asking.get(key)
        if asking is None:
            asking = self._asking[key] = asyncio.create_task(self._ask(key, ask))
            asking.add_done_callback(lambda _: self._asking.pop(key, None))
        return await asyncio.shield(asking)

    async def _ask(
        self, key: str, ask: Callable[[], Awaitable[Value | NoAnswer]]
    ) -> Value | NoAnswer:
        answer = await ask()
        failed = isinstance(answer, NoAnswer)
        last = self._known.get(key)
        if failed and self._keeps_last and last is not None:
            answer = last.answer
        seconds = self._seconds_after_failure if failed else self._seconds
        self._known[key] = _Known(answer, self._now_ns() + seconds * _NS)
        return answer
