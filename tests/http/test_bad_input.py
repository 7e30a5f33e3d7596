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

SECRET = "Zq9xW"  # stands in whatever is sent and must stand in nothing that is answered
SQL = f"{SECRET}'; DROP TABLE wallets; --"
ANSI = f"\x1b[31m{SECRET}"
CRLF = f"{SECRET}\r\n2026-11-22 http.answered status=200"
DEEP = 20_000


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
CREDIT, DEBIT = movement("credits"), movement("debits")
WITH_BODY = [WITHDRAWAL, CREDIT, DEBIT]
WITHOUT_BODY = {
    "POST /api/withdrawals/{txId}/cancel",
    "POST /api/ops/withdrawals/{txId}/retry",
    "POST /api/ops/webhooks/{id}/replay",
    "POST /api/ops/jobs/{name}/run",
}
OF_THE_RAIL = {"POST /webhooks/mpesa", "POST /webhooks/mpesa/{txId}"}

each_route = pytest.mark.parametrize("route", WITH_BODY, ids=str)


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    """Amina could pay for everything these tests ask for, were it well said."""
    async with running_api(url) as made:
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


def malformed(good: dict[str, Any]) -> dict[str, bytes]:
    """``good``, broken in every way that JSON can be."""
    text = json.dumps(good)
    first = next(iter(good))
    inside = text[:-1] + ', "note": '
    return {
        "nothing": b"",
        "blank": b" \n",
        "cut off": text[:-1].encode(),
        "a trailing comma": f"{text[:-1]},}}".encode(),
        "two documents": (text + text).encode(),
        "something after it": f"{text} {SECRET}".encode(),
        "single quotes": text.replace('"', "'").encode(),
        "a comment": f"{text} // {SECRET}".encode(),
        "a bare word": SECRET.encode(),
        "a form": b"amountKES=100&phoneNumber=" + SECRET.encode(),
        "the same field twice": f"{text[:-1]}, {json.dumps(first)}: 1}}".encode(),
        "the same field twice, escaped": (
            f'{text[:-1]}, "\\u{ord(first[0]):04x}{first[1:]}": 1}}'.encode()
        ),
        "the same field twice, further in": (inside + '{"a": 1, "a": 2}}').encode(),
        "NaN": (inside + "NaN}").encode(),
        "Infinity": (inside + "Infinity}").encode(),
        "minus Infinity": (inside + "-Infinity}").encode(),
        "a leading zero": (inside + "010}").encode(),
        "a plus sign": (inside + "+1}").encode(),
        "hexadecimal": (inside + "0x10}").encode(),
        "thousands of digits": (inside + "9" * 5_000 + "}").encode(),
        "deep arrays": (inside + "[" * DEEP + "]" * DEEP + "}").encode(),
        "deep arrays, never closed": b"[" * DEEP,
        "deep objects": (inside + '{"":' * (DEEP // 4) + "1" + "}" * (DEEP // 4) + "}").encode(),
        "a NUL": (inside + f'"{SECRET}\\u0000"}}').encode(),
        "a NUL in a name": f'{text[:-1]}, "{SECRET}\\u0000": 1}}'.encode(),
        "a raw NUL": (inside + f'"{SECRET}\0"}}').encode(),
        "a raw line feed in a string": (inside + f'"{SECRET}\n"}}').encode(),
        "bad UTF-8": (inside + f'"{SECRET}').encode() + b'\xff\xfe"}',
        "an overlong encoding": inside.encode() + b'"\xc0\xaf"}',
        "half a surrogate pair": (inside + f'"{SECRET}\\ud800"}}').encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-32": text.encode("utf-32"),
    }


NO_OBJECT = {
    text: text.encode() for text in ("null", "true", "100", '"100"', "[]", '[{"amountKES": 100}]')
}

_NO_AMOUNT: dict[str, Any] = {
    "true": True,
    "a float": 100.0,
    "a fraction": 100.5,
    "a tiny float": 1e-18,
    "zero": 0,
    "minus one": -1,
    "minus one as text": "-1",
    "a huge integer": 10**30,
    "beyond a bigint": 2**63,
    "a huge text": "9" * 400,
    "a power": "1e3",
    "an underscore": "5_000",
    "a comma": "1,000",
    "a plus": "+100",
    "a space": " 100",
    "a line feed": "100\n",
    "Arabic digits": "١٠٠",
    "full-width digits": "１００",
    "hexadecimal": "0x64",
    "a leading zero": "0100",
    "no digit before the point": ".5",
    "no digit after the point": "5.",
    "the word": "NaN",
    "nothing": "",
    "null": None,
    "an array": [100],
    "an object": {"amount": 100},
    "SQL": SQL,
}
_NO_STRING: dict[str, Any] = {"a number": 1, "true": True, "null": None, "an array": ["a"]}
_NO_PHONE: dict[str, Any] = {
    "nothing": "",
    "too short": "0712",
    "too long": "0712345678" * 20,
    "a landline": "0202222222",
    "premium": "0900123456",
    "Ugandan": "+256712345678",
    "one digit too many": f"{PHONE}1",
    "one digit too few": PHONE[:-1],
    "letters": "0712ABCDEF",
    "an extension": f"{PHONE} ext 5",
    "a line feed": f"{PHONE}\n",
    "Arabic digits": "٠٧٠٠٠٠٠٠١٢",
    "a URI": f"tel:+{PHONE}",
    "two numbers": f"{PHONE},{PHONE}",
    "SQL": SQL,
    "colours": ANSI,
    "a forged log line": CRLF,
}
_NO_USER: dict[str, Any] = {
    "nothing": "",
    "a space": f"{SECRET} b",
    "a path": f"../{SECRET}",
    "a line feed": f"{SECRET}\n",
    "too long": SECRET * 20,
    "not ASCII": f"{SECRET}é",
    "SQL": SQL,
    "colours": ANSI,
    "a forged log line": CRLF,
}
_NO_TEXT: dict[str, Any] = _NO_STRING | {
    "nothing": "",
    "too long": "x" * 201,
    "colours": ANSI,
    "a forged log line": CRLF,
    "delete": f"{SECRET}\x7f",
    "an eight-bit control": f"{SECRET}\x9b31m",
}
_NO_CURRENCY: dict[str, Any] = _NO_STRING | {
    "nothing": "",
    "small letters": "kes",
    "an unknown one": "EUR",
    "a line feed": "KES\n",
    "SQL": SQL,
}
_INVALID = "validation_failed"

WRONG: list[tuple[Route, str, dict[str, Any], str]] = [
    (WITHDRAWAL, "amountKES", _NO_AMOUNT, _INVALID),
    (WITHDRAWAL, "amountKES", {"cents": "10.50"}, "amount_not_whole_shillings"),
    (WITHDRAWAL, "phoneNumber", _NO_PHONE, "invalid_phone_number"),
    (WITHDRAWAL, "phoneNumber", _NO_STRING, _INVALID),
    (WITHDRAWAL, "userId", _NO_USER | _NO_STRING, _INVALID),
    *[(route, "amount", _NO_AMOUNT | {"mills": "1.501"}, _INVALID) for route in (CREDIT, DEBIT)],
    *[(route, "currency", _NO_CURRENCY, _INVALID) for route in (CREDIT, DEBIT)],
    *[(route, "reason", _NO_TEXT, _INVALID) for route in (CREDIT, DEBIT)],
    *[(route, "reference", _NO_TEXT, _INVALID) for route in (CREDIT, DEBIT)],
]
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
    posts = {route for route in scopes_of(api.app.routes) if route.startswith("POST ")}

    tested = {f"POST {route.path.replace(AMINA, '{userId}')}" for route in WITH_BODY}
    assert tested | WITHOUT_BODY | OF_THE_RAIL == posts


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


@pytest.mark.parametrize(
    ("route", "field", "values", "code"), WRONG, ids=lambda given: str(given)[:24]
)
async def test_a_wrong_field_is_pointed_at(
    api: Api, route: Route, field: str, values: dict[str, Any], code: str
) -> None:
    """
    Nothing is coerced, rounded or trimmed into something acceptable.
    """
    bodies = {
        name: json.dumps(route.body | {field: value}).encode() for name, value in values.items()
    }
    if field == "userId":
        bodies.pop("null")  # the same as leaving it out, which is its own test

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


@each_route
@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 40, "five", "٥"])
async def test_a_length_that_is_none_harms_nobody(api: Api, route: Route, length: str) -> None:
    """
    The server refuses most of them before us; what it lets through is read by its own count.
    """
    answer = await api.back_end.post(
        route.path,
        content=b"{",
        headers=[("Idempotency-Key", "k"), (b"Content-Length", length.encode())],
    )

    assert code_of(answer) in {(400, "malformed_json"), (413, "body_too_large")}


