"""What was decided of a request, and on what grounds; kept for ever."""

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from payops.fraud.domain.devices import Seen
from payops.fraud.domain.rules import Action
from payops.fraud.domain.velocity import Finding
from payops.kernel.ids import new_id


class Outcome(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    CHALLENGED = "challenged"  # refused until the device is confirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Inputs are references: the ids of the request, of what it made, of the device.

    ``amount_minor`` is KES cents, ``None`` where a request has no amount in shillings;
    ``code`` the error's, "" when accepted.
    """

    user_id: str
    action: Action
    outcome: Outcome
    code: str = ""
    subject: str | None = None
    request_id: str | None = None
    amount_minor: int | None = None
    findings: tuple[Finding, ...] = ()
    seen: Seen | None = None
    device_id: UUID | None = None
    id: UUID = field(default_factory=new_id)

    @property
    def hits(self) -> list[str]:
        """Names of the rules that were met, enforced or not."""
        return [finding.rule.name for finding in self.findings if finding.is_hit]
