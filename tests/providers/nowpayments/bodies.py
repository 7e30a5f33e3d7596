"""Payments as the provider writes them, each source with its own types, and what they mean."""

import json
from decimal import Decimal
from typing import Any

from payops.deposits.domain.states import State
from payops.deposits.ports import Arrival, Snapshot
from payops.kernel.money import USD, Money
from payops.providers.nowpayments.canonical import Number

ORDER_ID = "inv_01h455vb4pex5vsknk084sn02q"
ADDRESS = "0xDE0da4f27882F628cFdEFC3Cf61A89b68AD6402E"

# In the answer to a creation ids are texts; there is no `actually_paid`.
CREATED: dict[str, Any] = {
    "payment_id": "5745459419",
    "payment_status": "waiting",
    "pay_address": ADDRESS,
    "price_amount": 100,
    "price_currency": "usd",
    "pay_amount": 0.04763643,
    "pay_currency": "eth",
    "order_id": ORDER_ID,
    "order_description": "BETRIX deposit",
    "ipn_callback_url": "https://payops.test/webhooks/nowpayments",
    "created_at": "2026-11-22T09:00:00.742Z",
    "updated_at": "2026-11-22T09:00:00.742Z",
    "purchase_id": "5837122679",
    "amount_received": None,
    "payin_extra_id": None,
    "smart_contract": None,
    "network": "eth",
    "network_precision": 18,
    "time_limit": None,
    "burning_percent": None,
    "expiration_estimate_date": "2026-11-22T09:20:00.742Z",
    "valid_until": "2026-11-29T09:00:00.742Z",
    "type": "crypto2crypto",
}

# In the answer to a question ids are numbers.
READ: dict[str, Any] = {
    "payment_id": 5745459419,
    "invoice_id": None,
    "payment_status": "finished",
    "pay_address": ADDRESS,
    "payin_extra_id": None,
    "price_amount": 100,
    "price_currency": "usd",
    "pay_amount": 0.04763643,
    "actually_paid": 0.04763643,
    "pay_currency": "eth",
    "order_id": ORDER_ID,
    "order_description": "BETRIX deposit",
    "purchase_id": 5837122679,
    "outcome_amount": 99.611878,
    "outcome_currency": "usdttrc20",
    "payin_hash": "0x6f3c",
    "payout_hash": None,
    "created_at": "2026-11-22T09:00:00.742Z",
    "updated_at": "2026-11-22T09:10:00.742Z",
    "burning_percent": "null",
    "type": "crypto2crypto",
    "payment_extra_ids": [5513339153, 4526424492],
}

# In a notification `purchase_id` is a text again, and there is a fee.
NOTIFIED: dict[str, Any] = {
    "payment_id": 5745459419,
    "parent_payment_id": None,
    "invoice_id": None,
    "payment_status": "finished",
    "pay_address": ADDRESS,
    "payin_extra_id": None,
    "price_amount": 100,
    "price_currency": "usd",
    "pay_amount": 0.04763643,
    "actually_paid": 0.04763643,
    "actually_paid_at_fiat": 0,
    "pay_currency": "eth",
    "order_id": ORDER_ID,
    "order_description": "BETRIX deposit",
    "purchase_id": "5837122679",
    "outcome_amount": 99.611878,
    "outcome_currency": "usdttrc20",
    "payment_extra_ids": None,
    "fee": {"currency": "usdttrc20", "depositFee": 1.126284, "withdrawalFee": 0, "serviceFee": 0},
    "updated_at": 1706105146952,
}


def body_of(content: dict[str, Any]) -> bytes:
    """JSON in which a ``Number`` stands as it is spelled."""
    spelled: dict[str, str] = {}

    def marked(value: Any) -> Any:
        if isinstance(value, Number):
            spelled[f"@{len(spelled)}@"] = value
            return f"@{len(spelled) - 1}@"
        if isinstance(value, dict):
            return {name: marked(one) for name, one in value.items()}
        return [marked(one) for one in value] if isinstance(value, list) else value

    text = json.dumps(marked(content))
    for mark, number in spelled.items():
        text = text.replace(f'"{mark}"', number)
    return text.encode()


def without(content: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in content.items() if name not in names}


def arrival(**more: Any) -> Arrival:
    given: dict[str, Any] = {
        "reference": "5745459419",
        "coin": "ETH",
        "amount": Decimal("0.04763643"),
        "is_settled": True,
        "outcome_coin": "USDTTRC20",
        "outcome_amount": Decimal("99.611878"),
    }
    return Arrival(**given | more)


def snapshot(**more: Any) -> Snapshot:
    given: dict[str, Any] = {
        "reference": "5745459419",
        "state": State.FINISHED,
        "provider_status": "finished",
        "order_id": ORDER_ID,
        "price": Money(10_000, USD),
        "coin": "ETH",
        "pay_amount": Decimal("0.04763643"),
        "address": ADDRESS,
        "arrivals": (arrival(),),
    }
    return Snapshot(**given | more)
