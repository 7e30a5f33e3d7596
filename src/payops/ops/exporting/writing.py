"""Filling an auditor's folder from one snapshot of the database."""

import asyncio
import hashlib
import importlib.metadata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from payops.audit import service as audit
from payops.audit.domain import AuditEvent, Block, Head, Written
from payops.fraud.service import evidence as fraud
from payops.infra.db import Database, Tx
from payops.infra.migrating import head_revision
from payops.kernel.errors import Fault, Invalid
from payops.ledger.service import telling as ledger
from payops.ops.exporting import bundle
from payops.ops.exporting.bundle import Chain, Entry, Manifest
from payops.ops.reports.files import csv_bytes
from payops.pii.service import exporting as pii

_STATEMENT_SECONDS_MAX: Final = 3_600  # the balances read the whole ledger
# Nothing was recorded before; and ids, which are read by time, begin in 1970.
_FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MODE: Final = 0o600  # whose money moved is nobody else's business

Progress = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. The hash of the manifest stands for the whole folder."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str


async def export(
    db: Database,
    folder: Path,
    since: datetime,
    until: datetime,
    *,
    actor: str,
    request_id: str | None = None,
    progress: Progress = lambda _, __: None,
) -> Exported:
    """Write the evidence of a period into ``folder``, which must be empty or not there yet.

    What is not sealed yet is sealed first; a period that is not over ends now. The act is
    recorded, with the hash of the manifest. Interrupted, the folder has no manifest and is
    worth nothing.

    Raises:
        Invalid: the period is empty, or the folder is not.
    """
    if since < _FIRST:
        raise Invalid(faults=[Fault("/query/from", f"is before {_FIRST:%Y-%m-%d}")])
    await asyncio.to_thread(_prepare, folder)
    await audit.seal(db)
    async with db.transaction(read_only=True, seconds_max=_STATEMENT_SECONDS_MAX) as tx:
        now: datetime = await tx.fetchval("SELECT now()")
        until = min(until, now)
        if since >= until:
            raise Invalid(faults=[Fault("/query/from", "is not before the end of the period")])
        with _opened(folder) as files:
            chain = await _write_audit(tx, files, since, until, progress)
            await _write_accesses(tx, files, since, until)
            await _write_decisions(tx, files, since, until)
            await _write_ledger(tx, files, since, until, progress)
    manifest = Manifest(
        since=since,
        until=until,
        made_at=now,
        made_by=actor,
        version=importlib.metadata.version("payops"),
        schema=head_revision(),
        chain=chain,
        files=[file.entry for file in files.values()],
    )
    written = manifest.written()
    await asyncio.to_thread(_write_manifest, folder, written)
    digest = hashlib.sha256(written).hexdigest()
    await _record(db, manifest, digest, actor, request_id)
    return Exported(folder, manifest, digest)


@dataclass(slots=True)
class _File:
    """A file that knows its hash, its size and its rows as it grows."""

    name: str
    file: IO[bytes]
    size: int = 0
    rows: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, content: bytes, rows: int) -> None:
        self.file.write(content)
        self.digest.update(content)
        self.size += len(content)
        self.rows += rows

    @property
    def entry(self) -> Entry:
        return Entry(self.name, self.digest.hexdigest(), self.size, self.rows)


_Files = dict[str, _File]


def _prepare(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Invalid(faults=[Fault("/out", "is a folder that holds something already")])


@contextmanager
def _opened(folder: Path) -> Iterator[_Files]:
    files = {name: _File(name, (folder / name).open("xb")) for name in bundle.FILES}
    try:
        for file in files.values():
            (folder / file.name).chmod(_MODE)
            header = bundle.CSV_HEADERS.get(file.name)
            if header:
                file.add(csv_bytes([header]), 0)
        yield files
    finally:
        for file in files.values():
            file.file.close()


def _write_manifest(folder: Path, content: bytes) -> None:
    path = folder / bundle.MANIFEST
    path.write_bytes(content)
    path.chmod(_MODE)


async def _write_audit(
    tx: Tx, files: _Files, since: datetime, until: datetime, progress: Progress
) -> Chain | None:
    first: Block | None = None
    last: Block | None = None
    async for blocks, rows in audit.sealed_between(tx, since, until):
        first, last = first or blocks[0], blocks[-1]
        await asyncio.to_thread(_add_blocks, files, blocks, rows)
        progress(files[bundle.AUDIT_LOG].rows, "audit records")
    if first is None or last is None:
        return None
    return Chain(Head(first.seq - 1, first.prev_hash), last.head)


def _add_blocks(files: _Files, blocks: list[Block], rows: list[Written]) -> None:
    """Rows go in the order in which the blocks list them, so they can be checked in one pass."""
    by_id: dict[object, list[Written]] = {}
    for row in rows:
        by_id.setdefault(row.id, []).append(row)
    ordered = [row for b in blocks for row_id in b.row_ids for row in by_id.get(row_id, ())]
    _add_lines(files[bundle.AUDIT_LOG], map(bundle.of_written, ordered))
    _add_lines(files[bundle.AUDIT_SEALS], map(bundle.of_block, blocks))


def _add_lines(file: _File, documents: Iterable[dict[str, object]]) -> None:
    lines = [bundle.line_of(document) for document in documents]
    file.add(b"".join(lines), len(lines))


async def _write_accesses(tx: Tx, files: _Files, since: datetime, until: datetime) -> None:
    async for reads in pii.accesses_between(tx, since, until):
        _add_lines(files[bundle.ACCESS_LOG], map(bundle.of_access, reads))


async def _write_decisions(tx: Tx, files: _Files, since: datetime, until: datetime) -> None:
    async for decisions in fraud.between(tx, since, until):
        _add_lines(files[bundle.DECISIONS], map(bundle.of_decision, decisions))


async def _write_ledger(
    tx: Tx, files: _Files, since: datetime, until: datetime, progress: Progress
) -> None:
    journals, entries = files[bundle.JOURNALS], files[bundle.ENTRIES]
    async for posted in ledger.journals_between(tx, since, until):
        journals.add(csv_bytes(map(bundle.of_journal, posted)), len(posted))
        lines = [line for one in posted for line in bundle.of_entries(one)]
        entries.add(csv_bytes(lines), len(lines))
        progress(journals.rows, "journals")
    balances = await ledger.balances_between(tx, since, until)
    files[bundle.BALANCES].add(csv_bytes(map(bundle.of_balance, balances)), len(balances))


async def _record(
    db: Database, manifest: Manifest, digest: str, actor: str, request_id: str | None
) -> None:
    event = AuditEvent(
        kind="audit_exported",
        actor=actor,
        request_id=request_id,
        detail={
            "from": manifest.since.isoformat(),
            "to": manifest.until.isoformat(),
            "manifestSha256": digest,
            "chainEndsAt": str(manifest.chain.last) if manifest.chain else None,
        },
    )
    async with db.transaction() as tx:
        await audit.record(tx, [event])
