"""What every answer has in common, seen through a small application of its own."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Annotated, Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI, Query, Request
from pydantic import Field
from structlog.testing import capture_logs

from payops.infra.web.amounts import WholeShillings
from payops.infra.web.body import json_body
from payops.infra.web.context import context_of
from payops.infra.web.middleware import BODY_BYTES_MAX, EdgeMiddleware
from payops.infra.web.problem import install_problems
from payops.infra.web.wire import Wire, accepts, problems
from payops.kernel import errors

PHONE = "254700000001"
REQUEST_ID = re.compile(r"req_[0-9a-z]{26}")


class Order(Wire):
    amount_kes: WholeShillings = Field(alias="amountKES")
    phone_number: str | None = None


class Later(errors.Unavailable):
    code = "later"
    title = "Not now"


router = APIRouter(prefix="/api")


@router.post(
    "/orders/{order_id}",
    operation_id="takeOrder",
    openapi_extra=accepts(Order),
    responses=problems(400, 422),
)
async def take_order(
    order_id: str, body: Annotated[Order, Depends(json_body(Order))]
) -> dict[str, int]:
    return {"amount": body.amount_kes}


@router.get("/orders", operation_id="listOrders")
async def list_orders(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> dict[str, int]:
    return {"limit": limit}


@router.get("/whoami", operation_id="whoAmI")
async def who_am_i(request: Request) -> dict[str, str]:
    context = context_of(request)
    return {"address": context.address, "requestId": context.request_id}


@router.get("/later", operation_id="later")
async def later() -> None:
    raise Later(retry_after_seconds=7)


@router.get("/broken/{phone}", operation_id="broken")
async def broken(phone: str) -> None:
    secret = {"phone": phone}
    raise RuntimeError(f"cannot work with {secret}")


@dataclass
class Observed:
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)
    fails: bool = False

    def __call__(self, operation: str, method: str, status: int, seconds: float) -> None:
        assert seconds > 0
        self.calls.append((operation, method, status))
        if self.fails:
            raise OSError("telemetry is down")

    def refused(self, operation: str, code: str) -> None:
        self.refusals.append((operation, code))


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
def app(observed: Observed) -> FastAPI:
    made = FastAPI(redirect_slashes=False)
    made.include_router(router)
    install_problems(made)
    made.add_middleware(
        EdgeMiddleware,
        trusted_proxies=(ip_network("127.0.0.0/8"),),
        observe=observed,
        count_refusal=observed.refused,
    )
    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://payops") as made:
        yield made


def code_of(response: httpx.Response) -> tuple[int, str]:
    assert "application/problem+json" == response.headers["content-type"]
    document = response.json()
    assert response.status_code == document["status"]
    assert response.headers["x-request-id"] == document["requestId"]
    return response.status_code, document["code"]


async def test_every_answer_bears_its_request_id(client: httpx.AsyncClient) -> None:
    """A well-formed id of the caller is kept, and the code that answers knows it."""
    response = await client.get("/api/whoami", headers={"X-Request-Id": "order-4711.a_b"})

    assert "order-4711.a_b" == response.headers["x-request-id"] == response.json()["requestId"]


@pytest.mark.parametrize("given", ["", "short", "a" * 129, "has space", "tab\tbed", "naïve-id"])
async def test_an_ill_formed_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    """Whatever could break a log line is not taken over."""
    headers = [(b"X-Request-Id", given.encode("latin-1"))]

    response = await client.get("/api/whoami", headers=headers)

    assert REQUEST_ID.fullmatch(response.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/api/whoami", "/nothing", "/api/broken/1"])
async def test_nothing_is_cached_or_sniffed(client: httpx.AsyncClient, path: str) -> None:
    """The headers are on every answer, also on those nobody foresaw."""
    response = await client.get(path)

    assert "no-store" == response.headers["cache-control"]
    assert "nosniff" == response.headers["x-content-type-options"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nothing", (404, "not_found")),
        ("GET", "/api/whoami/", (404, "not_found")),
        ("DELETE", "/api/whoami", (405, "method_not_allowed")),
        ("GET", "/api/later", (503, "later")),
        ("GET", "/api/orders?limit=0", (422, "validation_failed")),
        ("GET", f"/api/orders?limit={PHONE}x", (422, "validation_failed")),
        ("GET", "/api/orders?limit=1%00", (400, "malformed_request")),
        ("GET", "/api/%00", (400, "malformed_request")),
        ("GET", f"/api/broken/{PHONE}", (500, "internal_error")),
    ],
)
async def test_every_error_is_a_problem(
    client: httpx.AsyncClient, method: str, path: str, expected: tuple[int, str]
) -> None:
    """The framework's own errors and unforeseen ones look like ours, and repeat nothing."""
    response = await client.request(method, path)

    assert expected == code_of(response)
    assert PHONE not in response.text


async def test_an_error_says_when_to_come_back(client: httpx.AsyncClient) -> None:
    """What knows how long it will last says so."""
    response = await client.get("/api/later")

    assert ("7", True) == (response.headers["retry-after"], response.json()["retryable"])


