"""Checking an auditor's folder with nothing but the folder.

Every file against the manifest; every audit record against its block, every block against
the one before it; every read of personal data against the audit log's evidence of it; every
journal for a zero sum, and every account's closing against its opening and its entries.
"""

import csv
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from payops.audit.domain import (
    ID_PREFIX,
    OVERLAP,
    Head,
    Written,
    fault_in_link,
    fault_in_rows,
)
from payops.kernel.ids import show_id
from payops.ops.exporting import bundle
from payops.ops.exporting.bundle import Chain, Entry, Manifest
from payops.pii.service import Recorded
from payops.pii.service.exporting import digest_of

_FAULTS_MAX: Final = 20
_CHUNK_BYTES: Final = 1 << 20
_UNREADABLE: Final = (ValueError, KeyError, TypeError, StopIteration)
_EVIDENCE: Final = "personal_data_opened"


@dataclass(slots=True)
class Verdict:
    """What was found; ``rows`` are the lines checked, ``faults`` the first things wrong."""

    rows: int = 0
    manifest_sha256: str = ""
    chain: Chain | None = None
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults

    def fault(self, where: str, why: str) -> None:
        if len(self.faults) < _FAULTS_MAX:
            self.faults.append(f"{where}: {why}")


def verify(folder: Path, *, anchor: Head | None = None) -> Verdict:
    """Check everything in ``folder``; ``anchor`` is a head kept elsewhere, as the log has them.

    Without one a folder made up from beginning to end could agree with itself.
    """
    verdict = Verdict()
    try:
        content = (folder / bundle.MANIFEST).read_bytes()
        manifest = Manifest.read(content)
    except (OSError, *_UNREADABLE) as error:
        verdict.fault(bundle.MANIFEST, f"cannot be read ({type(error).__name__})")
        return verdict
    verdict.manifest_sha256 = hashlib.sha256(content).hexdigest()
    verdict.chain = manifest.chain
    if not _files_are_whole(folder, manifest, verdict):
        return verdict
    for name, check in _CHECKS:
        try:
            check(folder, manifest, verdict)
        except _UNREADABLE as error:
            verdict.fault(name, f"cannot be read ({type(error).__name__})")
    if anchor is not None:
        _check_anchor(folder, manifest, anchor, verdict)
    return verdict


def _files_are_whole(folder: Path, manifest: Manifest, verdict: Verdict) -> bool:
    named = {entry.name for entry in manifest.files}
    for name in sorted(set(bundle.FILES) - named):
        verdict.fault(name, "is not in the manifest")
    for name in sorted(named - set(bundle.FILES)):
        verdict.fault(name, "does not belong to a bundle")
    there = {path.name for path in folder.iterdir()}
    for name in sorted(there - named - {bundle.MANIFEST}):
        verdict.fault(name, "is not in the manifest")
    if not verdict.faults:
        for entry in manifest.files:
            _check_file(folder / entry.name, entry, verdict)
    return verdict.ok


def _check_file(path: Path, entry: Entry, verdict: Verdict) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError:
        verdict.fault(entry.name, "is missing")
        return
    if (digest.hexdigest(), size) != (entry.sha256, entry.size):
        verdict.fault(entry.name, "is not the file that the manifest names")
    verdict.rows += entry.rows


def _check_audit(folder: Path, manifest: Manifest, verdict: Verdict) -> None:
    """In one pass: the rows stand in the order in which the blocks list them."""
    head = manifest.chain.before if manifest.chain else None
    with (
        (folder / bundle.AUDIT_SEALS).open(encoding="utf-8", newline="\n") as seals,
        (folder / bundle.AUDIT_LOG).open(encoding="utf-8", newline="\n") as log,
    ):
        rows = map(bundle.read_written, log)
        for line in seals:
            block = bundle.read_block(line)
            if head is None:
                verdict.fault(bundle.AUDIT_SEALS, "the manifest knows of no chain")
                return
            found: dict[UUID, list[bytes]] = defaultdict(list)
            for _ in block.row_ids:
                row = next(rows, None)
                if row is not None:
                    found[row.id].append(row.hash)
            fault = fault_in_link(head, block) or fault_in_rows(block, found)
            if fault is not None:
                verdict.fault(fault.where, fault.reason)
                return
            head = block.head
        if next(rows, None) is not None:
            verdict.fault(bundle.AUDIT_LOG, "has a row that no block lists")
    if manifest.chain and head != manifest.chain.last:
        verdict.fault("chain", "does not end where the manifest says")


