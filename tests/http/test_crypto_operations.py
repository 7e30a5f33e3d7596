"""Crypto deposits as operations see them: invoices, figures, rates, breaks, switches."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from payops.access.domain import Scope
from payops.deposits.domain.states import State
from payops.infra.web.middleware import BODY_BYTES_MAX
from tests.support.api import AMINA, Api, code_of, running_api
from tests.support.mint import Mint
from tests.support.nonsense import (
    CRLF,
    NO_OBJECT,
    NO_STRING,
    SECRET,
    malformed,
)

SETTINGS = {"crypto": {"usd_kes_rate": "130"}, "velocity": {"deposits_per_hour": 0}}
NO_INVOICE = "inv_01h455vb4pex5vsknk084sn02q"
NO_BREAK = "brk_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
def mint() -> Mint:
    return Mint()


@pytest.fixture
async def api(url: str, mint: Mint) -> AsyncIterator[Api]:
    async with running_api(url, SETTINGS, crypto=[mint]) as made:
        yield made


async def invoice(api: Api, key: str = "k", **more: object) -> dict[str, Any]:
    body = {"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"} | more
    made = await api.back_end.post(
        "/api/crypto/invoices",
        json=body,
        headers={"Idempotency-Key": key, "X-Request-Id": f"request-of-{key}"},
    )
    assert 201 == made.status_code, made.text
    shown: dict[str, Any] = made.json()
    return shown


async def settles(api: Api, mint: Mint, shown: dict[str, Any], arrived: str = "0.02") -> None:
    mint.arrives(shown["providerReference"], arrived)
    mint.becomes(shown["providerReference"], State.FINISHED)
    await api.shop.execute("UPDATE deposit_payments SET due_at = now() WHERE due_at IS NOT NULL")
    await api.services.deposits.reader.due()


async def get(api: Api, path: str, **parameters: str) -> dict[str, Any]:
    answer = await api.back_end.get(f"/api/ops/{path}", params=parameters)
    assert 200 == answer.status_code, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def a_break(api: Api, mint: Mint) -> str:
    """The provider lost a payment that was credited."""
    shown = await invoice(api)
    await settles(api, mint, shown)
    del mint.book[shown["providerReference"]]
    await api.services.deposit_reconciliation.everything()
    (found,) = (await get(api, "breaks"))["data"]
    identity: str = found["id"]
    return identity


# Invoices


async def test_an_account_has_all_that_is_known(api: Api, mint: Mint) -> None:
    """
    The payments, what arrived, how it was valued, and the trail from the first to the last.
    """
    shown = await invoice(api)
    await settles(api, mint, shown)

    account = await get(api, f"invoices/{shown['invoiceId']}")

    (payment,), (receipt,) = account["payments"], account["receipts"]
    assert ("finished", []) == (account["status"], account["reasons"])
    assert ("primary", "finished", "finished") == (
        payment["kind"],
        payment["status"],
        payment["providerStatus"],
    )
    assert ("credited", "quote", "0.02") == (
        receipt["status"],
        receipt["method"],
        receipt["amount"].rstrip("0"),
    )
    assert {"amount": "20.00", "currency": "USD"} == receipt["credited"] == account["credited"]
    kinds = [entry["kind"] for entry in account["auditTrail"]]
    assert ["deposit_initiated", "deposit_moved", "deposit_moved", "deposit_credited"] == kinds


async def test_invoices_are_found_by_whatever_is_in_hand(api: Api) -> None:
    """
    The user, the state, the provider's id, the id of the request.
    """
    one, other = await invoice(api, "a"), await invoice(api, "b", userId="usr_other")
    ways = [
        {"userId": AMINA},
        {"q": one["providerReference"]},
        {"reference": one["providerReference"]},
        {"q": "request-of-a"},
    ]
    found = [(await get(api, "invoices", **way))["data"] for way in ways]

    assert [[one["invoiceId"]]] * 4 == [[each["invoiceId"] for each in some] for some in found]
    both = (await get(api, "invoices", status="waiting"))["data"]
    assert [other["invoiceId"], one["invoiceId"]] == [each["invoiceId"] for each in both]
    assert [] == (await get(api, "invoices", q="nobody knows it"))["data"]


async def test_a_retry_lets_every_payment_be_read_back(api: Api, mint: Mint) -> None:
    """
    202 with how many; it is on record who asked.
    """
    shown = await invoice(api)
    mint.arrives(shown["providerReference"], "0.02")
    mint.becomes(shown["providerReference"], State.FINISHED)

    answer = await api.back_end.post(f"/api/ops/invoices/{shown['invoiceId']}/retry")
    await api.services.deposits.reader.due()

    assert (202, {"payments": 1}) == (answer.status_code, answer.json())
    account = await get(api, f"invoices/{shown['invoiceId']}")
    assert "finished" == account["status"]
    assert "deposit_read_asked_for" in {entry["kind"] for entry in account["auditTrail"]}


# Figures


async def test_the_figures_have_the_names_of_the_design(api: Api, mint: Mint) -> None:
    """
    All seven and the others, the averages null while there is nothing to average.
    """
    empty = await get(api, "crypto/metrics")
    waiting = await invoice(api, "a")
    await settles(api, mint, await invoice(api, "b"))
    figures = await get(api, "crypto/metrics")

    assert (None, None) == (empty["avgWaitToPending"], empty["avgPendingToFinished"])
    names = {"pending", "confirmed", "finished", "failed", "stuckFor30Min", "stuckPaid"}
    assert dict.fromkeys(names, 0) == {name: empty[name] for name in names}
    assert (1, 0, 1, 0) == tuple(
        figures[name] for name in ("pending", "confirmed", "finished", "failed")
    )
    assert (24, 24, 1) == (
        figures["windowHours"],
        len(figures["settledByHour"]),
        figures["settledByHour"][-1],
    )
    assert figures["timestamp"].endswith("Z")
    assert "waiting" == waiting["status"]
    rendered = (await api.stranger.get("/metrics")).text
    assert re.search(r'payops_deposits\{.*"pending".*\} 1\.0', rendered)


# Rates


async def test_a_rate_is_recorded_and_the_ones_before_it_stay(api: Api) -> None:
    """
    Newest first, with who and why; until there is one, the configured one is shown.
    """
    (configured,) = (await get(api, "fx/rates"))["data"]
    for rate in ("129.5", "131"):
        body = {"rate": rate, "spreadBps": 100, "reason": "central bank"}
        made = await api.back_end.post("/api/ops/fx/rates", json=body)
        assert 201 == made.status_code
    listed = (await get(api, "fx/rates"))["data"]

    assert ("configuration", False) == (configured["setBy"], "id" in configured)
    assert ["131", "129.5"] == [one["rate"].rstrip("0").rstrip(".") for one in listed]
    assert [("129.69", 100, "central bank")] == [
        (listed[0]["rateForPayer"].rstrip("0"), listed[0]["spreadBps"], listed[0]["reason"])
    ]
    shown = await invoice(api, amount="1296.90", currency="KES")
    assert shown["rate"].startswith("129.69")
    assert shown["price"]["amount"] == "1296.90"


# Breaks


async def test_a_break_is_taken_on_and_explained(api: Api, mint: Mint) -> None:
    """
    Its owner is who holds the key; explained, it is closed and on record.
    """
    identity = await a_break(api, mint)
    path = f"/api/ops/breaks/{identity}"

    taken = await api.back_end.post(f"{path}/take")
    listed = (await get(api, "breaks"))["data"]
    closed = await api.back_end.post(f"{path}/explain", json={"reason": "their outage"})
    again = await api.back_end.post(f"{path}/explain", json={"reason": "their outage"})

    assert ("not_known", "mint", AMINA) == tuple(
        listed[0][name] for name in ("kind", "provider", "userId")
    )
    assert taken.json()["owner"] == listed[0]["owner"]
    assert [200, 200] == [taken.status_code, closed.status_code]
    assert (404, "break_not_found") == code_of(again)
    assert [] == (await get(api, "breaks"))["data"]


# Switches


async def test_a_switch_says_who_and_why(api: Api) -> None:
    """
    Every flow and every provider has one; thrown twice it is as it was.
    """
    names = [one["name"] for one in (await get(api, "switches"))["data"]]
    body = {"name": "mint", "halted": True, "reason": "odd addresses"}
    first = await api.back_end.post("/api/ops/switches", json=body)
    second = await api.back_end.post("/api/ops/switches", json=body | {"reason": "again"})
    (shown,) = [one for one in (await get(api, "switches"))["data"] if one["halted"]]

    assert {"withdrawals", "deposits", "mint"} <= set(names)
    assert first.json() == second.json() == shown
    assert ("mint", "odd addresses") == (shown["name"], shown["reason"])
    assert shown["changedBy"].startswith("key:")


async def test_a_switch_that_does_not_exist_is_not_made(api: Api) -> None:
    """
    404, and no row.
    """
    body = {"name": f"{SECRET}'--", "halted": True, "reason": "x"}

    refused = await api.back_end.post("/api/ops/switches", json=body)

    assert (404, "unknown_switch") == code_of(refused)
    assert SECRET not in refused.text
    assert not [one for one in (await get(api, "switches"))["data"] if one["halted"]]


# What is not found, and what is wrong


@pytest.mark.parametrize(
    ("route", "code"),
    {
        "GET /api/ops/invoices/{}": "invoice_not_found",
        "POST /api/ops/invoices/{}/retry": "invoice_not_found",
        "GET /api/crypto/invoices/{}": "invoice_not_found",
        "POST /api/ops/breaks/{}/take": "break_not_found",
        "POST /api/ops/breaks/{}/explain": "break_not_found",
    }.items(),
)
async def test_an_id_nobody_has_is_not_found(api: Api, route: str, code: str) -> None:
    """
    Whatever it looks like and however long it is.
    """
    method, template = route.split(" ")
    ids = ["x", NO_INVOICE, NO_BREAK, NO_INVOICE.upper(), f"{NO_INVOICE}-2", "x" * 3_000, SECRET]

    answers = [
        await api.back_end.request(method, template.format(given), json={"reason": "x"})
        for given in ids
    ]

    assert [(404, code)] * len(ids) == [code_of(answer) for answer in answers]
    assert not [answer for answer in answers if SECRET in answer.text]


@dataclass(frozen=True)
class Route:
    """A route that takes a body without a key, a body it takes, and what each field may not be."""

    path: str
    body: dict[str, Any]
    wrong: dict[str, dict[str, Any]]
    optional: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return self.path


NO_REASON = NO_STRING | {"nothing": "", "too long": "x" * 501}
NO_RATE = NO_STRING | {
    "a float": 129.5,
    "nothing": "",
    "zero": "0",
    "zero in full": "0.00",
    "negative": "-1",
    "a power": "1e3",
    "a comma": "129,5",
    "a space": " 129",
    "a line feed": "129\n",
    "a leading zero": "0129",
    "seven digits": "1000000",
    "nine places": "1.000000001",
    "the word": "NaN",
    "Arabic digits": "١٣٠",
    "SQL": f"{SECRET}'--",
}
ROUTES = [
    Route(
        "/api/crypto/addresses/validate",
        {"currency": "BTC", "address": "x"},
        {
            "currency": NO_STRING | {"nothing": "", "SQL": f"{SECRET}'", "a forged line": CRLF},
            "address": NO_STRING | {"too long": SECRET * 60},
        },
    ),
    Route(
        "/api/ops/fx/rates",
        {"rate": "130", "spreadBps": 0, "reason": "x"},
        {
            "rate": NO_RATE,
            "spreadBps": {"negative": -1, "too much": 2_001, "a float": 1.5, "text": "1"},
            "reason": NO_REASON,
        },
        frozenset({"spreadBps"}),
    ),
    Route(
        "/api/ops/switches",
        {"name": "deposits", "halted": True, "reason": "x"},
        {
            "name": NO_STRING | {"too long": SECRET * 10},
            "halted": {"a text": "true", "a number": 1, "null": None},
            "reason": NO_REASON,
        },
    ),
    Route(f"/api/ops/breaks/{NO_BREAK}/explain", {"reason": "x"}, {"reason": NO_REASON}),
]

each_route = pytest.mark.parametrize("route", ROUTES, ids=str)


async def refusals(api: Api, route: Route, bodies: dict[str, bytes]) -> dict[str, Any]:
    """Status, code and first pointer of what each body is refused with; nothing is left behind."""
    before, found = await rows(api), {}
    for name, body in bodies.items():
        answer = await api.back_end.post(route.path, content=body)
        assert SECRET not in answer.text, name
        status, code = code_of(answer)
        faults = answer.json().get("errors", [])
        found[name] = (status, code, faults[0]["pointer"] if faults else "-")
    assert before == await rows(api)
    return found


async def rows(api: Api) -> dict[str, Any]:
    (counts,) = await api.shop.fetch(
        """SELECT (SELECT count(*) FROM fx_rates) AS rates,
            (SELECT count(*) FROM switches WHERE is_halted) AS halted,
            (SELECT count(*) FROM audit_log) AS audit"""
    )
    return counts


@each_route
async def test_what_is_no_json_is_malformed(api: Api, route: Route) -> None:
    """
    400, also where a lenient reader would make something of it.
    """
    bodies = malformed(route.body)

    expected = dict.fromkeys(bodies, (400, "malformed_json", "-"))
    assert expected == await refusals(api, route, bodies)


@each_route
async def test_what_is_no_object_is_invalid(api: Api, route: Route) -> None:
    """
    422, pointing at the whole.
    """
    expected = dict.fromkeys(NO_OBJECT, (422, "validation_failed", ""))
    assert expected == await refusals(api, route, NO_OBJECT)


@each_route
async def test_a_wrong_field_is_pointed_at(api: Api, route: Route) -> None:
    """
    Nothing is coerced, rounded or trimmed into something acceptable.
    """
    for field, values in route.wrong.items():
        bodies = {
            name: json.dumps(route.body | {field: value}).encode() for name, value in values.items()
        }
        expected = dict.fromkeys(bodies, (422, "validation_failed", f"/{field}"))
        assert expected == await refusals(api, route, bodies)


@each_route
async def test_a_missing_or_an_unknown_field_is_pointed_at(api: Api, route: Route) -> None:
    """
    What is required is required, and what is not ours to be told is not ignored.
    """
    required = set(route.body) - route.optional
    bodies = {
        field: json.dumps({n: v for n, v in route.body.items() if n != field}).encode()
        for field in required
    }
    bodies["setBy"] = json.dumps(route.body | {"setBy": SECRET}).encode()

    expected = {field: (422, "validation_failed", f"/{field}") for field in bodies}
    assert expected == await refusals(api, route, bodies)


@each_route
async def test_what_is_too_large_is_refused(api: Api, route: Route) -> None:
    """
    413 at the cap, before anything of it is looked at.
    """
    bodies = {"large": b" " * (BODY_BYTES_MAX + 1)}

    assert {"large": (413, "body_too_large", "-")} == await refusals(api, route, bodies)


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/api/ops/invoices", Scope.OPS_READ),
        ("GET", f"/api/ops/invoices/{NO_INVOICE}", Scope.OPS_READ),
        ("POST", f"/api/ops/invoices/{NO_INVOICE}/retry", Scope.OPS_WRITE),
        ("GET", "/api/ops/crypto/metrics", Scope.OPS_READ),
        ("GET", "/api/ops/fx/rates", Scope.OPS_READ),
        ("POST", "/api/ops/fx/rates", Scope.OPS_WRITE),
        ("GET", "/api/ops/breaks", Scope.OPS_READ),
        ("POST", f"/api/ops/breaks/{NO_BREAK}/take", Scope.OPS_WRITE),
        ("POST", f"/api/ops/breaks/{NO_BREAK}/explain", Scope.OPS_WRITE),
        ("GET", "/api/ops/switches", Scope.OPS_READ),
        ("POST", "/api/ops/switches", Scope.OPS_WRITE),
    ],
)
async def test_each_route_wants_its_own_scope(
    api: Api, method: str, path: str, scope: Scope
) -> None:
    """
    All the others together do not do, nor does a user's token; with it, the answer is no 403.
    """
    others = await api.with_scopes(*(set(Scope) - {scope}))
    headers: list[httpx.Headers | dict[str, str]] = [others, api.as_user(AMINA)]
    refused = [await api.stranger.request(method, path, headers=one) for one in headers]
    passed = await api.stranger.request(method, path, headers=await api.with_scopes(scope))

    assert [(403, "scope_missing")] * 2 == [code_of(answer) for answer in refused]
    assert passed.status_code in {200, 400, 404, 422}
