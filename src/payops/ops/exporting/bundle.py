"""What an auditor's folder holds, and how each line of it is written and read back.

Files that are proven line by line are JSON Lines with every column; the ledger is CSV, for
people who count. ``manifest.json`` has the SHA-256 of every other file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from payops.audit.domain import Block, Head, Written
from payops.fraud.service.evidence import Decided
from payops.ledger import domain as ledger
from payops.ledger.domain import Posted
from payops.ledger.service.telling import Balance
from payops.pii.service import Recorded

FORMAT: Final = "payops audit bundle 1"
MANIFEST: Final = "manifest.json"

AUDIT_LOG: Final = "audit_log.jsonl"
AUDIT_SEALS: Final = "audit_seals.jsonl"
ACCESS_LOG: Final = "access_log.jsonl"
DECISIONS: Final = "decisions.jsonl"
JOURNALS: Final = "journals.csv"
ENTRIES: Final = "entries.csv"
BALANCES: Final = "balances.csv"
FILES: Final = (AUDIT_LOG, AUDIT_SEALS, ACCESS_LOG, DECISIONS, JOURNALS, ENTRIES, BALANCES)

CSV_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    JOURNALS: ("user_id", "journal", "kind", "reference", "reason", "posted_at", "closes"),
    ENTRIES: ("user_id", "journal", "line", "account", "currency", "minor_units", "amount"),
    BALANCES: ("account", "currency", "opening_minor_units", "closing_minor_units"),
}


@dataclass(frozen=True, slots=True)
class Chain:
    """Which part of the audit chain is in the folder. Heads are as ``audit.sealed`` logs them."""

    before: Head  # what the first block follows
    last: Head


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the folder; ``rows`` counts no header."""

    name: str
    sha256: str
    size: int
    rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """``since`` is in the period, ``until`` is not. ``chain`` ``None``: nothing was recorded."""

    since: datetime
    until: datetime
    made_at: datetime
    made_by: str
    version: str
    schema: str
    chain: Chain | None
    files: Sequence[Entry]

    def written(self) -> bytes:
        document = {
            "format": FORMAT,
            "from": self.since.isoformat(),
            "to": self.until.isoformat(),
            "madeAt": self.made_at.isoformat(),
            "madeBy": self.made_by,
            "version": self.version,
            "schema": self.schema,
            "chain": None
            if self.chain is None
            else {"follows": str(self.chain.before), "endsAt": str(self.chain.last)},
            "files": [
                {"name": e.name, "sha256": e.sha256, "bytes": e.size, "rows": e.rows}
                for e in self.files
            ],
        }
        return (json.dumps(document, indent=2) + "\n").encode()

    @classmethod
    def read(cls, text: bytes) -> "Manifest":
        """Raises ``ValueError``, ``KeyError`` or ``TypeError`` for what ``written`` never makes."""
        document: dict[str, Any] = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError("another format")
        chain = document["chain"]
        return cls(
            since=datetime.fromisoformat(document["from"]),
            until=datetime.fromisoformat(document["to"]),
            made_at=datetime.fromisoformat(document["madeAt"]),
            made_by=document["madeBy"],
            version=document["version"],
            schema=document["schema"],
            chain=None
            if chain is None
            else Chain(Head.parse(chain["follows"]), Head.parse(chain["endsAt"])),
            files=[
                Entry(one["name"], one["sha256"], one["bytes"], one["rows"])
                for one in document["files"]
            ],
        )


def line_of(document: Mapping[str, object]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def of_written(row: Written) -> dict[str, object]:
    return {
        "user_id": row.user_id,
        "id": str(row.id),
        "at": row.at.isoformat(),
        "kind": row.kind,
        "actor": row.actor,
        "subject": row.subject,
        "request_id": row.request_id,
        "detail": row.detail,
    }


def read_written(line: str | bytes) -> Written:
    """Raises ``ValueError``, ``KeyError`` or ``TypeError``, as all that read here."""
    values: dict[str, Any] = json.loads(line)
    values |= {"id": UUID(values["id"]), "at": datetime.fromisoformat(values["at"])}
    return Written(**values)


def of_block(block: Block) -> dict[str, object]:
    return {
        "seq": block.seq,
        "sealed_at": block.sealed_at.isoformat(),
        "reaches": block.reaches.isoformat(),
        "row_ids": [str(row_id) for row_id in block.row_ids],
        "row_hashes": block.row_hashes.hex(),
        "prev_hash": block.prev_hash.hex(),
        "hash": block.hash.hex(),
    }


def read_block(line: str | bytes) -> Block:
    values: dict[str, Any] = json.loads(line)
    return Block(
        seq=values["seq"],
        sealed_at=datetime.fromisoformat(values["sealed_at"]),
        reaches=datetime.fromisoformat(values["reaches"]),
        row_ids=[UUID(row_id) for row_id in values["row_ids"]],
        row_hashes=bytes.fromhex(values["row_hashes"]),
        prev_hash=bytes.fromhex(values["prev_hash"]),
        hash=bytes.fromhex(values["hash"]),
    )


def of_access(row: Recorded) -> dict[str, object]:
    return {
        "user_id": row.user_id,
        "id": str(row.id),
        "at": row.at.isoformat(),
        "actor": row.actor,
        "purpose": row.purpose,
        "subject": row.subject,
        "field": row.field,
        "request_id": row.request_id,
        "origin": row.origin,
        "reason": row.reason,
        "event_id": str(row.event_id) if row.event_id else None,
    }


def read_access(line: str | bytes) -> Recorded:
    values: dict[str, Any] = json.loads(line)
    event = values["event_id"]
    values |= {
        "id": UUID(values["id"]),
        "at": datetime.fromisoformat(values["at"]),
        "event_id": UUID(event) if event else None,
    }
    return Recorded(**values)


def of_decision(one: Decided) -> dict[str, object]:
    return {
        "user_id": one.user_id,
        "id": str(one.id),
        "at": one.at.isoformat(),
        "action": one.action,
        "outcome": one.outcome,
        "code": one.code,
        "subject": one.subject,
        "request_id": one.request_id,
        "amount_minor": one.amount,
        "rules": [dict(rule) for rule in one.rules],
        "hits": list(one.hits),
        "seen": one.seen,
        "device_id": str(one.device_id) if one.device_id else None,
    }


def of_journal(posted: Posted) -> tuple[object, ...]:
    return (
        posted.user_id,
        ledger.show(posted.id),
        posted.kind,
        posted.reference,
        posted.reason,
        posted.posted_at.isoformat(),
        ledger.show(posted.closes) if posted.closes else "",
    )


def of_entries(posted: Posted) -> list[tuple[object, ...]]:
    return [
        (
            posted.user_id,
            ledger.show(posted.id),
            number,
            line.account,
            line.amount.currency.code,
            line.amount.minor,
            line.amount.text,
        )
        for number, line in enumerate(posted.postings, start=1)
    ]


def of_balance(balance: Balance) -> tuple[object, ...]:
    return balance.account, balance.currency, balance.opening, balance.closing
