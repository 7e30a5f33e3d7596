"""What runs beside the API: the payout dispatcher, the inbox drain, the question sweep, the
alerts, the jobs.

Each loop waits for its bell and polls behind it, so that a lost wake-up costs a poll and
not a payout. One that fails is logged and goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import structlog

from payops.alerts.domain import DELIVERIES, NOTICES
from payops.bootstrap import Services
from payops.deposits.service.recording import DUE as DEPOSITS
from payops.fraud.service.blocking import BLOCKS
from payops.fraud.service.devices import MESSAGES
from payops.infra.db import DatabaseUnavailable
from payops.infra.listening import Wakeup
from payops.ops.users import service as users
from payops.webhooks.domain import INBOX
from payops.withdrawals.service.requesting import DUE, QUESTIONS

log = structlog.get_logger(__name__)

_AFTER_ERROR = timedelta(seconds=1)


class Worker:
    """The loops of one process. ``start`` once, ``stop`` once."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._poll = timedelta(milliseconds=services.settings.worker.poll_ms)
        self._loops: list[asyncio.Task[None]] = []
        self._is_stopping = False

    def start(self) -> None:
        services = self._services
        self._loops = [
            self._loop("dispatch", services.wakeups.subscribe(DUE), self._dispatch),
            self._loop("sweep", services.wakeups.subscribe(QUESTIONS), services.reconciliation.due),
            self._loop("drain", services.wakeups.subscribe(INBOX), services.inbox.drain),
        ]
        codes, blocks = services.wakeups.subscribe(MESSAGES), services.wakeups.subscribe(BLOCKS)
        self._loops += [
            self._loop("codes", codes, services.fraud.messenger.deliver_due),
            self._loop("blocks", blocks, lambda: users.sweep(services.db, services.metrics)),
        ]
        bell = services.wakeups.subscribe(DEPOSITS)
        self._loops.append(self._loop("deposits", bell, services.deposits.reader.due))
        self._loops.append(
            self._loop("alerts", services.wakeups.subscribe(NOTICES), services.alerts.planner.plan)
        )
        for courier in services.alerts.couriers:
            bell = services.wakeups.subscribe(DELIVERIES)
            self._loops.append(self._loop(f"alerts-{courier.channel}", bell, courier.deliver_due))
        services.scheduler.start()

    async def stop(self) -> None:
        """Begin nothing more, finish what is on the wire or leave it to its lease."""
        within = self._services.settings.worker.drain_seconds
        # Not cancelled: an attempt written down and then not sent would have to be asked about.
        self._is_stopping = True
        self._services.sender.begin_no_more()
        self._services.alerts.begin_no_more()
        self._services.wakeups.wake_all()
        began = time.monotonic()
        _, late = await asyncio.wait(self._loops, timeout=within)
        for loop in late:
            loop.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await self._services.sender.stop(max(0, within - int(time.monotonic() - began)))
        await self._services.scheduler.stop(timedelta(seconds=2))

    async def _dispatch(self) -> None:
        """Send all that is due, as room allows."""
        sender = self._services.sender
        while not self._is_stopping and await sender.send_due():
            await sender.room()

    def _loop(
        self, name: str, wakeup: Wakeup, work: Callable[[], Awaitable[object]]
    ) -> asyncio.Task[None]:
        async def for_ever() -> None:
            while not self._is_stopping:
                try:
                    await work()
                except DatabaseUnavailable:
                    log.warning("worker.database_unavailable", loop=name)
                    await asyncio.sleep(_AFTER_ERROR.total_seconds())
                except Exception:
                    log.exception("worker.loop_failed", loop=name)
                    await asyncio.sleep(_AFTER_ERROR.total_seconds())
                if not self._is_stopping:
                    await wakeup.wait(self._poll)

        return asyncio.create_task(for_ever(), name=name)
