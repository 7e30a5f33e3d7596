"""What is wrong with a request is said, without repeating it and without any effect."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from payops.access.api import scopes_of
from payops.infra.web.middleware import BODY_BYTES_MAX
from tests.support.api import AMINA, PHONE, Api, code_of, running_api
from tests.support.mint import Mint
from tests.support.nonsense import (
    ANSI,
    CRLF,
    NO_AMOUNT,
    NO_COIN,
    NO_CURRENCY,
    NO_OBJECT,
    NO_PHONE,
    NO_STRING,
    NO_TEXT,
    NO_USER,
    SECRET,
    SQL,
    malformed,
)


@dataclass(frozen=True)
class Route:
    """One that takes a body, and a body it takes."""

    name: str
    path: str
    body: dict[str, Any]

    def __str__(self) -> str:
        return self.name


def movement(name: str) -> Route:
    body = {"amount": "1.50", "currency": "KES", "reason": "stake", "reference": "bet-1"}
    return Route(name, f"/api/wallets/{AMINA}/{name}", body)


WITHDRAWAL = Route(
    "withdrawals",
    "/api/withdrawals/mpesa",
    {"userId": AMINA, "amountKES": 100, "phoneNumber": PHONE},
)
INVOICE = Route(
    "invoices",
    "/api/crypto/invoices",
    {"userId": AMINA, "amount": "20.00", "currency": "USD", "payCurrency": "BTC"},
)
CREDIT, DEBIT = movement("credits"), movement("debits")
WITH_BODY = [WITHDRAWAL, INVOICE, CREDIT, DEBIT]
WITHOUT_BODY = {
    "POST /api/ops/checklists/{name}",
    "POST /api/ops/invoices/{invoiceId}/retry",
    "POST /api/ops/breaks/{breakId}/take",
    "POST /api/withdrawals/{txId}/cancel",
    "POST /api/ops/withdrawals/{txId}/retry",
    "POST /api/ops/webhooks/{id}/replay",
    "POST /api/ops/jobs/{name}/run",
}
OF_THE_RAIL = {
    "POST /webhooks/mpesa",
    "POST /webhooks/mpesa/{txId}",
    "POST /webhooks/nowpayments",
    "POST /webhooks/btcpay",
}
# They take a body without a key; each is put through the same in a file of its own.
ELSEWHERE = {
    "POST /api/crypto/addresses/validate",
    "POST /api/ops/fx/rates",
    "POST /api/ops/switches",
    "POST /api/ops/withdrawals/doubt",
    "POST /api/ops/withdrawals/{txId}/resolve",
    "POST /api/ops/withdrawals/{txId}/refund",
    "POST /api/ops/withdrawals/{txId}/write-off",
    "POST /api/ops/invoices/{invoiceId}/resolve",
    "POST /api/ops/approvals/{id}/approve",
    "POST /api/ops/approvals/{id}/reject",
    "POST /api/ops/breaks/{breakId}/explain",
    "POST /api/device-verifications/{verificationId}/confirm",
    "POST /api/ops/alerts/{id}/acknowledge",
    "POST /api/ops/alerts/{id}/resolve",
    "POST /api/ops/users/{userId}/block",
    "POST /api/ops/users/{userId}/unblock",
    "POST /api/ops/velocity/backtest",
    "POST /api/ops/velocity/rules",
    "POST /api/ops/velocity/changes/{changeId}/approve",
    "POST /api/ops/velocity/changes/{changeId}/reject",
    "POST /api/ops/withdrawals/{txId}/phone",
    "POST /api/ops/webhooks/{id}/body",
}

each_route = pytest.mark.parametrize("route", WITH_BODY, ids=str)


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    """Amina could pay for everything these tests ask for, were it well said."""
    async with running_api(url, crypto=[Mint()]) as made:
        await made.shop.funds(AMINA, 1_000)
        yield made


async def post(
    api: Api, route: Route, content: bytes, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    given = {"Idempotency-Key": uuid4().hex} | dict(headers or {})
    return await api.back_end.post(route.path, content=content, headers=given)


async def rows(api: Api) -> dict[str, Any]:
    """How much of everything there is: what is refused leaves nothing behind, not even a key."""
    (counts,) = await api.shop.fetch(
        """SELECT (SELECT count(*) FROM withdrawals) AS withdrawals,
            (SELECT count(*) FROM invoices) AS invoices,
            (SELECT count(*) FROM journals) AS journals, (SELECT count(*) FROM wallets) AS wallets,
            (SELECT sum(available) FROM wallets) AS available,
            (SELECT count(*) FROM idempotency_keys) AS keys,
            (SELECT count(*) FROM audit_log) AS audit"""
    )
    return counts


async def refusals(
    api: Api, route: Route, bodies: Mapping[str, bytes]
) -> dict[str, tuple[int, str, str]]:
    """Status, code and first pointer of what each body is refused with."""
    before, found = await rows(api), {}
    for name, body in bodies.items():
        answer = await post(api, route, body)
        assert SECRET not in answer.text, name
        status, code = code_of(answer)
        faults = answer.json().get("errors", [])
        found[name] = (status, code, faults[0]["pointer"] if faults else "-")
    assert before == await rows(api)
    return found


_INVALID = "validation_failed"

_OF_MOVEMENTS = [
    ("amount", NO_AMOUNT | {"mills": "1.501"}, _INVALID),
    ("currency", NO_CURRENCY, _INVALID),
    ("reason", NO_TEXT, _INVALID),
    ("reference", NO_TEXT, _INVALID),
]
WRONG = {
    WITHDRAWAL.name: [
        ("amountKES", NO_AMOUNT, _INVALID),
        ("amountKES", {"cents": "10.50"}, "amount_not_whole_shillings"),
        ("phoneNumber", NO_PHONE, "invalid_phone_number"),
        ("phoneNumber", NO_STRING, _INVALID),
        # Without any user it is as if the field were not there, which is its own test.
        ("userId", NO_USER | {n: v for n, v in NO_STRING.items() if v is not None}, _INVALID),
    ],
    INVOICE.name: [
        ("amount", NO_AMOUNT | {"mills": "1.501"}, _INVALID),
        ("currency", NO_CURRENCY, _INVALID),
        ("payCurrency", NO_COIN, _INVALID),
        ("provider", {n: v for n, v in NO_STRING.items() if v is not None}, _INVALID),
        ("provider", {"too long": SECRET * 10}, _INVALID),
        ("checkout", NO_STRING | {"nothing": "", "another": "page", "SQL": SQL}, _INVALID),
        ("userId", NO_USER | {n: v for n, v in NO_STRING.items() if v is not None}, _INVALID),
    ],
    CREDIT.name: _OF_MOVEMENTS,
    DEBIT.name: _OF_MOVEMENTS,
}
NOT_OURS_TO_SET = [
    "status",
    "txId",
    "attempts",
    "providerReference",
    "createdAt",
    "fee",
    "user_id",
    "amount_kes",
    "isAdmin",
    "__proto__",
]


async def test_every_way_in_is_tested(api: Api) -> None:
    """
    A new POST route is put into a table here, or this fails.
    """
    posts = {
        route
        for route in scopes_of(api.app.routes)
        # What a page of the console sends is a form: tests/http/console.
        if route.startswith("POST ") and not route.startswith("POST /ops/")
    }

    tested = {f"POST {route.path.replace(AMINA, '{userId}')}" for route in WITH_BODY}
    assert tested | WITHOUT_BODY | OF_THE_RAIL | ELSEWHERE == posts


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
    expected = dict.fromkeys(NO_OBJECT, (422, _INVALID, ""))
    assert expected == await refusals(api, route, NO_OBJECT)


@each_route
async def test_a_wrong_field_is_pointed_at(api: Api, route: Route) -> None:
    """
    Nothing is coerced, rounded or trimmed into something acceptable.
    """
    for field, values, code in WRONG[route.name]:
        bodies = {
            name: json.dumps(route.body | {field: value}).encode() for name, value in values.items()
        }

        assert dict.fromkeys(bodies, (422, code, f"/{field}")) == await refusals(api, route, bodies)


@each_route
async def test_a_missing_field_is_pointed_at(api: Api, route: Route) -> None:
    """
    Each of them is required, of an API key also the user.
    """
    bodies = {
        field: json.dumps({n: v for n, v in route.body.items() if n != field}).encode()
        for field in route.body
    }

    expected = {field: (422, _INVALID, f"/{field}") for field in route.body}
    assert expected == await refusals(api, route, bodies)


@each_route
async def test_an_unknown_field_is_refused(api: Api, route: Route) -> None:
    """
    Nobody sets what is ours to set, and a typing error is not silently ignored.
    """
    bodies = {
        name: json.dumps(route.body | {name: "completed"}).encode() for name in NOT_OURS_TO_SET
    }

    expected = {name: (422, _INVALID, f"/{name}") for name in NOT_OURS_TO_SET}
    assert expected == await refusals(api, route, bodies)


@each_route
async def test_the_name_of_an_unknown_field_is_input_as_well(api: Api, route: Route) -> None:
    """
    It is not repeated when it could be anything but a name.
    """
    names = [PHONE, SQL, ANSI, CRLF, f"<script>{SECRET}", f"é{SECRET}", SECRET * 20, "", "/a~b"]
    bodies = {name: json.dumps(route.body | {name: 1}).encode() for name in names}

    assert dict.fromkeys(names, (422, _INVALID, "/?")) == await refusals(api, route, bodies)


@each_route
async def test_faults_are_told_together_and_not_without_end(api: Api, route: Route) -> None:
    """
    A caller corrects them at once; thousands of them are no larger an answer.
    """
    answer = await post(api, route, json.dumps({f"f{n}": 1 for n in range(3_000)}).encode())

    assert (422, _INVALID) == code_of(answer)
    assert 20 == len(answer.json()["errors"])


@each_route
async def test_a_key_that_is_none_is_refused(api: Api, route: Route) -> None:
    """
    400 before the body is looked at: missing, empty, too long, not printable, not ASCII.
    """
    bad = ["", " ", "x" * 256, "a\tb", "a\x7f", f"{SECRET}\x1b[31m", f"{SECRET}é", f"{SECRET} "]
    before = await rows(api)

    found = {}
    for key in bad:
        answer = await api.back_end.post(
            route.path, content=b"{", headers=[(b"Idempotency-Key", key.encode("latin-1"))]
        )
        assert SECRET not in answer.text
        found[key] = code_of(answer)
    missing = await api.back_end.post(route.path, content=b"{")

    assert dict.fromkeys(bad, (400, "idempotency_key_invalid")) == found
    assert (400, "idempotency_key_required") == code_of(missing)
    assert before == await rows(api)


@each_route
async def test_a_header_that_came_twice_is_refused(api: Api, route: Route) -> None:
    """
    Two readers of one request must not be able to see two requests.
    """
    before, found = await rows(api), {}
    credential = api.back_end.headers["Authorization"]
    for name in ("Authorization", "Idempotency-Key", "X-Device-Fingerprint"):
        headers = [("Authorization", credential), ("Idempotency-Key", "k"), (name, SECRET)]
        headers += [("X-Device-Fingerprint", "d")] if name == "X-Device-Fingerprint" else []
        answer = await api.stranger.post(route.path, json=route.body, headers=headers)
        assert SECRET not in answer.text
        found[name] = code_of(answer)

    assert {(400, "duplicate_header")} == set(found.values())
    assert before == await rows(api)


@each_route
async def test_what_is_too_large_is_not_even_read(api: Api, route: Route) -> None:
    """
    50 MB, declared or not, are refused at the cap.
    """
    before, chunk, read = await rows(api), b" " * 4_096, 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(50_000_000 // len(chunk)):
            read += len(chunk)
            yield chunk

    headers = {"Idempotency-Key": "k"}
    declared = headers | {"Content-Length": "50000000"}
    told = await api.back_end.post(route.path, content=body(), headers=declared)
    assert 0 == read
    untold = await api.back_end.post(route.path, content=body(), headers=headers)

    assert [(413, "body_too_large")] * 2 == [code_of(told), code_of(untold)]
    assert read <= BODY_BYTES_MAX + 2 * len(chunk)
    assert before == await rows(api)


async def test_a_length_that_is_none_harms_nobody(api: Api) -> None:
    """
    The server refuses most of them before us; what it lets through is read by its own count.
    """
    for length in ("-1", "1e9", "9" * 40, "five", "٥"):
        headers = [(b"Idempotency-Key", b"k"), (b"Content-Length", length.encode())]
        answer = await api.back_end.post(WITHDRAWAL.path, content=b"{", headers=headers)
        assert code_of(answer) in {(400, "malformed_json"), (413, "body_too_large")}


async def test_a_text_that_only_looks_dangerous_is_a_text(api: Api) -> None:
    """
    It is stored and shown as it came; nobody is refused for an apostrophe.
    """
    for text in (SQL, "a\\'b\"c;--", "${jndi:ldap://x}", "%s%n", "=1+1", "ёж 🦔"):
        body = CREDIT.body | {"reason": text, "reference": text}
        answer = await post(api, CREDIT, json.dumps(body).encode())
        shown = (await api.back_end.get(f"/api/wallets/{AMINA}/transactions?limit=1")).json()

        assert 201 == answer.status_code
        assert [(text, text)] == [(j["reason"], j["reference"]) for j in shown["data"]]


async def test_routes_without_a_body_do_not_mind_one(api: Api) -> None:
    """
    Whatever stands there, they look at the path only.
    """
    txid = (await api.withdraws()).json()["txId"]
    known = {"{txId}": txid, "{id}": "wh_01h455vb4pex5vsknk084sn02q", "{name}": "nothing"}
    known["checklists/nothing"] = "checklists/hourly"  # its names are a closed set

    for route in sorted(WITHOUT_BODY, reverse=True):
        path = route.removeprefix("POST ")
        for name, value in known.items():
            path = path.replace(name, value)
        answers = {
            (await api.back_end.post(path, content=body)).status_code
            for body in malformed(WITHDRAWAL.body).values()
        }
        assert answers <= {200, 202, 404, 409}, route


async def test_no_line_of_the_log_can_be_forged(api: Api) -> None:
    """
    Nothing that a stranger or a caller writes is logged: no line feed, no colours, no number.
    """
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        for text in (SQL, ANSI, CRLF):
            body = CREDIT.body | {"reason": text, "reference": text, text: text}
            headers = [
                (b"Idempotency-Key", b"k"),
                (b"X-Request-Id", text.encode()),
                (b"User-Agent", text.encode()),
                (b"X-Forwarded-For", text.encode()),
                (b"X-Device-Fingerprint", text.encode()),
            ]
            await api.back_end.post(CREDIT.path, json=body, headers=headers)
            await api.back_end.post("/" + SECRET + "%0d%0a", json=body, headers=headers)
            await api.stranger.post(CREDIT.path, headers={"Authorization": f"Bearer {SECRET}"})

    assert 9 == sum(line["event"] == "http.answered" for line in logs)
    assert SECRET not in str(logs)
