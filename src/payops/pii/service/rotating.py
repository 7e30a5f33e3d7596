"""Sealing everything anew under the first key, while traffic goes on.

Bounded transactions in key order; what is done is known by what a value begins with, so a
run that was interrupted, even killed, is continued by starting another.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from payops.infra.db import Database, Tx
from payops.pii.domain import Access, Purpose, SealedColumn
from payops.pii.errors import SealBroken
from payops.pii.service.opening import PersonalData, Resealed
from payops.pii.store import sealed as store
from payops.pii.store.sealed import Value

BATCH: Final = 500
_PASSES_MAX: Final = 5
_PASS_WAIT_SECONDS: Final = 1
_TABLE_SECONDS_MAX: Final = 3600


@dataclass(slots=True)
class Rotated:
    """What a run came to. ``remaining`` counts values that still need it, by column."""

    resealed: int = 0
    is_complete: bool = False
    remaining: dict[str, int] = field(default_factory=dict)
    key_ids: Counter[str] = field(default_factory=Counter)  #: values under each key afterwards
    missing: Counter[str] = field(default_factory=Counter)  #: values whose key is not in the ring
    broken: int = 0  #: values that were altered or moved: nothing opens them

    @property
    def faults(self) -> list[str]:
        """What a person must see to, in words."""
        said = [
            f"sealing key {key_id} is not in the ring; values sealed under it: {count:,}"
            for key_id, count in sorted(self.missing.items())
        ]
        if self.broken:
            said.append(f"values that were altered or moved, so that no key opens: {self.broken:,}")
        return said


@dataclass(frozen=True, slots=True)
class _Step:
    rows: int
    skipped: int
    last: store.Key


class Rotation:
    """Brings every sealed column under the primary key, and its index under the new one."""

    def __init__(
        self,
        db: Database,
        personal_data: PersonalData,
        columns: Sequence[SealedColumn],
        *,
        actor: str,
        batch: int = BATCH,
    ) -> None:
        self._db = db
        self._personal_data = personal_data
        self._columns = columns
        self._batch = batch
        self._access = Access(actor, Purpose.KEY_ROTATION, "rotation", origin="pii rotate")
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """End after the transaction that is under way."""
        self._stop.set()

    async def rows(self) -> int:
        """How many rows one pass looks at, for a progress bar."""
        async with self._db.transaction(read_only=True, seconds_max=_TABLE_SECONDS_MAX) as tx:
            return sum([await store.count(tx, column) for column in self._columns])

    async def run(self, progress: Callable[[int], None] = lambda _: None) -> Rotated:
        """Seal anew until nothing needs it; ``progress`` is called with the rows looked at.

        Rows that others have locked are passed by and come in a later pass. Values that
        cannot be opened stay as they are and are reported.
        """
        done = Rotated()
        for _ in range(_PASSES_MAX):
            done.broken = 0  # met again in every pass
            skipped = await self._pass(done, progress)
            if not skipped or self._stop.is_set():
                break
            await asyncio.sleep(_PASS_WAIT_SECONDS)
        await self._conclude(done)
        return done

    async def _pass(self, done: Rotated, progress: Callable[[int], None]) -> int:
        """Go through all columns once; returns how many rows others had locked."""
        looked_at = skipped = 0
        for column in self._columns:
            after = store.FIRST
            while not self._stop.is_set():
                step = await self._step(column, after, done)
                looked_at += step.rows
                skipped += step.skipped
                after = step.last
                progress(looked_at)
                if step.rows < self._batch:
                    break
        return skipped

    async def _step(self, column: SealedColumn, after: store.Key, done: Rotated) -> _Step:
        async with self._db.transaction(read_only=True) as tx:
            scanned = await store.scan(tx, column, self._personal_data.marks, after, self._batch)
        skipped = 0
        if scanned.stale:

            async def work(tx: Tx) -> tuple[int, int, int]:
                return await self._reseal(tx, column, scanned.stale)

            resealed, broken, locked = await self._db.run(work)
            done.resealed += resealed
            done.broken += broken
            skipped = len(scanned.stale) - locked
        return _Step(scanned.rows, skipped, scanned.last)

    async def _reseal(
        self, tx: Tx, column: SealedColumn, keys: Sequence[store.Key]
    ) -> tuple[int, int, int]:
        """How many were sealed anew, are broken, and were looked at."""
        values = await store.lock(tx, column, self._personal_data.marks, keys)
        anew = await self._personal_data.reseal(
            tx,
            [
                (column.place(value.user_id, value.row_id), value.sealed, self._access)
                for value in values
            ],
            indexed=column.index_column is not None,
        )
        rows: list[tuple[Value, Resealed]] = [
            (value, new)
            for value, new in zip(values, anew, strict=True)
            if isinstance(new, Resealed)
        ]
        if rows:
            await store.write(tx, column, [(value, new.sealed, new.index) for value, new in rows])
        broken = sum(isinstance(new, SealBroken) for new in anew)
        return len(rows), broken, len(values)

    async def _conclude(self, done: Rotated) -> None:
        """Look at the tables themselves: only what they hold says that a key may go."""
        marks = self._personal_data.marks
        async with self._db.transaction(read_only=True, seconds_max=_TABLE_SECONDS_MAX) as tx:
            for column in self._columns:
                stale = await store.count_stale(tx, column, marks)
                if stale:
                    done.remaining[column.field] = stale
                done.key_ids.update(await store.key_ids(tx, column))
        done.missing = Counter(
            {
                key_id: count
                for key_id, count in done.key_ids.items()
                if not self._personal_data.can_open(key_id)
            }
        )
        done.is_complete = not done.remaining
