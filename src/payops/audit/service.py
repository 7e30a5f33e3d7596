"""Recording, reading back, sealing and verifying what was done."""

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from payops.audit import store
from payops.audit.domain import (
    BLOCK_ROWS_MAX,
    GENESIS,
    ID_PREFIX,
    OPEN_FOR_MAX,
    OVERLAP,
    AuditEvent,
    Block,
    Fault,
    Head,
    Proof,
    Verification,
    Written,
    block_of,
    canonical,
    fault_in_link,
    fault_in_row,
    fault_in_rows,
    look_back_from,
    without_phones,
)
from payops.audit.store import Entry
from payops.infra.db import Database, Tx
from payops.kernel.ids import show_id

__all__ = [
    "Entry",
    "history",
    "proofs",
    "record",
    "seal",
    "sealed_between",
    "sealed_until",
    "verify",
]

log = structlog.get_logger(__name__)

PAGE_MAX = 100
_BLOCKS_PER_RUN_MAX = 200


async def record(tx: Tx, events: Sequence[AuditEvent]) -> None:
    """Write ``events`` down, in the caller's transaction, with one statement.

    The time of each is the database's, at the start of the transaction.

    Raises:
        RuntimeError: the transaction has been open for minutes. Its rows could become
            visible behind the end of the chain, where a forged row would be.
    """
    if not events:
        return
    details = []
    for event in events:
        plain = canonical(event.detail)
        masked = without_phones(plain)
        if masked != plain:
            log.error("audit.personal_data_masked", kind=event.kind, subject=event.subject)
        details.append(masked)
    if await store.insert(tx, events, details, OPEN_FOR_MAX) != len(events):
        raise RuntimeError("this transaction has been open for too long to be recorded")


async def history(
    tx: Tx,
    *,
    user_id: str | None = None,
    subject: str | None = None,
    kind: str | None = None,
    request_id: str | None = None,
    before: UUID | None = None,
    limit: int = 20,
) -> list[Entry]:
    """What was recorded, newest first; ``before`` is the last id of the page before.

    At most ``PAGE_MAX`` + 1, so that a caller can see whether a full page is the last.
    """
    return await store.newest(
        tx,
        user_id=user_id,
        subject=subject,
        kind=kind,
        request_id=request_id,
        before=before,
        limit=min(limit, PAGE_MAX + 1),
    )


async def sealed_until(tx: Tx) -> datetime | None:
    """Until when what was recorded is in the chain; ``None``: nothing is yet."""
    newest = (await store.tip(tx)).newest
    return newest.reaches if newest else None


async def proofs(tx: Tx, entries: Sequence[Entry]) -> dict[UUID, Proof]:
    """What the chain says of each of ``entries``, without going through all of it.

    The block that lists a row is held against its own hash and the block before it, and the
    row against the block. What is missing from ``entries`` it cannot tell: that is what
    ``verify`` is for.
    """
    if not entries:
        return {}
    numbers = await store.sealed_by(tx, entries)
    found = await store.blocks(tx, {n for seq in numbers.values() for n in (seq - 1, seq)})
    hashes = await store.hashes_of(tx, [entry.id for entry in entries])
    tip = await store.tip(tx)
    proven: dict[UUID, Proof] = {}
    for entry in entries:
        seq = numbers.get(entry.id)
        if seq is None:
            is_late = tip.newest is not None and entry.at < tip.newest.reaches - OVERLAP
            proven[entry.id] = Proof.TOUCHED if is_late else Proof.UNSEALED
            continue
        before = found[seq - 1].head if seq - 1 in found else GENESIS
        fault = fault_in_link(before, found[seq]) or fault_in_row(
            found[seq], entry.id, hashes.get(entry.id, ())
        )
        proven[entry.id] = Proof.TOUCHED if fault else Proof.PROVEN
    return proven


