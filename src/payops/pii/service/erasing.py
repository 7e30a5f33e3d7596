"""Shredding what the law does not make us keep. Never an entry of the books.

What there is to shred is known to the slices: each declares what it keeps of a user, and
this goes through them in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from payops.infra.db import Tx
from payops.pii.domain import Holding
from payops.pii.ports import Erasable


@dataclass(frozen=True, slots=True)
class Erasure:
    """One class of personal data, and how long it must be kept once it is done with."""

    what: Erasable
    kept_for: timedelta


@dataclass(frozen=True, slots=True)
class Finding:
    """What is kept of a user in one class."""

    name: str
    holding: Holding


async def survey(tx: Tx, classes: Sequence[Erasure], user_id: str) -> list[Finding]:
    """What could be shredded now and what must stay; nothing is changed."""
    return [
        Finding(one.what.name, await one.what.look(tx, user_id, one.kept_for)) for one in classes
    ]


async def erase(tx: Tx, classes: Sequence[Erasure], user_id: str) -> dict[str, int]:
    """Shred what may go, in every class or in none; how many values of each.

    Raises:
        ErasureRefused: some of it is needed for something that is not finished.
    """
    return {one.what.name: await one.what.erase(tx, user_id, one.kept_for) for one in classes}
