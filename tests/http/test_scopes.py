"""Every route of the real application says who may call it."""

from collections.abc import AsyncIterator

import pytest

from payops.access.api import scopes_of
from payops.access.domain import Scope
from tests.support.house import House, opened

OPEN = {
    "GET /livez",
    "GET /readyz",
    "GET /metrics",
    "GET /version",
    "GET /openapi.json",
    "GET /docs",
    "GET /docs/errors",
    "GET /docs/assets/{name}",
    "POST /webhooks/mpesa",
    "POST /webhooks/mpesa/{txId}",
    "POST /webhooks/nowpayments",
    "POST /webhooks/btcpay",
    "GET /crypto/success",
    "GET /crypto/cancel",
    "GET /ops/sign-in",
    "POST /ops/sign-in",
    "GET /ops/static/{name}",
}


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


async def test_only_what_must_be_open_is_open(house: House) -> None:
    """Health, documentation and the providers' way in; everything else needs a scope."""
    scopes = scopes_of(house.app.routes)

    assert OPEN == {route for route, scope in scopes.items() if scope is None}


async def test_reading_for_operations_needs_no_right_to_write(house: House) -> None:
    """Each GET of operations reads, each POST writes, and the logs have a scope of their own."""
    scopes = {r: s for r, s in scopes_of(house.app.routes).items() if "/api/ops/" in r}

    assert {
        "GET /api/ops/withdrawals": Scope.OPS_READ,
        "GET /api/ops/withdrawals/{txId}": Scope.OPS_READ,
        "POST /api/ops/withdrawals/{txId}/retry": Scope.OPS_WRITE,
        "POST /api/ops/withdrawals/doubt": Scope.OPS_WRITE,
        "GET /api/ops/webhooks": Scope.OPS_READ,
        "GET /api/ops/webhooks/{id}": Scope.OPS_READ,
        "POST /api/ops/webhooks/{id}/replay": Scope.OPS_WRITE,
        "POST /api/ops/webhooks/{id}/body": Scope.PII_READ,
        "GET /api/ops/jobs": Scope.OPS_READ,
        "POST /api/ops/jobs/{name}/run": Scope.OPS_WRITE,
        "GET /api/ops/audit": Scope.AUDIT_READ,
        "GET /api/ops/pii-access": Scope.AUDIT_READ,
        "GET /api/ops/pii-access/report": Scope.AUDIT_READ,
        "POST /api/ops/withdrawals/{txId}/phone": Scope.PII_READ,
        "GET /api/ops/alerts": Scope.OPS_READ,
        "POST /api/ops/alerts/{id}/acknowledge": Scope.OPS_WRITE,
        "POST /api/ops/alerts/{id}/resolve": Scope.OPS_WRITE,
        "GET /api/ops/ledger/balances": Scope.OPS_READ,
        "GET /api/ops/ledger/verify": Scope.OPS_READ,
        "GET /api/ops/overview": Scope.OPS_READ,
        "GET /api/ops/checklists": Scope.OPS_READ,
        "GET /api/ops/checklists/{name}": Scope.OPS_READ,
        "POST /api/ops/checklists/{name}": Scope.OPS_WRITE,
        "GET /api/ops/search": Scope.OPS_READ,  # a phone number needs more
        "GET /api/ops/withdrawals/{txId}/why": Scope.OPS_READ,
        "GET /api/ops/invoices/{invoiceId}/why": Scope.OPS_READ,
        "GET /api/ops/reports/daily": Scope.OPS_READ,
        "GET /api/ops/audit/export": Scope.AUDIT_READ,
        "GET /api/ops/audit/verify": Scope.AUDIT_READ,
        "GET /api/ops/invoices": Scope.OPS_READ,
        "GET /api/ops/invoices/{invoiceId}": Scope.OPS_READ,
        "POST /api/ops/invoices/{invoiceId}/retry": Scope.OPS_WRITE,
        "GET /api/ops/crypto/metrics": Scope.OPS_READ,
        "GET /api/ops/fx/rates": Scope.OPS_READ,
        "POST /api/ops/fx/rates": Scope.OPS_WRITE,
        "GET /api/ops/breaks": Scope.OPS_READ,
        "POST /api/ops/breaks/{breakId}/take": Scope.OPS_WRITE,
        "POST /api/ops/breaks/{breakId}/explain": Scope.OPS_WRITE,
        "POST /api/ops/withdrawals/{txId}/resolve": Scope.OPS_WRITE,
        "POST /api/ops/withdrawals/{txId}/refund": Scope.OPS_WRITE,
        "POST /api/ops/withdrawals/{txId}/write-off": Scope.OPS_WRITE,
        "POST /api/ops/invoices/{invoiceId}/resolve": Scope.OPS_WRITE,
        "GET /api/ops/approvals": Scope.OPS_READ,
        "POST /api/ops/approvals/{id}/approve": Scope.OPS_APPROVE,
        "POST /api/ops/approvals/{id}/reject": Scope.OPS_APPROVE,
        "GET /api/ops/switches": Scope.OPS_READ,
        "POST /api/ops/switches": Scope.OPS_WRITE,
        "GET /api/ops/users/{userId}": Scope.OPS_READ,
        "POST /api/ops/users/{userId}/block": Scope.OPS_WRITE,
        "POST /api/ops/users/{userId}/unblock": Scope.OPS_WRITE,
        "GET /api/ops/velocity": Scope.OPS_READ,
        "GET /api/ops/velocity/history": Scope.OPS_READ,
        "POST /api/ops/velocity/backtest": Scope.OPS_READ,  # changes nothing
        "POST /api/ops/velocity/rules": Scope.OPS_WRITE,
        "PUT /api/ops/velocity/rules/{rule}": Scope.OPS_WRITE,
        "GET /api/ops/velocity/changes": Scope.OPS_READ,
        "POST /api/ops/velocity/changes/{changeId}/approve": Scope.OPS_APPROVE,
        "POST /api/ops/velocity/changes/{changeId}/reject": Scope.OPS_APPROVE,
    } == scopes


async def test_a_user_sees_nothing_of_operations(house: House) -> None:
    """A user's token is good and lacks every scope of these routes."""
    for route in scopes_of(house.app.routes):
        method, path = route.split(" ")
        if not path.startswith("/api/ops/"):
            continue
        answer = await house.client.request(method, path, headers=house.token("amina"))

        assert (403, "scope_missing") == (answer.status_code, answer.json()["code"]), route


async def test_a_stranger_sees_nothing_at_all(house: House) -> None:
    """Without credentials every closed route is 401, before anything else is looked at.

    A page is for people: it answers with the way to the door (``console/test_scopes.py``).
    """
    for route, scope in scopes_of(house.app.routes).items():
        method, path = route.split(" ")
        if scope is None:
            continue
        answer = await house.client.request(method, path)

        assert (303 if path.startswith("/ops") else 401) == answer.status_code, route


async def test_every_operation_has_a_name_of_its_own(house: House) -> None:
    """Clients are generated from operation ids; logs and metrics are labelled with them."""
    document = house.app.openapi()
    names = [
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    ]

    assert len(names) == len(set(names))
    assert all(name.isalnum() for name in names)