def _check_accesses(folder: Path, manifest: Manifest, verdict: Verdict) -> None:
    """Against the digests in the audit log, both ways."""
    reads: dict[UUID, list[Recorded]] = defaultdict(list)
    with (folder / bundle.ACCESS_LOG).open(encoding="utf-8", newline="\n") as file:
        for read in map(bundle.read_access, file):
            if read.event_id is not None:  # those before there was evidence have none
                reads[read.event_id].append(read)
    for event in _evidence(folder, manifest):
        stated: dict[str, Any] = json.loads(event.detail)
        found = reads.pop(event.id, [])
        proven = digest_of(found) == stated["digest"]  # tidy: evidence for everybody, no secret
        if len(found) != stated["count"] or not proven:
            shown = show_id(ID_PREFIX, event.id)
            verdict.fault(shown, "the access log is not what this record proves")
    # The last minutes may not have been sealed when the folder was made.
    sealed_to = manifest.until - OVERLAP
    for event_id, unproven in reads.items():
        if unproven[0].at < sealed_to:
            verdict.fault(str(event_id), "reads of personal data without evidence")


def _evidence(folder: Path, manifest: Manifest) -> Iterator[Written]:
    with (folder / bundle.AUDIT_LOG).open(encoding="utf-8", newline="\n") as file:
        for row in map(bundle.read_written, file):
            if row.kind == _EVIDENCE and manifest.since <= row.at < manifest.until:
                yield row


def _check_decisions(folder: Path, manifest: Manifest, verdict: Verdict) -> None:
    with (folder / bundle.DECISIONS).open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            at = json.loads(line)["at"]
            if not manifest.since.isoformat()[:10] <= at[:10] <= manifest.until.isoformat()[:10]:
                verdict.fault(f"{bundle.DECISIONS}:{number}", "is not of the period")


def _check_ledger(folder: Path, manifest: Manifest, verdict: Verdict) -> None:  # noqa: ARG001
    """Each journal sums to zero and has its entries; each account closes as it should."""
    moved: Counter[tuple[str, str]] = Counter()
    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for entry in _csv(folder / bundle.ENTRIES):
        amount = int(entry["minor_units"])
        sums[entry["user_id"], entry["journal"]][entry["currency"]] += amount
        moved[entry["account"], entry["currency"]] += amount
    for journal in _csv(folder / bundle.JOURNALS):
        found = sums.pop((journal["user_id"], journal["journal"]), None)
        if found is None:
            verdict.fault(journal["journal"], "has no entries")
        elif any(found.values()):
            verdict.fault(journal["journal"], "does not sum to zero")
    for _user, name in sums:
        verdict.fault(name, "has entries and is no journal of the period")
    for balance in _csv(folder / bundle.BALANCES):
        account = balance["account"], balance["currency"]
        closing = int(balance["opening_minor_units"]) + moved.pop(account, 0)
        if closing != int(balance["closing_minor_units"]):
            verdict.fault(" ".join(account), "does not close at its opening and its entries")
    for account in moved:
        verdict.fault(" ".join(account), "has entries and no balance")


def _csv(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, strict=True)


def _check_anchor(folder: Path, manifest: Manifest, anchor: Head, verdict: Verdict) -> None:
    if manifest.chain and manifest.chain.before == anchor:
        return
    with (folder / bundle.AUDIT_SEALS).open(encoding="utf-8", newline="\n") as file:
        for block in map(bundle.read_block, file):
            if block.seq == anchor.seq:
                if block.head != anchor:
                    verdict.fault(f"block {block.seq}", "is not the one the anchor was taken of")
                return
    verdict.fault("anchor", f"block {anchor.seq} is not in this bundle")


_CHECKS: Final = (
    (bundle.AUDIT_LOG, _check_audit),
    (bundle.ACCESS_LOG, _check_accesses),
    (bundle.DECISIONS, _check_decisions),
    (bundle.ENTRIES, _check_ledger),
)
