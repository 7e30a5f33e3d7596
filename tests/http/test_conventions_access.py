"""Who is let in, and in which order requests are refused."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, Depends, FastAPI, Header
from pydantic import SecretStr
from structlog.testing import capture_logs

from payops.access.api import Gate, public, requires, scopes_of
from payops.access.domain import Principal, Scope, acting_for
from payops.access.schemas import UserId
from payops.access.service import (
    KEYS_TOPIC,
    Authenticator,
    KeyVerifier,
    TokenVerifier,
    create_key,
    issue_development_token,
    key_source_of,
    revoke_key,
)
from payops.infra.db import Database
from payops.infra.settings import Auth, Settings
from payops.infra.web.body import json_body
from payops.infra.web.limiting import RateLimit
from payops.infra.web.middleware import BODY_BYTES_MAX, EdgeMiddleware
from payops.infra.web.problem import install_problems
from payops.infra.web.wire import Wire
from payops.kernel import errors

SETTINGS = Settings(auth=Auth(jwt_key=SecretStr("made-up-secret-of-the-test-suite-0123456789")))


class Order(Wire):
    user_id: UserId | None = None


class HeaderMissing(errors.Malformed):
    code = "test_header_missing"
    title = "A header is missing"


async def needs_header(idempotency_key: Annotated[str | None, Header()] = None) -> None:
    if idempotency_key is None:
        raise HeaderMissing


router = APIRouter(prefix="/api")


@router.post("/orders", operation_id="takeOrder")
async def take_order(
    principal: Annotated[Principal, Depends(requires(Scope.WITHDRAWALS_WRITE))],
    _: Annotated[None, Depends(needs_header)],
    body: Annotated[Order, Depends(json_body(Order))],
) -> dict[str, str]:
    return {"caller": principal.caller, "userId": acting_for(principal, body.user_id)}


@router.get("/ops", operation_id="readOps")
async def read_ops(
    principal: Annotated[Principal, Depends(requires(Scope.OPS_READ))],
) -> dict[str, str]:
    return {"owner": principal.owner}


@router.get("/open", operation_id="open", dependencies=[Depends(public)])
async def open_to_all() -> dict[str, str]:
    return {}


async def no_fetch(url: str) -> bytes:
    raise OSError(url)


def application(database: Database, *, per_minute: int = 0) -> FastAPI:
    keys = KeyVerifier(database, live=False, cache_seconds=60)
    database.on_wake(lambda topic: keys.forget() if topic == KEYS_TOPIC else None)
    tokens = TokenVerifier(SETTINGS.auth, key_source_of(SETTINGS.auth, no_fetch))
    app = FastAPI(redirect_slashes=False)
    app.include_router(router)
    install_problems(app)
    app.add_middleware(EdgeMiddleware)
    app.state.gate = Gate(Authenticator(keys, tokens), RateLimit(per_minute))
    return app


def client_of(app: FastAPI, address: str = "203.0.113.9") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://payops")


@pytest.fixture
async def client(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(application(database)) as made:
        yield made


def as_user(user_id: str = "amina") -> dict[str, str]:
    token = issue_development_token(SETTINGS, user_id, timedelta(minutes=5))
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": "k1"}


async def as_key(database: Database, *scopes: Scope) -> dict[str, str]:
    issued = await create_key(database, name="test", owner="betrix", scopes=scopes, live=False)
    return {"Authorization": f"Bearer {issued.text}", "Idempotency-Key": "k1"}


def refusal(response: httpx.Response) -> tuple[int, str]:
    document: dict[str, Any] = response.json()
    return response.status_code, document["code"]


async def test_a_users_token_acts_for_the_user(client: httpx.AsyncClient) -> None:
    """The user id may be left out."""
    response = await client.post("/api/orders", headers=as_user(), content=b"{}")

    assert {"caller": "user:amina", "userId": "amina"} == response.json()


async def test_a_users_token_does_not_act_for_another(client: httpx.AsyncClient) -> None:
    """Another user's id in the body is forbidden."""
    body = b'{"userId": "brian"}'

    response = await client.post("/api/orders", headers=as_user(), content=body)

    assert (403, "other_user") == refusal(response)
    assert "brian" not in response.text


async def test_a_key_names_its_user(client: httpx.AsyncClient, database: Database) -> None:
    """Without a user id a key's request is not valid."""
    headers = await as_key(database, Scope.WITHDRAWALS_WRITE)

    named = await client.post("/api/orders", headers=headers, content=b'{"userId": "brian"}')
    unnamed = await client.post("/api/orders", headers=headers, content=b"{}")

    assert "brian" == named.json()["userId"]
    assert (422, "validation_failed") == refusal(unnamed)


@pytest.mark.parametrize(
    ("authorization", "hint"),
    [
        (None, 'Bearer realm="payops"'),
        ("", 'Bearer realm="payops"'),
        ("Bearer", 'Bearer realm="payops"'),
        ("Basic dTpw", 'Bearer realm="payops"'),
        ("Bearer a b", 'Bearer realm="payops", error="invalid_token"'),
        ("Bearer nonsense", 'Bearer realm="payops", error="invalid_token"'),
        ("Bearer sk_test_nonsense", 'Bearer realm="payops", error="invalid_token"'),
        ("Bearer é", 'Bearer realm="payops", error="invalid_token"'),
    ],
)
async def test_a_stranger_is_told_how_to_authenticate(
    client: httpx.AsyncClient, authorization: str | None, hint: str
) -> None:
    """401 always comes with ``WWW-Authenticate``."""
    sent = [] if authorization is None else [(b"Authorization", authorization.encode("latin-1"))]

    response = await client.get("/api/ops", headers=sent)

    assert 401 == response.status_code
    assert hint == response.headers["www-authenticate"]


