"""Every page of the console says who may open it, every form who may send it."""

import re
from collections.abc import AsyncIterator

import pytest

from payops.access.api import scopes_of
from payops.access.domain import Scope
from tests.support import browsing
from tests.support.house import House, opened

READ, WRITE, APPROVE = Scope.OPS_READ, Scope.OPS_WRITE, Scope.OPS_APPROVE
NOBODYS = "x_00000000000000000000000000"

# What a route needs beyond a session; ``None`` is open to whoever is at the door.
ROUTES = {
    "GET /ops/sign-in": None,
    "POST /ops/sign-in": None,
    "GET /ops/static/{name}": None,
    "POST /ops/sign-out": READ,
    "GET /ops/switches": READ,
    "POST /ops/switches/{name}/{act}": WRITE,
    "GET /ops": READ,
    "GET /ops/figures": READ,
    "GET /ops/queue": READ,
    "POST /ops/queue/{txId}/ask": WRITE,
    "GET /ops/alerts": READ,
    "POST /ops/alerts/{id}/acknowledge": WRITE,
    "POST /ops/alerts/{id}/resolve": WRITE,
    "GET /ops/jobs": READ,
    "POST /ops/jobs/{name}/run": WRITE,
    "GET /ops/inbox": READ,
    "GET /ops/inbox/{id}": READ,
    "POST /ops/inbox/{id}/body": Scope.PII_READ,
    "POST /ops/inbox/{id}/replay": WRITE,
    "GET /ops/approvals": READ,
    "POST /ops/approvals/{id}/approve": APPROVE,
    "POST /ops/approvals/{id}/reject": APPROVE,
    "GET /ops/checklists": READ,
    "GET /ops/checklists/{name}": READ,
    "POST /ops/checklists/{name}/run": WRITE,
    "GET /ops/audit": Scope.AUDIT_READ,
    "GET /ops/audit/reads": Scope.AUDIT_READ,
    "POST /ops/audit/export": Scope.AUDIT_READ,
    "GET /ops/crypto": READ,
    "GET /ops/crypto/currencies": READ,
    "GET /ops/crypto/rates": READ,
    "POST /ops/crypto/rates": WRITE,
    "POST /ops/crypto/breaks/{breakId}/take": WRITE,
    "POST /ops/crypto/breaks/{breakId}/explain": WRITE,
    "GET /ops/limits": READ,
    "GET /ops/limits/history": READ,
    "GET /ops/limits/backtest": READ,
    "POST /ops/limits/rules": WRITE,
    "POST /ops/limits/rules/{rule}": WRITE,
    "GET /ops/reports": READ,
    "GET /ops/reports/daily.{form}": READ,
    "GET /ops/search": READ,
    "GET /ops/withdrawals/{txId}": READ,
    "POST /ops/withdrawals/{txId}/retry": WRITE,
    "POST /ops/withdrawals/{txId}/cancel": WRITE,
    "POST /ops/withdrawals/{txId}/resolve/{outcome}": WRITE,
    "POST /ops/withdrawals/{txId}/refund": WRITE,
    "POST /ops/withdrawals/{txId}/write-off": WRITE,
    "POST /ops/withdrawals/{txId}/phone": Scope.PII_READ,
    "GET /ops/invoices/{invoiceId}": READ,
    "POST /ops/invoices/{invoiceId}/retry": WRITE,
    "POST /ops/invoices/{invoiceId}/resolve/{outcome}": WRITE,
    "GET /ops/users/{userId}": READ,
    "POST /ops/users/{userId}/block": WRITE,
    "POST /ops/users/{userId}/unblock": WRITE,
    "GET /ops/{path:path}": READ,  # nothing is there, and only who is signed in learns that
}


@pytest.fixture
async def house(url: str) -> AsyncIterator[House]:
    async with opened(url) as made:
        yield made


def routes_of(house: House) -> dict[str, Scope | None]:
    every = scopes_of(house.app.routes)
    return {
        route: scope for route, scope in every.items() if route.split(" ")[1].startswith("/ops")
    }


def closed(house: House) -> list[tuple[str, str, Scope]]:
    """Method, a path that fits, and scope of each route that needs a session."""
    return [
        (*_aimed(route), scope) for route, scope in routes_of(house).items() if scope is not None
    ]


def _aimed(route: str) -> tuple[str, str]:
    method, path = route.split(" ")
    return method, re.sub(r"\{\w+(:path)?\}", NOBODYS, path)


async def test_only_the_door_is_open(house: House) -> None:
    """Who opens what is written down here; a route that is not fails this test."""
    assert ROUTES == routes_of(house)


async def test_a_stranger_is_shown_to_the_door(house: House) -> None:
    """Nothing is looked at before: no form is read, no id looked up."""
    async with browsing.window(house) as stranger:
        for method, path, _ in closed(house):
            answer = await stranger.request(method, path)

            back = path if method == "GET" else "/ops"
            assert (303, f"/ops/sign-in?next={back}") == (
                answer.status_code,
                answer.headers["Location"],
            ), path


async def test_an_api_key_in_a_header_opens_no_page(house: House) -> None:
    """Browsers never send one, so nothing that is not a browser gets in here."""
    headers = await house.key(*Scope)
    for method, path, _ in closed(house):
        answer = await house.client.request(method, path, headers=headers)

        assert 303 == answer.status_code, path


async def test_each_route_needs_its_scope_whatever_its_page_shows(house: House) -> None:
    """A visitor with every scope but the one is refused, before the form is read."""
    for missing in set(Scope) - {READ}:
        async with browsing.signed_in(house, *(set(Scope) - {missing})) as browser:
            for method, path, scope in closed(house):
                answer = await browser.http.request(method, path)

                is_refused = (403, True) == (answer.status_code, "scope_missing" in answer.text)
                assert is_refused is (scope is missing), (method, path, missing)


async def test_the_menu_leads_only_where_one_may_go(house: House) -> None:
    """An observer without the audit log is not shown its page."""
    async with browsing.signed_in(house, READ) as observer:
        shown = (await observer.get("/ops/switches")).menu
    async with browsing.signed_in(house, READ, Scope.AUDIT_READ) as auditor:
        shown_to_auditor = (await auditor.get("/ops/switches")).menu

    assert {"/ops/audit"} == set(shown_to_auditor) - set(shown)
    for path in shown_to_auditor:
        assert f"GET {path}" in routes_of(house), path


async def test_a_page_that_is_not_there_is_said_to_be_missing(house: House) -> None:
    """As a page with its menu, not as a document for programs."""
    async with browsing.signed_in(house, READ) as browser:
        page = await browser.get("/ops/no/such/page")

    assert (404, "There is no such thing") == (page.status, page.title)
    assert "/ops/switches" in page.menu
