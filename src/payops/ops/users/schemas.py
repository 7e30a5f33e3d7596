"""Users and blocks as operations people see them."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from payops.fraud.domain.blocks import Block
from payops.fraud.schemas import DeviceReply
from payops.infra.web.replies import MoneyReply
from payops.infra.web.wire import Wire, WireReply
from payops.kernel.money import CURRENCIES, Money
from payops.ledger.domain import Wallet
from payops.ops.approvals.schemas import Reason
from payops.ops.schemas import AuditReply
from payops.ops.users.service import Blocked, Profile
from payops.withdrawals.schemas import WithdrawalReply


class BlockRequest(Wire):
    reason: Reason
    until: Annotated[
        AwareDatetime | None, Field(strict=False, description="Left out: until it is lifted")
    ] = None


class UnblockRequest(Wire):
    reason: Reason


class BlockReply(WireReply):
    user_id: str
    reason: str
    blocked_by: str
    blocked_at: datetime
    until: datetime | None = None
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lift_reason: str | None = None

    @classmethod
    def of(cls, block: Block) -> "BlockReply":
        return cls(
            user_id=block.user_id,
            reason=block.reason,
            blocked_by=block.blocked_by,
            blocked_at=block.blocked_at,
            until=block.until,
            lifted_at=block.lifted_at,
            lifted_by=block.lifted_by,
            lift_reason=block.lift_reason,
        )


class BlockedReply(BlockReply):
    """A block, and what it gave back."""

    cancelled: list[str] = Field(description="Withdrawals that had not been sent")

    @classmethod
    def of_blocked(cls, blocked: Blocked) -> "BlockedReply":
        return cls(**dict(BlockReply.of(blocked.block)), cancelled=list(blocked.cancelled))


class UserWalletReply(WireReply):
    currency: str
    available: MoneyReply
    held: MoneyReply

    @classmethod
    def of(cls, wallet: Wallet) -> "UserWalletReply":
        currency = CURRENCIES[wallet.owner.currency]
        return cls(
            currency=currency.code,
            available=MoneyReply.of(Money(wallet.available, currency)),
            held=MoneyReply.of(Money(wallet.held, currency)),
        )


class UserReply(WireReply):
    user_id: str
    is_blocked: bool
    block: BlockReply | None = Field(None, description="The one in force")
    blocks: list[BlockReply] = Field(description="Newest first")
    wallets: list[UserWalletReply]
    devices: list[DeviceReply]
    withdrawals: list[WithdrawalReply] = Field(description="The newest twenty")
    audit_trail: list[AuditReply] = Field(description="The newest twenty records")

    @classmethod
    def of(cls, person: Profile) -> "UserReply":
        return cls(
            user_id=person.user_id,
            is_blocked=person.block is not None,
            block=BlockReply.of(person.block) if person.block else None,
            blocks=[BlockReply.of(block) for block in person.blocks],
            wallets=[UserWalletReply.of(wallet) for wallet in person.wallets],
            devices=[DeviceReply.of(device) for device in person.devices],
            withdrawals=[WithdrawalReply.of(one) for one in person.withdrawals],
            audit_trail=[AuditReply.of(entry) for entry in person.trail],
        )
