"""Hear what other replicas woke: LISTEN on a connection of its own, next to the pool.

A wake-up only says "look now". Nothing depends on hearing it: whoever waits also polls, so
a lost notification costs the poll interval and nothing else. Behind PgBouncer in
transaction mode LISTEN hears nothing; there it is switched off.
"""

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import structlog

from payops.infra.connecting import opened
from payops.infra.db import CHANNEL
from payops.infra.settings.database import address_of
from payops.kernel.retrying import doubling

log = structlog.get_logger(__name__)

_CONNECT_SECONDS = 5
_CHECK_SECONDS = 30  # a peer that vanished without a word is noticed by asking
_ANSWER_SECONDS = 5
_WAIT_FIRST = timedelta(milliseconds=250)
_WAIT_MAX = timedelta(seconds=15)
_FAILURES = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)  # a TimeoutError is an OSError


class Wakeup:
    """One subscriber's bell for one topic. Rings that nobody waited for are remembered as one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()

    async def wait(self, at_most: timedelta) -> bool:
        """Wait for a ring, at most that long; whether there was one. Ready for the next."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most.total_seconds()):
                await self._rung.wait()
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


class Wakeups:
    """Who in this process wants to know of which topic. Topics are few and fixed by the code."""

    def __init__(self) -> None:
        self._calls: dict[str, list[Callable[[], None]]] = {}

    def subscribe(self, topic: str) -> Wakeup:
        """A bell that rings whenever ``topic`` is woken."""
        wakeup = Wakeup()
        self.call(topic, wakeup.ring)
        return wakeup

    def call(self, topic: str, call: Callable[[], None]) -> None:
        """``call`` whenever ``topic`` is woken: for work of microseconds, such as forgetting."""
        self._calls.setdefault(topic, []).append(call)

    def wake(self, topic: str) -> None:
        """Ring for ``topic``; one nobody asked for is ignored. Fits ``Database.on_wake``."""
        for call in self._calls.get(topic, ()):
            try:
                call()
            except Exception as error:  # noqa: BLE001 - one subscriber's fault is its own
                log.warning("wakeup.failed", topic=topic, error=type(error).__name__)

    def wake_all(self) -> None:
        """After a silence in which anything may have been missed."""
        for topic in list(self._calls):
            self.wake(topic)


class Listener:
    """Feeds the notifications of all replicas into ``wakeups``, reconnecting for ever.

    ``changed`` is told whether it is connected: the place for a metric.
    """

    def __init__(
        self,
        url: str,
        wakeups: Wakeups,
        *,
        changed: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._address = address_of(url)
        self._wakeups = wakeups
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._connected = False

    @property
    def is_connected(self) -> bool:
        return self._connected

    def start(self) -> None:
        """Listen in the background from now on; being unable to connect is not an error."""
        self._task = asyncio.create_task(self._listen_for_ever(), context=contextvars.Context())

    async def stop(self) -> None:
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        self._set_connected(now=False)

    async def _listen_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen()
            except _FAILURES as error:
                was_connected = self._connected
                self._set_connected(now=False)
                failures = 0 if was_connected else failures + 1
                wait = doubling(_WAIT_FIRST, failures, most=_WAIT_MAX)
                log.warning("listener.disconnected", error=type(error).__name__, failures=failures)
                await asyncio.sleep(wait.total_seconds())

    async def _listen(self) -> None:
        """Listen until the connection fails, which is the only way out but cancellation."""
        connection = await opened(
            self._address,
            timeout_seconds=_CONNECT_SECONDS,
            statement_cache_size=0,
            server_settings={"application_name": "payops-listener"},
        )
        try:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(CHANNEL, self._hear)
            self._set_connected(now=True)
            # Whatever was sent while nobody listened is gone: let everybody look once.
            self._wakeups.wake_all()
            await self._until_lost(connection, lost)
        finally:
            # Not closed politely: after a cancellation nobody would wait for the answer.
            connection.terminate()

    async def _until_lost(self, connection: Any, lost: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_SECONDS):
                    await lost.wait()
            if lost.is_set():
                raise ConnectionResetError("the listening connection was closed")
            await connection.execute("SELECT 1", timeout=_ANSWER_SECONDS)

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._wakeups.wake(str(payload))

    def _set_connected(self, *, now: bool) -> None:
        if now != self._connected:
            self._connected = now
            self._changed(now)
            if now:
                log.info("listener.connected")
