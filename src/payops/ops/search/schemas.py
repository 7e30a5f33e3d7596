"""What was found, on the wire and in the command line's JSON."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import Field

from payops.infra.web.replies import MoneyReply
from payops.infra.web.wire import WireReply
from payops.ops.search.service import Hit, Kind


class HitReply(WireReply):
    kind: Kind
    id: str
    by: str = Field(description="Which of its names it was, such as id, phone or receipt")
    user_id: str | None = None
    status: str | None = None
    amount: MoneyReply | None = None
    at: datetime | None = None

    @classmethod
    def of(cls, hit: Hit) -> "HitReply":
        return cls(
            kind=hit.kind,
            id=hit.id,
            by=hit.by,
            user_id=hit.user_id,
            status=hit.status,
            amount=MoneyReply.of(hit.amount) if hit.amount else None,
            at=hit.at,
        )


class FoundReply(WireReply):
    data: list[HitReply] = Field(description="Users first, then newest first")

    @classmethod
    def of(cls, hits: Sequence[Hit]) -> "FoundReply":
        return cls(data=[HitReply.of(hit) for hit in hits])
