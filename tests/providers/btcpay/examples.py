"""What a server says, with the parts a test is about replaced."""

from datetime import UTC, datetime
from typing import Any

import httpx

INVOICE_ID = "7s9oXkFqzRkW1vTAJpG4Ge"
ORDER_ID = "inv_01jd7r8000e00r0000000000g1"
ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
LINK = f"https://btcpay.test/i/{INVOICE_ID}"
CREATED = 1_795_000_000
EXPIRES = CREATED + 1_800
EXPIRES_AT = datetime.fromtimestamp(EXPIRES, UTC)
CHAIN_HASH = "5cf8a326c285ab91f11c898405fb37c1a329e849b603bdf588a21930a8cdc1cf"
PAYMENT_ID = f"{CHAIN_HASH}-0"


def invoice(status: str = "New", additional: str | None = "None", **more: Any) -> dict[str, Any]:
    return {
        "id": INVOICE_ID,
        "storeId": "5vUSQHpS8jnWKTG5XHnY",
        "amount": "25.0",
        "paidAmount": "0",
        "currency": "USD",
        "type": "Standard",
        "checkoutLink": LINK,
        "createdTime": CREATED,
        "expirationTime": EXPIRES,
        "monitoringExpiration": EXPIRES + 2_592_000,
        "status": status,
        "additionalStatus": additional,
        "availableStatusesForManualMarking": ["Settled", "Invalid"],
        "archived": False,
        "metadata": {"orderId": ORDER_ID},
        "checkout": {"speedPolicy": "LowMediumSpeed", "paymentTolerance": 0.0},
    } | more


def payment(status: str = "Settled", **more: Any) -> dict[str, Any]:
    return {
        "id": PAYMENT_ID,
        "receivedDate": CREATED + 60,
        "value": "0.00040459",
        "fee": "0.0",
        "status": status,
        "destination": ADDRESS,
    } | more


def method(*payments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "paymentMethodId": "BTC-CHAIN",
        "currency": "BTC",
        "destination": ADDRESS,
        "paymentLink": f"bitcoin:{ADDRESS}?amount=0.00040459",
        "rate": "61790.9488618",
        "paymentMethodPaid": "0",
        "totalPaid": "0",
        "due": "0.00040459",
        "amount": "0.00040459",
        "paymentMethodFee": "0.0",
        "payments": list(payments),
        "activated": True,
        "additionalData": {"keyPath": "0/1", "payjoinEnabled": False},
    } | more


def ok(content: object) -> httpx.Response:
    return httpx.Response(200, json=content)


NOT_FOUND = httpx.Response(
    404, json={"code": "invoice-not-found", "message": "The invoice was not found"}
)
