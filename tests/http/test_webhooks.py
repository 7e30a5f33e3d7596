"""The rail's way in: what is answered, and that only what is signed has an effect."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from payops.infra.web.middleware import BODY_BYTES_MAX
from tests.support.api import AMINA, Api, running_api
from tests.support.postgres import connected
from tests.support.shop import SECRET
from tests.support.sql import fetchval

ACK = (200, {"status": "ack"})
REFUSED = (401, {"error": "unauthorized"})


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    async with running_api(url) as made:
        yield made


def sign(body: bytes, secret: str = SECRET, digest: Any = hashlib.sha256) -> str:
    return hmac.new(secret.encode(), body, digest).hexdigest()


async def calls(
    api: Api, content: object, *, path: str = "", signature: str | None = None
) -> httpx.Response:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    headers = {"x-lipana-signature": sign(body) if signature is None else signature}
    response = await api.stranger.post(f"/webhooks/mpesa{path}", content=body, headers=headers)
    await api.services.inbox.drained()
    return response


def said(response: httpx.Response) -> tuple[int, object]:
    return response.status_code, response.json()


def success(txid: str, **more: object) -> dict[str, object]:
    return {"transactionId": txid, "userId": AMINA, "amountKES": 100, "status": "success"} | more


async def test_a_signed_success_settles(api: Api) -> None:
    """
    Acknowledged, and the withdrawal is completed.
    """
    txid = await api.shop.is_sent(100)

    assert ACK == said(await calls(api, success(txid), path=f"/{txid}"))
    assert "completed" == await api.shop.state_of(txid)
    assert (0, 0) == await api.shop.balance()


async def test_copies_at_once_have_one_effect(api: Api) -> None:
    """
    However many come together, each is acknowledged and one is kept.
    """
    txid = await api.shop.is_sent(100)

    answers = await asyncio.gather(*(calls(api, success(txid)) for _ in range(20)))

    assert [ACK] * 20 == [said(answer) for answer in answers]
    assert [("applied", "")] == await api.shop.inbox()
    await api.shop.assert_books()


@pytest.mark.parametrize(
    "content", [{"hello": "world"}, b"not json", b"", b"[]", b'{"a":1,"a":2}', b"\xff\xfe"]
)
async def test_what_is_signed_and_cannot_be_read_is_parked(api: Api, content: object) -> None:
    """
    Acknowledged, so that it is not sent for ever, and left to a person.
    """
    assert ACK == said(await calls(api, content))
    ((state, _),) = await api.shop.inbox()
    assert "parked" == state


async def test_what_is_about_nothing_we_know_is_kept(api: Api) -> None:
    """
    It may come before what it is about.
    """
    assert ACK == said(await calls(api, success("wd_01h455vb4pex5vsknk084sn02q")))
    ((state, _),) = await api.shop.inbox()
    assert "unknown" == state


@pytest.mark.parametrize("wrong", [{"amountKES": 110}, {"userId": "usr_mallory"}, {"amountKES": 1}])
async def test_what_contradicts_us_is_parked(api: Api, wrong: dict[str, object]) -> None:
    """
    Whatever it names must match; it has no effect and the rail is asked.
    """
    txid = await api.shop.is_sent(100)

    assert ACK == said(await calls(api, success(txid, **wrong)))
    assert "sent" == await api.shop.state_of(txid)
    ((state, reason),) = await api.shop.inbox()
    assert ("parked", True) == (state, (reason or "").startswith("mismatch"))


async def test_a_path_that_differs_from_the_body_has_no_effect(api: Api) -> None:
    """
    Only the body is signed; where the two differ, nobody is believed.
    """
    one, other = await api.shop.is_sent(100), await api.shop.is_sent(100)

    assert ACK == said(await calls(api, success(one), path=f"/{other}"))
    assert ["sent", "sent"] == [await api.shop.state_of(txid) for txid in (one, other)]


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "00",
        "sha256=",
        sign(b"another body"),
        "sha512=" + sign(b"{}", digest=hashlib.sha512),
        sign(b"{}", digest=hashlib.sha1),
        sign(b"{}", "another secret"),
        sign(b"{}")[:-2],
        sign(b"{}") + "," + sign(b"{}"),
    ],
)
async def test_a_bad_signature_is_refused(api: Api, signature: str) -> None:
    """
    Short, of another algorithm, key or body, or two at once: 401 and no effect.
    """
    assert REFUSED == said(await calls(api, b"{}", signature=signature))
    assert ["rejected"] == [state for state, _ in await api.shop.inbox()]


async def test_a_forged_copy_does_not_stand_in_the_way_of_the_real_one(api: Api) -> None:
    """
    Whoever sends the same body first without the secret has not used it up.
    """
    txid = await api.shop.is_sent(100)
    body = json.dumps(success(txid)).encode()

    assert REFUSED == said(await calls(api, body, signature="00" * 32))
    assert ACK == said(await calls(api, body))
    assert "completed" == await api.shop.state_of(txid)


@pytest.mark.parametrize("way", [str.upper, lambda text: f"sha256={text}"])
async def test_a_signature_may_be_written_in_several_ways(api: Api, way: Any) -> None:
    """
    In either case, and with the name of the algorithm before it.
    """
    assert ACK == said(await calls(api, b"{}", signature=way(sign(b"{}"))))


async def test_the_size_comes_before_the_signature(api: Api) -> None:
    """
    413 for what is too long, signed or not.
    """
    body = b" " * (BODY_BYTES_MAX + 1)

    for signature in (sign(body), ""):
        response = await calls(api, body, signature=signature)
        assert 413 == response.status_code
    assert [] == await api.shop.inbox()


async def test_what_cannot_be_kept_is_not_acknowledged(api: Api) -> None:
    """
    With the database gone the rail hears 503 and sends it again; then it has its effect.
    """
    txid = await api.shop.is_sent(100)
    name = await fetchval(api.services.db, "SELECT current_database()")
    await _refuse_connections(api, name, refused=True)
    try:
        gone = await calls(api, success(txid))
    finally:
        await _refuse_connections(api, name, refused=False)

    assert 503 == gone.status_code
    assert ACK == said(await calls(api, success(txid)))
    assert "completed" == await api.shop.state_of(txid)


async def _refuse_connections(api: Api, name: str, *, refused: bool) -> None:
    secret = api.services.settings.database_url
    assert secret is not None
    elsewhere = make_url(secret.get_secret_value()).set(database="postgres")
    async with connected(elsewhere.render_as_string(hide_password=False)) as connection:
        allowed = "false" if refused else "true"
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("mpesa", "receiveMpesa"),
        ("mpesa/wd_1", "receiveMpesaFor"),
        ("nowpayments", "receiveNowPayments"),
        ("btcpay", "receiveBtcPay"),
    ],
)
async def test_each_provider_is_measured_by_itself(api: Api, path: str, operation: str) -> None:
    """
    Whatever is answered: what one provider sends is not counted as another's.
    """
    for method in ("POST", "GET"):
        await api.stranger.request(method, f"/webhooks/{path}", content=b"{}")

    text = api.services.metrics.render().decode()
    for method in ("POST", "GET"):
        labels = f'method="{method}",operation="{operation}",status="4xx"'
        assert f"payops_http_request_seconds_count{{{labels}}} 1.0" in text


async def test_the_routes_are_not_in_the_public_specification(api: Api) -> None:
    """
    They are the rail's business.
    """
    document = (await api.stranger.get("/openapi.json")).json()

    assert not [path for path in document["paths"] if path.startswith("/webhooks")]
