"""Stories on the wire, and as text."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import Field

from payops.audit.domain import Proof
from payops.fraud.domain.rules import NAIROBI
from payops.infra.web.wire import WireReply
from payops.ops.why.domain import Moment, Story

_MARKS: Final = {Proof.PROVEN: "✓", Proof.UNSEALED: "…", Proof.TOUCHED: "✗ TOUCHED"}


class MomentReply(WireReply):
    at: datetime
    part: str = Field(description="request, decision, attempt, callback, entry, record, …")
    text: str
    by: str | None = None
    id: str | None = None
    proof: Proof | None = Field(None, description="What the chain says of an audit record")
    detail: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, moment: Moment) -> "MomentReply":
        return cls(
            at=moment.at,
            part=moment.part.word,
            text=moment.text,
            by=moment.by,
            id=moment.id,
            proof=moment.proof,
            detail=moment.detail or None,
        )


class ProofsReply(WireReply):
    """How many of its audit records the chain says what of."""

    proven: int
    not_sealed_yet: int
    touched: int


class StoryReply(WireReply):
    id: str
    user_id: str
    status: str
    summary: str
    is_proven: bool = Field(description="No audit record was touched")
    is_whole: bool = Field(description="Every audit record is here")
    proofs: ProofsReply
    story: list[MomentReply] = Field(description="Oldest first")
    text: str = Field(description="The same, to be read")

    @classmethod
    def of(cls, story: Story) -> "StoryReply":
        proofs = story.proofs
        return cls(
            id=story.id,
            user_id=story.user_id,
            status=story.status,
            summary=story.summary,
            is_proven=story.is_proven,
            is_whole=story.is_whole,
            proofs=ProofsReply(
                proven=proofs[Proof.PROVEN],
                not_sealed_yet=proofs[Proof.UNSEALED],
                touched=proofs[Proof.TOUCHED],
            ),
            story=[MomentReply.of(moment) for moment in story.moments],
            text=text_of(story),
        )


def text_of(story: Story) -> str:
    """One line a moment, in Nairobi time, with how long after the first."""
    lines = [f"{story.id} of {story.user_id}", story.summary, ""]
    began = story.moments[0].at if story.moments else None
    for moment in story.moments:
        since = _after(moment.at - began) if began else ""
        who = f" [{moment.by}]" if moment.by else ""
        what = f" {moment.id}" if moment.id else ""
        mark = f" {_MARKS[moment.proof]}" if moment.proof else ""
        local = moment.at.astimezone(NAIROBI)
        lines.append(
            f"{local:%Y-%m-%d %H:%M:%S} {since:>9}  {moment.part.word:<8}  "
            f"{moment.text}{who}{what}{mark}"
        )
    proofs = ", ".join(f"{count} {proof}" for proof, count in story.proofs.items() if count)
    lines += ["", f"times are Nairobi's; audit records: {proofs or 'none'}"]
    return "\n".join(lines)


def _after(passed: timedelta) -> str:
    """``+0.120 s``, ``+45 s``, ``+2 h 05 m``."""
    seconds, milliseconds = divmod(passed // timedelta(milliseconds=1), 1_000)
    if seconds < 10:
        return f"+{seconds}.{milliseconds:03} s"
    if seconds < 3_600:
        return f"+{seconds // 60} m {seconds % 60:02} s" if seconds >= 60 else f"+{seconds} s"
    return f"+{seconds // 3_600} h {seconds % 3_600 // 60:02} m"