async def test_a_parameter_is_pointed_at(client: httpx.AsyncClient) -> None:
    """Faults of the query are reported like those of a body."""
    response = await client.get("/api/orders", params={"limit": "101"})

    fault = {"pointer": "/query/limit", "detail": "must be at most 100"}
    assert [fault] == response.json()["errors"]


async def test_an_unforeseen_error_is_logged_without_what_it_said(
    client: httpx.AsyncClient,
) -> None:
    """Its type and place are logged, its text and the values around it are not."""
    with capture_logs() as logs:
        await client.get(f"/api/broken/{PHONE}")

    failed = next(line for line in logs if "http.failed" == line["event"])
    assert "RuntimeError" == failed["error"]
    assert any("broken" in frame for frame in failed["where"])
    assert PHONE not in str(logs)


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "X-Device-Fingerprint"])
async def test_a_header_that_must_be_unique_is(client: httpx.AsyncClient, name: str) -> None:
    """Two readers must not be able to pick different ones."""
    response = await client.get("/api/whoami", headers=[(name, "a"), (name, "b")])

    assert (400, "duplicate_header") == code_of(response)


async def test_the_address_comes_from_the_trusted_proxy(client: httpx.AsyncClient) -> None:
    """The connection is from a trusted proxy here, so its header counts."""
    headers = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-For", "203.0.113.9")]

    response = await client.get("/api/whoami", headers=headers)

    assert "203.0.113.9" == response.json()["address"]


async def test_a_body_over_the_cap_is_refused(client: httpx.AsyncClient) -> None:
    """As declared by its length."""
    response = await client.post("/api/orders/1", content=b" " * (BODY_BYTES_MAX + 1))

    assert (413, "body_too_large") == code_of(response)


async def test_a_body_that_does_not_declare_its_length_is_counted(app: FastAPI) -> None:
    """A chunked body is cut off at the cap, not read to its end."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/orders/1",
        "query_string": b"",
        "headers": [(b"transfer-encoding", b"chunked")],
        "client": ("127.0.0.1", 1),
    }
    chunk = b" " * 1024
    read = 0
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        nonlocal read
        read += len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": read < 2 * BODY_BYTES_MAX}

    async def send(message: Any) -> None:
        answered.append(message)

    await app(scope, receive, send)

    assert 413 == answered[0]["status"]
    assert BODY_BYTES_MAX + len(chunk) == read


async def test_a_body_of_exactly_the_cap_is_read(client: httpx.AsyncClient) -> None:
    """The cap is the largest size that is accepted."""
    order = b'{"amountKES": 10}'

    response = await client.post("/api/orders/1", content=order.ljust(BODY_BYTES_MAX))

    assert (200, {"amount": 10}) == (response.status_code, response.json())


async def test_json_is_read_whatever_the_content_type_says(client: httpx.AsyncClient) -> None:
    """Callers that forget the header are understood; there are no cookies to protect."""
    response = await client.post(
        "/api/orders/1", content=b'{"amountKES": "10.00"}', headers={"Content-Type": "text/plain"}
    )

    assert {"amount": 10} == response.json()


async def test_requests_are_measured_and_logged_by_operation(
    client: httpx.AsyncClient, observed: Observed
) -> None:
    """The label is the operation's name: paths hold ids, and methods may be made up."""
    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        await client.post("/api/orders/ord_1", content=b'{"amountKES": 10}')
        await client.request("BREW", "/api/orders/ord_2")
        await client.get("/nothing/254700000001")

    expected = [
        ("takeOrder", "POST", 200),
        ("takeOrder", "OTHER", 405),
        ("unmatched", "GET", 404),
    ]
    assert expected == observed.calls
    answered = [line for line in logs if "http.answered" == line["event"]]
    assert expected == [(line["operation"], line["method"], line["status"]) for line in answered]
    assert "ord_1" not in str(logs)
    assert PHONE not in str(logs)
    assert all(line["request_id"] for line in answered)


async def test_refusals_are_counted_by_operation_and_code(
    client: httpx.AsyncClient, observed: Observed
) -> None:
    """What is answered with a problem, wherever it was refused; nothing else."""
    await client.post("/api/orders/ord_1", content=b'{"amountKES": 10}')
    await client.post("/api/orders/ord_1", content=b"{")
    await client.get("/api/later")
    await client.get("/api/whoami", headers=[("Authorization", "a"), ("Authorization", "b")])
    await client.get("/nothing")

    expected = [
        ("takeOrder", "malformed_json"),
        ("later", "later"),
        ("unmatched", "duplicate_header"),
        ("unmatched", "not_found"),
    ]
    assert expected == observed.refusals


async def test_telemetry_that_fails_does_not_fail_the_request(
    client: httpx.AsyncClient, observed: Observed
) -> None:
    """The caller gets the answer; a gap in the figures is the smaller harm."""
    observed.fails = True

    response = await client.get("/api/whoami")

    assert 200 == response.status_code


async def test_the_specification_shows_the_body(client: httpx.AsyncClient) -> None:
    """Reading the body ourselves does not hide it from OpenAPI."""
    document = (await client.get("/openapi.json")).json()

    operation = document["paths"]["/api/orders/{order_id}"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {"amountKES", "phoneNumber"} == set(schema["properties"])
    assert "application/problem+json" in operation["responses"]["422"]["content"]