async def sealed_between(
    tx: Tx, since: datetime, until: datetime
) -> AsyncGenerator[tuple[list[Block], list[Written]], None]:
    """All whole blocks that can hold a row of the period, with all their rows, block by block.

    They follow one another without a gap, so that whoever has them can check them alone.
    """
    extent = await store.extent(tx, since, until)
    if extent is None:
        return
    done, last = extent[0] - 1, extent[1]
    while done < last:
        blocks = [one for one in await store.blocks_after(tx, done) if one.seq <= last]
        if not blocks:
            return
        ids = [row_id for block in blocks for row_id in block.row_ids]
        yield blocks, await store.written(tx, ids)
        done = blocks[-1].seq


async def seal(db: Database) -> int:
    """Chain what was committed since the last run; returns how many rows.

    Any number of replicas may run this at once: the next block's number goes to one of
    them, the others look again. Each new head is logged, and the log is the anchor outside
    the database that a rewritten chain disagrees with.
    """
    count = 0
    for _ in range(_BLOCKS_PER_RUN_MAX):
        sealed = await _seal_block(db)
        count += sealed or 0
        if sealed is not None and sealed < BLOCK_ROWS_MAX:
            break
    return count


async def verify(
    db: Database,
    *,
    anchor: Head | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Verification:
    """Hold every sealed row against the chain and every block against the one before it.

    Finds a row changed in any column, missing or inserted behind the end, and a block
    changed, missing or out of order. What it cannot find is a chain rewritten from some
    point to its end, or cut off there: for that give an ``anchor``, a head from the log.
    Rows not sealed yet are not looked at, so seal first. Runs beside everything else, in
    short transactions and bounded memory; ``progress`` is called with the rows done.
    """
    head, rows = GENESIS, 0
    async with db.transaction(read_only=True) as tx:
        uncovered = await store.uncovered_columns(tx)
    if uncovered:
        return Verification(
            False, 0, f"column {uncovered[0]}", "audit_log and the chain differ in columns"
        )
    while True:
        async with db.transaction(read_only=True) as tx:
            blocks = await store.blocks_after(tx, head.seq)
            fault = await _fault_in(tx, head, blocks, anchor)
        if fault is not None:
            return Verification(False, rows, fault.where, fault.reason, head)
        if not blocks:
            break
        head, rows = blocks[-1].head, rows + sum(len(block.row_ids) for block in blocks)
        progress(rows)
    fault = await _fault_at_end(db, head, anchor)
    if fault is not None:
        return Verification(False, rows, fault.where, fault.reason, head)
    return Verification(True, rows, head=head)


async def _seal_block(db: Database) -> int | None:
    """How many rows the new block has; ``None`` when another sealer was first."""
    async with db.transaction() as tx:
        tip = await store.tip(tx)
        since = look_back_from(tip.newest, tip.now) if tip.newest else None
        rows = await store.unsealed(tx, since)
        if not rows:
            return 0
        block = block_of(rows, tip.newest, tip.now)
        if not await store.append(tx, block):
            return None
        tx.after_commit(lambda: log.info("audit.sealed", head=str(block.head), rows=len(rows)))
    return len(rows)


async def _fault_in(
    tx: Tx, head: Head, blocks: Sequence[Block], anchor: Head | None
) -> Fault | None:
    """The first thing wrong with ``blocks``, which are to follow ``head``."""
    found = await store.hashes_of(tx, [row_id for block in blocks for row_id in block.row_ids])
    for block in blocks:
        fault = fault_in_link(head, block)
        if fault is None and anchor is not None and anchor.seq == block.seq:
            fault = _fault_in_anchor(block, anchor)
        fault = fault or fault_in_rows(block, found)
        if fault is not None:
            return fault
        head = block.head
    return None


async def _fault_at_end(db: Database, head: Head, anchor: Head | None) -> Fault | None:
    if anchor is not None and anchor.seq > head.seq:
        return Fault(f"block {head.seq + 1}", "the chain ends before the anchor")
    async with db.transaction(read_only=True) as tx:
        row_id = await store.behind_the_chain(tx)
    if row_id is None:
        return None
    return Fault(show_id(ID_PREFIX, row_id), "the row was inserted behind the end of the chain")


def _fault_in_anchor(block: Block, anchor: Head) -> Fault | None:
    if block.head == anchor:
        return None
    return Fault(f"block {block.seq}", "the chain is not the one that the anchor was taken of")
