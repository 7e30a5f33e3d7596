"""What is kept of an act until it is approved: JSON on the way in, checked on the way out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from payops.deposits.service import reviewing
from payops.deposits.service.reviewing import Review
from payops.kernel.money import CURRENCIES, Money
from payops.withdrawals.domain import Withdrawal
from payops.withdrawals.service import resolving
from payops.withdrawals.service.deciding import Bearer
from payops.withdrawals.service.resolving import Resolution


def of_resolution(resolution: Resolution, payout: Withdrawal) -> dict[str, object]:
    found: dict[str, object] = {"outcome": resolution.verdict.value, "stood": stood(payout)}
    if resolution.receipt is not None:
        found["receipt"] = resolution.receipt
    return found


def resolution_of(payload: Mapping[str, Any]) -> Resolution:
    return Resolution(resolving.Verdict(payload["outcome"]), payload.get("receipt"))


def stood(payout: Withdrawal) -> dict[str, object]:
    """What is known of a payout: whoever decides on it decides on this and nothing later."""
    return {
        "status": payout.state.value,
        "providerReference": payout.provider_reference,
        "receipt": payout.receipt,
        "attempts": payout.attempts,
    }


def of_bearer(bearer: Bearer) -> dict[str, object]:
    return {"borneBy": bearer.value}


def bearer_of(payload: Mapping[str, Any]) -> Bearer:
    return Bearer(payload["borneBy"])


def of_receipt(receipt: str) -> dict[str, object]:
    return {"receipt": receipt}


def receipt_of(payload: Mapping[str, Any]) -> str:
    receipt: str = payload["receipt"]
    return receipt


def of_review(review: Review) -> dict[str, object]:
    found: dict[str, object] = {
        "reference": review.reference,
        "reviewReason": review.reason,
        "outcome": review.verdict.value,
        "stood": dict(review.stood),
    }
    if review.amount is not None:
        found["amount"] = review.amount.text
        found["currency"] = review.amount.currency.code
    if review.arrived is not None:
        found["arrived"] = format(review.arrived, "f")
    return found


def review_of(payload: Mapping[str, Any]) -> Review:
    amount, arrived = payload.get("amount"), payload.get("arrived")
    return Review(
        reference=payload["reference"],
        reason=payload["reviewReason"],
        verdict=reviewing.Verdict(payload["outcome"]),
        amount=Money.parse(amount, CURRENCIES[payload["currency"]]) if amount else None,
        arrived=Decimal(arrived) if arrived else None,
        stood=payload.get("stood", {}),
    )
