"""What the probes need of a process, and who runs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from payops.deposits.service.parts import Deposits
from payops.fraud.domain.devices import DeviceRules
from payops.fraud.service.velocity import Velocity
from payops.idempotency.service import Desk
from payops.infra.db import Database
from payops.infra.scheduling import Scheduler
from payops.infra.settings import Settings
from payops.ledger.domain import Invariant
from payops.ledger.service import Movement
from payops.ops.checklists.notifying import CheckSource
from payops.pii.sealing import Fingerprints
from payops.pii.service import PersonalData
from payops.webhooks.service import Inbox
from payops.withdrawals.service.requesting import Request

# The user of the checks: nobody's, and without money but for the second a check takes.
USER: Final = "usr_payops_check"


@dataclass(frozen=True, slots=True)
class By:
    """Who runs a list: as the audit log has them."""

    actor: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The services of one process that the probes work on: the same ones that serve."""

    settings: Settings
    db: Database
    movements: Desk[Movement]
    withdrawals: Desk[Request]
    fingerprints: Fingerprints
    personal_data: PersonalData
    inbox: Inbox
    source: CheckSource
    velocity: Velocity
    devices: DeviceRules
    deposits: Deposits
    scheduler: Scheduler
    invariants: Sequence[Invariant]