@pytest.mark.parametrize("text", [SQL, "a\\'b\"c;--", "${jndi:ldap://x}", "%s%n", "=1+1", "ёж 🦔"])
async def test_a_text_that_only_looks_dangerous_is_a_text(api: Api, text: str) -> None:
    """
    It is stored and shown as it came; nobody is refused for an apostrophe.
    """
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

    for route in sorted(WITHOUT_BODY, reverse=True):
        path = route.removeprefix("POST ")
        for name, value in known.items():
            path = path.replace(name, value)
        answers = {
            (await api.back_end.post(path, content=body)).status_code
            for body in malformed(WITHDRAWAL.body).values()
        }
        assert answers <= {200, 202, 404}, route


@pytest.mark.parametrize(
    "given",
    [
        "%00",
        "%0d%0aSet-Cookie:%20a",
        "%1b[31m",
        "%27%3B%20DROP%20TABLE%20wallets",
        "..%2f..%2fetc",
        "%ff%fe",
        "%f0%9f%a6%94",
        "%252e",
        "x" * 5_000,
        "wd_zzzzzzzzzzzzzzzzzzzzzzzzzz",
        "wd_7zzzzzzzzzzzzzzzzzzzzzzzzz%0a",
        "{txId}",
    ],
)
async def test_a_path_holds_an_id_or_leads_nowhere(api: Api, given: str) -> None:
    """
    On every route that has one, 400, 404 or 422; never an error of ours, never an echo.
    """
    for route in scopes_of(api.app.routes):
        method, path = route.split(" ")
        if "{" not in path or path.startswith(("/docs", "/webhooks")):
            continue
        for name in ("userId", "txId", "id", "name"):
            path = path.replace(f"{{{name}}}", f"{SECRET}{given}")
        answer = await api.back_end.request(method, path, headers={"Idempotency-Key": "k"})
        status, _ = code_of(answer)
        assert status in {400, 404, 422}, (route, answer.text)
        assert SECRET not in answer.text, route


