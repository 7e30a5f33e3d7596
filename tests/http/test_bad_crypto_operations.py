"""What operations get wrong about crypto deposits: unknown ids, bad bodies, missing scopes."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from payops.access.domain import Scope
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

SETTINGS = {"crypto": {"usd_kes_rate": "130"}}
NO_INVOICE = "inv_01h455vb4pex5vsknk084sn02q"
NO_BREAK = "brk_01h455vb4pex5vsknk084sn02q"


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url, SETTINGS, crypto=[Mint()]) as made:
        yield made


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
