"""From database rows to invoices, payments and receipts, and back."""

from typing import Final

from payops.deposits.domain.invoices import (
    Checkout,
    Invoice,
    Kind,
    Payment,
    Receipt,
    ReceiptState,
)
from payops.deposits.domain.states import State
from payops.deposits.domain.valuation import Method
from payops.infra.db import Record
from payops.kernel.money import CURRENCIES, Money

INVOICE_COLUMNS: Final = (
    "user_id, id, state, price, currency, charged, charged_currency, rate, rate_id, rate_set_at, "
    "coin, provider, checkout, attempts, provider_reference, pay_amount, address, memo, network, "
    "checkout_url, quote_expires_at, credited, reasons, caller, request_id, state_since, "
    "created_at, updated_at"
)

PAYMENT_COLUMNS: Final = (
    "user_id, id, invoice_id, provider, reference, kind, state, provider_status, "
    "parent_reference, coin, pay_amount, address, memo, network, quote_expires_at, fee_coin, "
    "fee_amount, reason, seen_at, notified_at, reads, failures, failing_since, due_at, "
    "state_since, created_at"
)

RECEIPT_COLUMNS: Final = (
    "user_id, id, invoice_id, payment_id, provider, reference, state, coin, amount, arrived_at, "
    "is_settled, outcome_coin, outcome_amount, chain_hash, credited, credited_currency, "
    "journal_id, fee_journal_id, method, rate, reason, created_at"
)


def invoice(row: Record) -> Invoice:
    return Invoice(
        user_id=row["user_id"],
        id=row["id"],
        state=State(row["state"]),
        price=Money(row["price"], CURRENCIES[row["currency"]]),
        charged=Money(row["charged"], CURRENCIES[row["charged_currency"]]),
        rate=row["rate"],
        rate_id=row["rate_id"],
        rate_set_at=row["rate_set_at"],
        coin=row["coin"],
        provider=row["provider"],
        checkout=Checkout(row["checkout"]),
        attempts=row["attempts"],
        provider_reference=row["provider_reference"],
        pay_amount=row["pay_amount"],
        address=row["address"],
        memo=row["memo"],
        network=row["network"],
        checkout_url=row["checkout_url"],
        quote_expires_at=row["quote_expires_at"],
        credited_minor=row["credited"],
        reasons=tuple(row["reasons"]),
        caller=row["caller"],
        request_id=row["request_id"],
        state_since=row["state_since"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def payment(row: Record) -> Payment:
    return Payment(
        user_id=row["user_id"],
        id=row["id"],
        invoice_id=row["invoice_id"],
        provider=row["provider"],
        reference=row["reference"],
        kind=Kind(row["kind"]),
        state=State(row["state"]),
        provider_status=row["provider_status"],
        parent_reference=row["parent_reference"],
        coin=row["coin"],
        pay_amount=row["pay_amount"],
        address=row["address"],
        memo=row["memo"],
        network=row["network"],
        quote_expires_at=row["quote_expires_at"],
        fee_coin=row["fee_coin"],
        fee_amount=row["fee_amount"],
        reason=row["reason"],
        seen_at=row["seen_at"],
        notified_at=row["notified_at"],
        reads=row["reads"],
        failures=row["failures"],
        failing_since=row["failing_since"],
        due_at=row["due_at"],
        state_since=row["state_since"],
        created_at=row["created_at"],
    )


def receipt(row: Record) -> Receipt:
    credited = row["credited"]
    return Receipt(
        user_id=row["user_id"],
        id=row["id"],
        invoice_id=row["invoice_id"],
        payment_id=row["payment_id"],
        provider=row["provider"],
        reference=row["reference"],
        state=ReceiptState(row["state"]),
        coin=row["coin"],
        amount=row["amount"],
        arrived_at=row["arrived_at"],
        is_settled=row["is_settled"],
        outcome_coin=row["outcome_coin"],
        outcome_amount=row["outcome_amount"],
        chain_hash=row["chain_hash"],
        credited=Money(credited, CURRENCIES[row["credited_currency"]]) if credited else None,
        journal_id=row["journal_id"],
        fee_journal_id=row["fee_journal_id"],
        method=Method(row["method"]) if row["method"] else None,
        rate=row["rate"],
        reason=row["reason"],
        created_at=row["created_at"],
    )


def payment_values(one: Payment) -> tuple[object, ...]:
    """In the order of ``PAYMENT_COLUMNS``."""
    return (
        one.user_id,
        one.id,
        one.invoice_id,
        one.provider,
        one.reference,
        one.kind,
        one.state,
        one.provider_status,
        one.parent_reference,
        one.coin,
        one.pay_amount,
        one.address,
        one.memo,
        one.network,
        one.quote_expires_at,
        one.fee_coin,
        one.fee_amount,
        one.reason,
        one.seen_at,
        one.notified_at,
        one.reads,
        one.failures,
        one.failing_since,
        one.due_at,
        one.state_since,
        one.created_at,
    )


def receipt_values(one: Receipt) -> tuple[object, ...]:
    """In the order of ``RECEIPT_COLUMNS``."""
    return (
        one.user_id,
        one.id,
        one.invoice_id,
        one.payment_id,
        one.provider,
        one.reference,
        one.state,
        one.coin,
        one.amount,
        one.arrived_at,
        one.is_settled,
        one.outcome_coin,
        one.outcome_amount,
        one.chain_hash,
        one.credited.minor if one.credited else None,
        one.credited.currency.code if one.credited else None,
        one.journal_id,
        one.fee_journal_id,
        one.method,
        one.rate,
        one.reason,
        one.created_at,
    )
