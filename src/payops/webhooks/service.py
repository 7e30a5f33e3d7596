"""The inbox: verify, keep, acknowledge; then the effect, and the mark that it was had.

A notification is durable before it is acknowledged, and its effect and its mark commit
together: it is never lost, and never has its effect twice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from payops.alerts import service as alerts
from payops.alerts.domain import Alert, Severity
from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.batching import Batcher
from payops.infra.db import Database, Record, Tx
from payops.infra.metrics import Metrics
from payops.kernel.ids import new_id
from payops.pii.domain import Access, Place, Purpose, SealedColumn
from payops.pii.sealing import Fingerprints
from payops.pii.service import PersonalData
from payops.webhooks import store
from payops.webhooks.domain import (
    ERRORS_MAX,
    INBOX,
    UNKNOWN_FOR,
    Delivery,
    Kept,
    State,
    show,
    wait_after,
)
from payops.webhooks.errors import DeliveryNotFound, NotReplayable, UnknownSource
from payops.webhooks.ports import Effect, Handled, Handler, Unreadable, WebhookSource
from payops.webhooks.store import Figures as Figures  # noqa: PLC0414 - shown to others

log = structlog.get_logger(__name__)

ACTOR: Final = "system:inbox"
_HOUSE: Final = "@house"
SEALED: Final = SealedColumn(table="webhook_deliveries", column="body_sealed", user_column=None)
_BATCH: Final = 100
_REJECTED_MAX: Final = 1_000  # kept of a day
_FORGET_BATCH: Final = 5_000

# A rail does not mind when its answer, or the effect of what it says, is this much later; a
# commit for each of a steady stream of notifications would cost a core.
_KEPT_APART: Final = timedelta(milliseconds=5)
_APPLIED_APART: Final = timedelta(milliseconds=20)


@dataclass(frozen=True, slots=True)
class Channel:
    """One provider's notifications: who verifies and reads them, and whom they concern."""

    source: WebhookSource
    handler: Handler
    audited_as: str = "webhook_error"  # one that needs a person


