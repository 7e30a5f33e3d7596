"""What the pages stand on: the same use cases that the API and the command line call."""

from dataclasses import dataclass

from payops.ops.approvals.api import ApprovalsApi
from payops.ops.checklists.service import Checker
from payops.ops.console.signing import Doorkeeper
from payops.ops.crypto.service import CryptoDesk
from payops.ops.overview.service import OverviewDesk
from payops.ops.reports.service import Reports
from payops.ops.service import Operations
from payops.ops.switches.service import SwitchDesk
from payops.ops.velocity.service import VelocityDesk


@dataclass(frozen=True, slots=True)
class Console:
    """Made where the service is put together; one per process."""

    doorkeeper: Doorkeeper
    operations: Operations
    approvals: ApprovalsApi
    switches: SwitchDesk
    checker: Checker
    crypto: CryptoDesk
    velocity: VelocityDesk
    reports: Reports
    overview: OverviewDesk
