"""What needs two people: each action with what carries it out."""

from dataclasses import dataclass
from datetime import timedelta

from payops.approvals.service import Approvals
from payops.bootstrap.foundation import Foundation
from payops.deposits.service.parts import Deposits
from payops.fraud.service.controls import Controls
from payops.infra.settings import Settings
from payops.ops.approvals import schemas as wire
from payops.ops.approvals.acts import Acts
from payops.ops.approvals.refunding import Refunding
from payops.ops.approvals.service import ApprovalDesk
from payops.ops.users.worth import Stakes


@dataclass(frozen=True, slots=True)
class FourEyes:
    approvals: Approvals
    desk: ApprovalDesk
    refunding: Refunding
    stakes: Stakes


def four_eyes(
    settings: Settings, base: Foundation, fraud: Controls, deposits: Deposits
) -> FourEyes:
    group = settings.approvals
    approvals = Approvals(Acts(base.metrics).executors(), timedelta(hours=group.expire_hours))
    desk = ApprovalDesk(base.db, approvals, fraud.changing)
    return FourEyes(
        approvals=approvals,
        desk=desk,
        refunding=Refunding(desk, base.fingerprints, wire.rendered),
        stakes=Stakes(group.unblock_alone_max_kes * 100, deposits.rates),
    )
