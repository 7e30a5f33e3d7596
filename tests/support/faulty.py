"""A handler of notifications that fails for as long as a test wants it to."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from payops.infra.db import Tx
from payops.webhooks.ports import Handled
from tests.support.shop import Shop


class Faulty:
    """The shop's handler, broken for as long as ``is_broken``."""

    def __init__(self, shop: Shop) -> None:
        channels: Any = shop.services.inbox._channels
        self._real = channels["lipana"].handler
        self.is_broken = True
        self.poison: str | None = None
        channels["lipana"] = replace(channels["lipana"], handler=self)

    async def __call__(self, tx: Tx, reports: Sequence[Any]) -> list[Handled]:
        if self.is_broken and self.poison in {None, *(report.txid for report in reports)}:
            raise ZeroDivisionError
        handled: list[Handled] = await self._real(tx, reports)
        return handled
