"""A story: moments in order, told in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from payops.audit.domain import Proof


class Part(IntEnum):
    """What a moment is about; of several at one instant, this is the order they are told in."""

    REQUEST = 0
    DECISION = 1
    ATTEMPT = 2
    CALLBACK = 3
    PAYMENT = 4
    APPROVAL = 5
    ENTRY = 6
    ACCESS = 7
    RECORD = 8  # of the audit log

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened. ``proof`` is given for records of the audit log."""

    at: datetime
    part: Part
    text: str
    by: str | None = None
    id: str | None = None
    proof: Proof | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """``summary`` is how it stands; ``is_whole`` false: there is more than was read."""

    id: str
    user_id: str
    status: str
    summary: str
    moments: Sequence[Moment]
    is_whole: bool

    @property
    def proofs(self) -> dict[Proof, int]:
        """How many records of the audit log the chain says what of."""
        counts = Counter(moment.proof for moment in self.moments if moment.proof)
        return {proof: counts.get(proof, 0) for proof in Proof}

    @property
    def is_proven(self) -> bool:
        """Whether no record was touched; those not sealed yet are seconds old."""
        return not self.proofs[Proof.TOUCHED]


def in_order(moments: Sequence[Moment]) -> list[Moment]:
    return sorted(moments, key=lambda moment: (moment.at, moment.part))