async def test_the_scheme_may_be_written_in_any_case(client: httpx.AsyncClient) -> None:
    """RFC 9110 §11.1: schemes are case-insensitive."""
    headers = as_user()
    headers["Authorization"] = headers["Authorization"].replace("Bearer ", "bearer   ")

    response = await client.post("/api/orders", headers=headers, content=b"{}")

    assert 200 == response.status_code


async def test_a_scope_that_is_missing_is_named(
    client: httpx.AsyncClient, database: Database
) -> None:
    """A known caller without the scope is forbidden, users and keys alike."""
    user = await client.get("/api/ops", headers=as_user())
    key = await client.get("/api/ops", headers=await as_key(database, Scope.OPS_WRITE))

    assert (403, "scope_missing") == refusal(user) == refusal(key)
    assert "ops:read" in key.json()["detail"]


async def test_refusals_come_in_their_order(client: httpx.AsyncClient) -> None:
    """Authentication, then the header, then the size and form of the body, then fields."""
    bad, good = b"{", b'{"more": 1}'
    no_key = {"Authorization": as_user()["Authorization"]}
    large = b" " * (BODY_BYTES_MAX + 1)

    seen = [
        refusal(await client.post("/api/orders", headers=headers, content=content))
        for headers, content in [
            ({}, large),
            (no_key, large),
            (as_user(), large),
            (as_user(), bad),
            (as_user(), good),
        ]
    ]

    expected = [
        (401, "unauthenticated"),
        (400, "test_header_missing"),
        (413, "body_too_large"),
        (400, "malformed_json"),
        (422, "validation_failed"),
    ]
    assert expected == seen


async def test_a_revoked_key_is_refused_on_the_next_request(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Although it was remembered a moment ago."""
    issued = await create_key(database, name="test", owner="o", scopes=[Scope.OPS_READ], live=False)
    headers = {"Authorization": f"Bearer {issued.text}"}
    assert 200 == (await client.get("/api/ops", headers=headers)).status_code

    await revoke_key(database, issued.key.id)

    assert 401 == (await client.get("/api/ops", headers=headers)).status_code


async def test_each_caller_has_its_own_limit(database: Database) -> None:
    """Two users behind one address do not share; a repeat offender is told when to return."""
    async with client_of(application(database, per_minute=3)) as client:
        amina = [
            (await client.post("/api/orders", headers=as_user(), content=b"{}")).status_code
            for _ in range(3)
        ]
        refused = await client.post("/api/orders", headers=as_user(), content=b"{}")
        brian = await client.post("/api/orders", headers=as_user("brian"), content=b"{}")

    assert [200, 200, 200] == amina
    assert (429, "rate_limited") == refusal(refused)
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert 200 == brian.status_code


async def test_guessing_is_limited_by_address_and_users_there_are_not(database: Database) -> None:
    """Failures count for the address; whoever has a good token gets through all the same."""
    app = application(database, per_minute=3)
    guess = {"Authorization": "Bearer sk_test_" + "a" * 43}
    async with client_of(app) as here, client_of(app, "198.51.100.7") as elsewhere:
        tried = [(await here.get("/api/ops", headers=guess)).status_code for _ in range(5)]
        user = await here.post("/api/orders", headers=as_user(), content=b"{}")
        other = await elsewhere.get("/api/ops", headers=guess)

    assert [401, 401, 401, 429, 429] == tried
    assert (200, 401) == (user.status_code, other.status_code)


async def test_a_public_route_needs_nothing(client: httpx.AsyncClient) -> None:
    """It is open because it says so."""
    assert 200 == (await client.get("/api/open")).status_code


def test_the_scope_of_every_route_can_be_listed(database: Database) -> None:
    """This is how a test makes sure that no route was left open by mistake."""
    expected = {
        "POST /api/orders": Scope.WITHDRAWALS_WRITE,
        "GET /api/ops": Scope.OPS_READ,
        "GET /api/open": None,
    }

    assert expected == scopes_of(application(database).routes)


def test_a_route_that_says_nothing_is_found() -> None:
    """Neither public nor protected is a mistake."""
    app = FastAPI()

    @app.get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(LookupError, match="/forgotten"):
        scopes_of(app.routes)


async def test_the_specification_says_which_operations_need_a_token(
    client: httpx.AsyncClient,
) -> None:
    """OpenAPI knows one bearer scheme, and which operations ask for it."""
    document = (await client.get("/openapi.json")).json()

    assert {"bearer"} == set(document["components"]["securitySchemes"])
    assert [{"bearer": []}] == document["paths"]["/api/ops"]["get"]["security"]
    assert "security" not in document["paths"]["/api/open"]["get"]


async def test_the_access_log_names_the_caller_and_no_credential(
    client: httpx.AsyncClient, database: Database
) -> None:
    """Who asked is known afterwards, and nobody can ask in their name."""
    headers = await as_key(database, Scope.OPS_READ)

    with capture_logs([structlog.contextvars.merge_contextvars]) as logs:
        await client.get("/api/ops", headers=headers)
        await client.get("/api/open")

    assert logs[0]["principal"].startswith("key:key_")
    assert "" == logs[1]["principal"]
    assert "sk_test_" not in str(logs)