async def test_a_query_is_taken_or_refused(api: Api) -> None:
    """
    Every parameter of every list: never an error of ours, never an echo.
    """
    nasty = ["", SECRET, SQL, ANSI, CRLF, "-1", "0", "9" * 400, "1e9", "NaN", "true", "é", "A" * 22]
    moments = ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-13-01T00:00:00Z"]
    paths = api.app.openapi()["paths"]
    for path, operations in paths.items():
        parameters = operations.get("get", {}).get("parameters", [])
        for name in [one["name"] for one in parameters if one["in"] == "query"]:
            for value in nasty + moments:
                query = {"userId": AMINA} | {name: value}
                target = path.replace("{userId}", AMINA).replace("{txId}", "x").replace("{id}", "x")
                answer = await api.back_end.get(target, params=query)
                assert answer.status_code in {200, 404, 422}, (path, name, value, answer.text)
                assert SECRET not in answer.text, (path, name)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
async def test_a_moment_beyond_the_calendar_is_refused(api: Api, at: str) -> None:
    """
    Its offset leads to a year that neither we nor the database have.
    """
    answer = await api.back_end.get(f"/api/wallets/{AMINA}", params={"at": at})

    assert (422, _INVALID) == code_of(answer)
    assert ["/query/at"] == [fault["pointer"] for fault in answer.json()["errors"]]


@pytest.mark.parametrize("path", ["x" * 5_000, f"{SECRET}%0d%0a", "%27;--", "wd_%F0%9F%A6%94"])
async def test_a_notification_is_judged_by_its_signature_whatever_its_path(
    api: Api, path: str
) -> None:
    """
    401 with nothing more to learn for a stranger.
    """
    answer = await api.stranger.post(
        f"/webhooks/mpesa/{path}", content=b"{}", headers={"x-lipana-signature": "00" * 32}
    )

    assert (401, {"error": "unauthorized"}) == (answer.status_code, answer.json())
    assert [("rejected", None)] == await api.shop.inbox()


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
