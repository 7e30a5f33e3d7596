"""Appending decisions, and telling how often which rule was met."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from payops.fraud.domain.decisions import Decision
from payops.fraud.store import decisions as store
from payops.fraud.store.decisions import Hits
from payops.infra.db import Tx

__all__ = ["Hits", "hits", "record"]

HITS_MAX: Final = 5_000


async def record(tx: Tx, decisions: Sequence[Decision]) -> None:
    """Write ``decisions`` down with one statement, in the transaction that acts on them."""
    if decisions:
        await store.insert(tx, decisions)


async def hits(tx: Tx, since: datetime) -> list[Hits]:
    """How often each rule was met, by the hour, the newest first; enforced or not."""
    return await store.hits(tx, since, HITS_MAX)