class Inbox:
    """Takes notifications in and applies them. One per process."""

    def __init__(
        self,
        *,
        db: Database,
        channels: Mapping[str, Channel],
        personal_data: PersonalData,
        fingerprints: Fingerprints,
        metrics: Metrics,
    ) -> None:
        self._db = db
        self._channels = channels
        self._personal_data = personal_data
        self._fingerprints = fingerprints
        self._metrics = metrics
        self._keeps: Batcher[Kept, bool] = Batcher(self._keep, lanes=2, apart=_KEPT_APART)
        # One lane: of two notifications that contradict each other the later must not overtake.
        self._effects: Batcher[UUID, None] = Batcher(self._apply, lanes=1, apart=_APPLIED_APART)
        self._applying: set[asyncio.Task[None]] = set()
        self._rejected = 0

    async def receive(
        self,
        source: str,
        headers: Mapping[str, str],
        body: bytes,
        path_reference: str | None = None,
    ) -> bool:
        """Verify and keep one notification; returns whether its signature fits.

        When this returns, an authentic notification is durable; its effect follows at once.

        Raises:
            UnknownSource: no such provider.
            Unavailable: it could not be kept, so the provider must send it again.
        """
        channel = self._channels.get(source)
        if channel is None:
            raise UnknownSource
        authentic = channel.source.is_authentic(headers, body)
        if not authentic and self._rejected >= _REJECTED_MAX:
            self._metrics.count_callback(source, "rejected")
            return False
        kept = self._sealed(source, body, path_reference, authentic=authentic)
        is_new = await self._keeps.submit(kept)
        if not authentic:
            self._rejected += 1
            self._metrics.count_callback(source, "rejected")
            log.warning("webhook.rejected", source=source)
            return False
        if is_new:
            task = asyncio.create_task(self._apply_soon(kept.id))
            self._applying.add(task)
            task.add_done_callback(self._applying.discard)
        else:
            self._metrics.count_callback(source, "duplicate")
        return True

    async def drain(self) -> int:
        """Apply what is due and was not applied at once; returns how many were looked at.

        Each once: one that fails is put off and logged, and does not stop the others.
        """
        seen: set[UUID] = set()
        while True:
            async with self._db.transaction(read_only=True) as tx:
                ids = await store.due(tx, _BATCH)
            fresh = set(ids) - seen
            await asyncio.gather(*(self._apply_soon(delivery_id) for delivery_id in fresh))
            seen |= fresh
            if len(ids) < _BATCH or not fresh:
                return len(seen)

    async def replay(
        self, delivery_id: UUID, *, actor: str, request_id: str | None = None
    ) -> Delivery:
        """Let a notification have its effect now, as if it had just come; an audited act.

        What comes of it is in the state of what is returned.

        Raises:
            DeliveryNotFound: there is none.
            NotReplayable: its signature was bad, or its body is past its retention.
        """
        async with self._db.transaction() as tx:
            found = await store.get(tx, delivery_id)
            if found is None:
                raise DeliveryNotFound
            if found.state is State.REJECTED:
                raise NotReplayable
            if not await store.reopen(tx, delivery_id):
                raise NotReplayable("Its body is past its retention.")
            await audit.record(
                tx,
                [
                    AuditEvent(
                        kind="webhook_replayed",
                        actor=actor,
                        subject=show(delivery_id),
                        request_id=request_id,
                        detail={"from": found.state.value},
                    )
                ],
            )
        await self._apply_soon(delivery_id)
        async with self._db.transaction(read_only=True) as tx:
            return await store.get(tx, delivery_id) or found

    async def drained(self) -> None:
        """Return when nothing is being kept or applied."""
        await self._keeps.drained()
        if self._applying:
            await asyncio.wait(self._applying)
        await self._effects.drained()

    async def set_figures(self) -> None:
        """Set the gauges of this process, and how many forged ones were kept within a day."""
        async with self._db.transaction(read_only=True) as tx:
            figures = await store.figures(tx)
        self._rejected = sum(one.count for one in figures if one.state is State.REJECTED)
        waiting = [one.oldest_seconds for one in figures if one.state is State.PENDING]
        self._metrics.set_inbox(
            {one.state.value: one.count for one in figures}, max(waiting, default=0)
        )

    def _sealed(
        self, source: str, body: bytes, path_reference: str | None, *, authentic: bool
    ) -> Kept:
        delivery_id = new_id()
        # What is badly signed must never stand in the way of the real one.
        parts = (b"authentic" if authentic else b"forged", (path_reference or "").encode(), body)
        return Kept(
            id=delivery_id,
            source=source,
            dedupe_key=self._fingerprints.of("webhook", *parts),
            path_reference=path_reference,
            body_sealed=self._personal_data.seal_value(_place(delivery_id), body),
            state=State.PENDING if authentic else State.REJECTED,
        )

    async def _keep(self, batch: Sequence[Kept]) -> list[bool]:
        # Copies of one notification often come together; the first of a batch stands for all.
        first: dict[tuple[str, bytes], Kept] = {}
        for kept in batch:
            first.setdefault((kept.source, kept.dedupe_key), kept)

        async def work(tx: Tx) -> set[UUID]:
            return await store.insert(tx, list(first.values()))

        new = await self._db.run(work)
        return [kept.id in new for kept in batch]

    async def _apply_soon(self, delivery_id: UUID) -> None:
        try:
            await self._effects.submit(delivery_id)
        except Exception:
            # It is kept and due: the drain tries again.
            log.exception("webhook.effect_failed", delivery_id=show(delivery_id))

    async def _apply(self, batch: Sequence[UUID]) -> list[None]:
        try:
            outcomes = await self._db.run(lambda tx: self._effect(tx, batch))
        except Exception:
            if len(batch) == 1:
                await self._put_off(batch[0])
            raise
        for source, outcome in outcomes:
            self._metrics.count_callback(source, outcome)
        return [None] * len(batch)

    async def _effect(self, tx: Tx, ids: Sequence[UUID]) -> list[tuple[str, str]]:
        rows = await store.lock(tx, ids, UNKNOWN_FOR)
        bodies = await self._personal_data.open_values(tx, [_opened(row) for row in rows])
        reports: dict[str, list[tuple[Record, Any]]] = {}
        handled: list[tuple[Record, Handled]] = []
        for row, body in zip(rows, bodies, strict=True):
            try:
                report = self._channels[row["source"]].source.read(row["path_reference"], body)
            except Unreadable as error:
                handled.append((row, Handled(Effect.PARKED, f"unreadable: {error}")))
            else:
                reports.setdefault(row["source"], []).append((row, report))
        for source, read in reports.items():
            results = await self._channels[source].handler(tx, [report for _, report in read])
            handled += [(row, result) for (row, _), result in zip(read, results, strict=True)]
        if handled:
            await store.mark(tx, [_mark(row, result) for row, result in handled])
        for row, result in handled:
            await self._tell(tx, row, result)
        return [(row["source"], result.effect.value) for row, result in handled]

    async def _tell(self, tx: Tx, row: Record, result: Handled) -> None:
        """What needs a person is in the audit log, in the log, and open as an alert."""
        parked = _mark(row, result)[1] is State.PARKED
        if not parked:
            return
        subject = show(row["id"])
        channel = self._channels.get(row["source"])  # none of a provider that was taken away
        await audit.record(
            tx,
            [
                AuditEvent(
                    kind=channel.audited_as if channel else "webhook_error",
                    actor=ACTOR,
                    user_id=result.user_id or _HOUSE,
                    subject=result.subject or subject,
                    detail={"delivery": subject, "reason": result.reason},
                )
            ],
        )
        await alerts.raise_alert(
            tx,
            Alert(
                key=f"webhook_parked:{subject}",
                kind="webhook_parked",
                severity=Severity.WARNING,
                summary="A signed notification was parked; a person must look at it.",
                detail={"delivery": subject, "source": row["source"], "reason": result.reason},
            ),
        )

    async def _put_off(self, delivery_id: UUID) -> None:
        """After an error of ours: try later, and park it when that has happened too often."""

        async def work(tx: Tx) -> None:
            for row in await store.lock(tx, [delivery_id], UNKNOWN_FOR):
                if row["errors"] + 1 >= ERRORS_MAX:
                    result = Handled(Effect.PARKED, "its effect failed too often")
                    await store.mark(tx, [_mark(row, result)])
                    await self._tell(tx, row, result)
                else:
                    wait = wait_after(row["errors"])
                    await store.mark(
                        tx, [(row["id"], State(row["state"]), "error", None, None, wait)]
                    )

        await self._db.run(work)


