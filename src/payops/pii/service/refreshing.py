"""Keys from where they are kept: at start, and again when one turns up that is not known."""

import asyncio
import time
from contextvars import Context
from typing import Final

import structlog

from payops.pii.errors import KeysUnavailable
from payops.pii.ports import KeyProvider
from payops.pii.sealing import Keys
from payops.pii.service.opening import PersonalData

log = structlog.get_logger(__name__)

# Whoever can write rows could write one under a made-up key id: asking has its own limit.
ASK_AGAIN_SECONDS: Final = 30


class KeyRefresh:
    """Asks for the keys again, in the background, at most every ``ASK_AGAIN_SECONDS``.

    Nothing waits for it: what could not be opened stays due and is tried again.
    """

    def __init__(self, provider: KeyProvider) -> None:
        self._provider = provider
        self._personal_data: PersonalData | None = None
        self._task: asyncio.Task[None] | None = None
        self._asked_at: int | None = None

    def serve(self, personal_data: PersonalData) -> None:
        """Whose keys to refresh."""
        self._personal_data = personal_data

    def ask(self) -> None:
        """Fetch the keys soon, unless that is under way or was done a moment ago."""
        now = int(time.monotonic())
        is_early = self._asked_at is not None and now - self._asked_at < ASK_AGAIN_SECONDS
        if is_early or (self._task and not self._task.done()):
            return
        self._asked_at = now
        # Asked for in the middle of a transaction, which the task is no part of: with a context
        # of its own it may use the network.
        self._task = asyncio.get_running_loop().create_task(self._refresh(), context=Context())

    async def drained(self) -> None:
        """Return when nothing is being fetched."""
        if self._task:
            await asyncio.wait([self._task])

    async def _refresh(self) -> None:
        try:
            keys = Keys.of(await self._provider.fetch())
        except (KeysUnavailable, ValueError) as error:
            log.warning("pii.keys_not_refreshed", reason=str(error))
            return
        except Exception:
            log.exception("pii.keys_not_refreshed")
            return
        if self._personal_data:
            self._personal_data.use(keys)
            log.info("pii.keys_refreshed")
