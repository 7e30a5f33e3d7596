"""Crypto deposits as operations see them, on the wire and in the command line's JSON."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from payops.deposits.domain.invoices import Kind, Payment, Receipt, ReceiptState
from payops.deposits.domain.rates import ID_PREFIX as RATE
from payops.deposits.domain.rates import Rate
from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Method
from payops.deposits.schemas import InvoiceReply, plain, rate_text
from payops.deposits.service.measuring import Measured
from payops.infra.web.replies import MoneyReply
from payops.infra.web.wire import Wire, WireReply
from payops.kernel.errors import Fault, Invalid
from payops.kernel.ids import show_id
from payops.ops.crypto.service import Account
from payops.ops.schemas import AuditReply
from payops.reconciliation.domain import Break, BreakKind, show_break

RATE_TEXT = r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,8})?$"


class MetricsReply(WireReply):
    timestamp: datetime
    pending: int = Field(description="waiting and confirming, now")
    confirmed: int = Field(description="confirmed and sending, now")
    finished: int = Field(description="In the window")
    failed: int = Field(description="failed and expired, in the window")
    avg_wait_to_pending: int | None = Field(description="Seconds from invoice to money seen")
    avg_pending_to_finished: int | None = Field(description="Seconds from money seen to settled")
    stuck_for_30_min: int = Field(alias="stuckFor30Min", description="Waiting for too long")
    stuck_paid: int = Field(description="Money seen, and no progress for too long")
    partially_paid: int = Field(description="In the window")
    review: int = Field(description="Waiting for a person, now")
    window_hours: int
    settled_by_hour: list[int] = Field(description="Oldest first, this hour last")

    @classmethod
    def of(cls, measured: Measured) -> "MetricsReply":
        found = measured.figures
        return cls(
            timestamp=measured.at,
            pending=found.pending,
            confirmed=found.confirmed,
            finished=found.finished,
            failed=found.failed,
            avg_wait_to_pending=found.avg_waited,
            avg_pending_to_finished=found.avg_settling,
            stuck_for_30_min=found.waiting_long,
            stuck_paid=found.stuck_paid,
            partially_paid=found.partially_paid,
            review=found.review,
            window_hours=len(measured.settled),
            settled_by_hour=list(measured.settled),
        )


class PaymentReply(WireReply):
    reference: str
    kind: Kind
    status: State
    provider_status: str = Field(description="The provider's own word")
    parent: str | None = None
    pay_currency: str | None = None
    pay_amount: str | None = None
    address: str | None = None
    fee: str | None = Field(None, description="What the provider kept, and of which coin")
    reason: str | None = Field(None, description="Why a person must look")
    seen_at: datetime | None = None
    notified_at: datetime | None = None
    next_read_at: datetime | None = None
    failures: int = Field(description="Read-backs in a row that failed")

    @classmethod
    def of(cls, payment: Payment) -> "PaymentReply":
        fee = payment.fee_amount
        return cls(
            reference=payment.reference,
            kind=payment.kind,
            status=payment.state,
            provider_status=payment.provider_status,
            parent=payment.parent_reference,
            pay_currency=payment.coin,
            pay_amount=plain(payment.pay_amount),
            address=payment.address,
            fee=f"{plain(fee)} {payment.fee_coin}" if fee else None,
            reason=payment.reason,
            seen_at=payment.seen_at,
            notified_at=payment.notified_at,
            next_read_at=payment.due_at,
            failures=payment.failures,
        )


class ReceiptReply(WireReply):
    reference: str
    status: ReceiptState
    currency: str
    amount: str = Field(description="What arrived")
    arrived_at: datetime
    is_settled: bool
    credited: MoneyReply | None = None
    method: Method | None = Field(None, description="How it was valued")
    rate: str | None = Field(None, description="One coin in the wallet's currency")
    reason: str | None = Field(None, description="Why a person must look")
    chain_hash: str | None = None

    @classmethod
    def of(cls, receipt: Receipt) -> "ReceiptReply":
        return cls(
            reference=receipt.reference,
            status=receipt.state,
            currency=receipt.coin,
            amount=plain(receipt.amount) or "",
            arrived_at=receipt.arrived_at,
            is_settled=receipt.is_settled,
            credited=MoneyReply.of(receipt.credited) if receipt.credited else None,
            method=receipt.method,
            rate=rate_text(receipt.rate) if receipt.rate is not None else None,
            reason=receipt.reason,
            chain_hash=receipt.chain_hash,
        )


class InvoiceAccountReply(InvoiceReply):
    """An invoice with all that is known of it."""

    reasons: list[str] = Field(description="Why a person must look")
    charged: MoneyReply = Field(description="What the provider was asked for")
    caller: str
    request_id: str | None = None
    attempts: int
    payments: list[PaymentReply]
    receipts: list[ReceiptReply]
    audit_trail: list[AuditReply] = Field(description="Oldest first")

    @classmethod
    def of_account(cls, account: Account) -> "InvoiceAccountReply":
        invoice = account.story.invoice
        return cls(
            **dict(InvoiceReply.of(invoice)),
            reasons=list(invoice.reasons),
            charged=MoneyReply.of(invoice.charged),
            caller=invoice.caller,
            request_id=invoice.request_id,
            attempts=invoice.attempts,
            payments=[PaymentReply.of(one) for one in account.story.payments],
            receipts=[ReceiptReply.of(one) for one in account.story.receipts],
            audit_trail=[AuditReply.of(entry) for entry in account.trail],
        )


class RateRequest(Wire):
    rate: Annotated[
        str, Field(pattern=RATE_TEXT, description="Shillings a dollar", examples=["129.50"])
    ]
    spread_bps: Annotated[
        int, Field(ge=0, le=2000, description="The house's, in hundredths of a percent")
    ] = 0
    reason: Annotated[str, Field(min_length=1, max_length=500)]

    def as_decimal(self) -> Decimal:
        """Raises ``Invalid`` for zero."""
        rate = Decimal(self.rate)
        if not rate:
            raise Invalid(faults=[Fault("/rate", "must be more than zero")])
        return rate


class RateReply(WireReply):
    id: str | None = Field(None, description="Absent: from the configuration")
    pair: str
    rate: str = Field(description="Shillings a dollar; two decimals at least")
    spread_bps: int
    rate_for_payer: str = Field(description="With the spread taken off")
    set_by: str
    set_at: datetime | None = None
    reason: str | None = None

    @classmethod
    def of(cls, rate: Rate) -> "RateReply":
        return cls(
            id=show_id(RATE, rate.id) if rate.id else None,
            pair=rate.pair,
            rate=rate_text(rate.rate),
            spread_bps=rate.spread_bps,
            rate_for_payer=rate_text(rate.for_payer),
            set_by=rate.set_by,
            set_at=rate.set_at,
            reason=rate.reason or None,
        )


class BreakReply(WireReply):
    id: str
    kind: BreakKind
    provider: str
    payment: str
    user_id: str
    detail: Mapping[str, Any]
    owner: str | None = None
    opened_at: datetime
    last_seen_at: datetime

    @classmethod
    def of(cls, one: Break) -> "BreakReply":
        return cls(
            id=show_break(one.id),
            kind=one.kind,
            provider=one.provider,
            payment=one.subject,
            user_id=one.user_id,
            detail=one.detail,
            owner=one.owner,
            opened_at=one.opened_at,
            last_seen_at=one.last_seen_at,
        )


class ExplainRequest(Wire):
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class ReadReply(WireReply):
    payments: int = Field(description="How many are being read back")
