"""Lists and their results on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from payops.infra.web.wire import WireReply
from payops.ops.checklists.domain import ListName, Shown, Status, show
from payops.ops.checklists.service import is_ok


class LineReply(WireReply):
    id: str
    title: str = Field(description="What is true when it passes")
    status: Status | None = Field(None, description="Absent: it was never run")
    detail: str
    evidence: Mapping[str, Any] | None = None
    result_id: str | None = None
    ran_by: str | None = None
    ran_at: datetime | None = None
    last_passed_at: datetime | None = Field(None, description="On whichever list")

    @classmethod
    def of(cls, line: Shown) -> "LineReply":
        found = line.result
        if found is None:
            return cls(id=line.item, title=line.title, detail="never run on this list")
        return cls(
            id=line.item,
            title=line.title,
            status=found.status,
            detail=found.detail,
            evidence=found.evidence,
            result_id=show(found.id),
            ran_by=found.ran_by,
            ran_at=found.ran_at,
            last_passed_at=line.last_passed_at,
        )


class ChecklistReply(WireReply):
    name: ListName
    ok: bool = Field(description="Nothing has failed")
    ran_at: datetime | None = Field(None, description="Absent: never")
    items: list[LineReply]

    @classmethod
    def of(cls, name: ListName, lines: Sequence[Shown]) -> "ChecklistReply":
        moments = [line.result.ran_at for line in lines if line.result]
        return cls(
            name=name,
            ok=is_ok(lines),
            ran_at=max(moments, default=None),
            items=[LineReply.of(line) for line in lines],
        )


class ChecklistsReply(WireReply):
    data: list[ChecklistReply]