async def rematch(tx: Tx, source: str, subjects: Collection[str]) -> None:
    """New references are known: those that were about the unknown may be about them."""
    if subjects and await store.wake_unknown(tx, source, subjects):
        tx.wake(INBOX)


async def forget_bodies(db: Database, *, older_than_days: int) -> int:
    """Drop the sealed bodies of applied notifications past their retention."""
    return await _in_batches(
        db, lambda tx, limit: store.forget_bodies(tx, older_than_days=older_than_days, limit=limit)
    )


async def forget_rejected(db: Database, *, older_than_days: int) -> int:
    """Delete badly signed notifications past that retention: without a body they prove nothing."""
    return await _in_batches(
        db,
        lambda tx, limit: store.forget_rejected(tx, older_than_days=older_than_days, limit=limit),
    )


async def _in_batches(db: Database, forget: Callable[[Tx, int], Awaitable[int]]) -> int:
    total = 0
    while True:
        async with db.transaction() as tx:
            count = await forget(tx, _FORGET_BATCH)
        total += count
        if count < _FORGET_BATCH:
            return total


async def deliveries(
    tx: Tx, *, state: State | None, before: UUID | None, limit: int
) -> list[Delivery]:
    """The inbox, newest first."""
    return await store.page(tx, state=state, before=before, limit=limit)


async def figures(tx: Tx) -> list[Figures]:
    """What waits in the inbox, and what was refused, state by state."""
    return await store.figures(tx)


async def delivery(tx: Tx, delivery_id: UUID) -> Delivery:
    """Raises ``DeliveryNotFound``."""
    found = await store.get(tx, delivery_id)
    if found is None:
        raise DeliveryNotFound
    return found


async def body(tx: Tx, delivery_id: UUID) -> tuple[Place, bytes] | None:
    """Where the body is and how it is sealed; ``None`` when it is past its retention."""
    sealed = await store.sealed_body(tx, delivery_id)
    return None if sealed is None else (_place(delivery_id), sealed)


async def about(
    tx: Tx, subject: str, *, since: datetime, until: datetime, limit: int = 100
) -> list[Delivery]:
    """Notifications about one withdrawal or invoice that came in a period, oldest first."""
    return await store.about(tx, subject, since, until, limit)


async def count_bodies(tx: Tx, user_id: str) -> tuple[int, int]:
    """Bodies about one user: of those that had their effect, and of those that may yet."""
    return await store.count_bodies(tx, user_id)


async def erase_bodies(tx: Tx, user_id: str) -> int:
    """Drop the bodies about one user that had their effect; returns how many."""
    return await store.erase_bodies(tx, user_id)


def _place(delivery_id: UUID) -> Place:
    return SEALED.place(_HOUSE, delivery_id)


def _opened(row: Record) -> tuple[Place, bytes, Access]:
    access = Access(ACTOR, Purpose.WEBHOOK_PROCESSING, show(row["id"]), origin="inbox")
    return _place(row["id"]), row["body_sealed"], access


def _mark(row: Record, result: Handled) -> tuple[UUID, State, str, str | None, str | None, Any]:
    if result.effect is Effect.UNKNOWN:
        if row["is_old"]:
            return row["id"], State.PARKED, "nobody ever knew it", None, None, None
        wait = wait_after(row["attempts"])
        return row["id"], State.UNKNOWN, result.reason, None, result.subject, wait
    state = State.APPLIED if result.effect is Effect.APPLIED else State.PARKED
    return row["id"], state, result.reason, result.user_id, result.subject, None
