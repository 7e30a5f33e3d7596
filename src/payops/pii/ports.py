"""What personal data needs of others: keys, evidence outside the slice, and who keeps what."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from payops.infra.db import Tx
from payops.pii.domain import Holding, KeyMaterial, Opening


class KeyProvider(Protocol):
    """Where keys are kept. Asked at start, and when a key turns up that is not known."""

    async def fetch(self) -> KeyMaterial:
        """The keys as they are now.

        Raises:
            KeysUnavailable: they cannot be had; the text says from where and why.
            ValueError: what is kept there cannot be used.
        """
        ...


class Journal(Protocol):
    """Evidence of openings that does not lie beside them: the audit log and its chain."""

    async def __call__(self, tx: Tx, openings: Sequence[Opening]) -> None: ...


class Erasable(Protocol):
    """One class of personal data that a slice keeps of a user, and how long it must."""

    @property
    def name(self) -> str: ...

    async def look(self, tx: Tx, user_id: str, kept_for: timedelta) -> Holding:
        """What is there; nothing is changed."""
        ...

    async def erase(self, tx: Tx, user_id: str, kept_for: timedelta) -> int:
        """Shred what may go now; returns how many values.

        Raises:
            ErasureRefused: some of it is needed for something that is not finished.
        """
        ...
