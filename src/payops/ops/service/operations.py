"""The parts that operating the service needs."""

from dataclasses import dataclass

from payops.approvals.service import Approvals
from payops.infra.db import Database
from payops.infra.metrics import Metrics
from payops.infra.scheduling import Scheduler
from payops.ledger.domain import Invariant
from payops.ops.users.worth import Stakes
from payops.pii.service import PersonalData
from payops.webhooks.service import Inbox


@dataclass(frozen=True, slots=True)
class Operations:
    """Made where the service is put together; one per process."""

    db: Database
    personal_data: PersonalData
    metrics: Metrics
    inbox: Inbox
    scheduler: Scheduler
    invariants: tuple[Invariant, ...]
    approvals: Approvals
    stakes: Stakes
