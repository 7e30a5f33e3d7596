"""Reads of personal data in the audit log: what its chain covers, somebody cannot take back."""

from collections.abc import Sequence
from typing import Final

from payops.audit import service as audit
from payops.audit.domain import AuditEvent
from payops.infra.db import Tx
from payops.ledger.domain import Invariant
from payops.pii import service as pii
from payops.pii.domain import Opening

INVARIANTS: Final = (
    Invariant(
        "reads_of_personal_data_are_proven",
        "the access log holds the rows that the audit log has digests of, and no other",
        pii.INVARIANT_SQL,
    ),
)


async def note(tx: Tx, openings: Sequence[Opening]) -> None:
    """Record how many values were opened by whom and why, with a digest of the access log."""
    await audit.record(
        tx,
        [
            AuditEvent(
                id=opening.id,
                kind="personal_data_opened",
                actor=opening.actor,
                user_id=opening.user_id,
                subject=opening.subject,
                request_id=opening.request_id,
                detail={
                    "purpose": opening.purpose.value,
                    "count": opening.count,
                    "digest": opening.digest,
                },
            )
            for opening in openings
        ],
    )
