"""The providers' way in for deposits: what is answered, what is kept, and who is believed."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from payops.infra.web.middleware import BODY_BYTES_MAX
from tests.support.api import Api, running_api
from tests.support.nonsense import SECRET

ACK = (200, {"status": "ack"})
REFUSED = (401, {"error": "unauthorized"})
KEY = b"made up: signs notifications"
OLDER = b"made up: signed them before"
NOBODY = "http://127.0.0.1:9/v1"
SETTINGS: dict[str, Any] = {
    "nowpayments": {
        "base_url": NOBODY,
        "api_key": "np_made_up",
        "ipn_secret": KEY.decode(),
        "ipn_secret_previous": OLDER.decode(),
    },
    "btcpay": {
        "base_url": NOBODY,
        "store_id": "store",
        "api_key": "btcpay_made_up",
        "webhook_secret": KEY.decode(),
        "webhook_secret_previous": OLDER.decode(),
    },
}


@dataclass(frozen=True)
class Way:
    """One provider's way in: where, how it signs, and a notification about a payment."""

    name: str
    header: str
    sign: Callable[[bytes, bytes], str]
    body: bytes

    @property
    def path(self) -> str:
        return f"/webhooks/{self.name}"

    def __str__(self) -> str:
        return self.name


def _nowpayments(body: bytes, key: bytes) -> str:
    """Of bodies whose keys are in order and which have no numbers but integers."""
    return hmac.digest(key, body, hashlib.sha512).hex()


def _btcpay(body: bytes, key: bytes) -> str:
    return f"sha256={hmac.digest(key, body, hashlib.sha256).hex()}"


def compact(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":"), sort_keys=True).encode()


NOWPAYMENTS = Way(
    "nowpayments",
    "x-nowpayments-sig",
    _nowpayments,
    compact({"payment_id": 4914760150, "payment_status": "finished"}),
)
BTCPAY = Way(
    "btcpay", "btcpay-sig", _btcpay, compact({"invoiceId": "7s9oXkFqzRkW1vTAJpG4Ge", "type": "x"})
)

each_way = pytest.mark.parametrize("way", [NOWPAYMENTS, BTCPAY], ids=str)


@pytest.fixture
async def api(url: str) -> AsyncIterator[Api]:
    """Both providers are configured, and neither can be reached: only what they say arrives."""
    async with running_api(url, SETTINGS) as made:
        yield made


async def calls(
    api: Api, way: Way, body: bytes | None = None, *, signature: str | None = None
) -> httpx.Response:
    content = way.body if body is None else body
    headers = {way.header: way.sign(content, KEY) if signature is None else signature}
    response = await api.stranger.post(way.path, content=content, headers=headers)
    await api.services.inbox.drained()
    return response


def said(response: httpx.Response) -> tuple[int, object]:
    return response.status_code, response.json()


async def states(api: Api) -> list[str]:
    return [state for state, _ in await api.shop.inbox()]


@each_way
async def test_what_is_signed_is_acknowledged_and_kept(api: Api, way: Way) -> None:
    """
    About a payment that nobody knows yet: it waits, for it may come before its answer.
    """
    assert ACK == said(await calls(api, way))
    assert ["unknown"] == await states(api)


@each_way
async def test_the_previous_secret_counts_while_it_is_rotated(api: Api, way: Way) -> None:
    """
    The provider may change over at any moment.
    """
    assert ACK == said(await calls(api, way, signature=way.sign(way.body, OLDER)))


@each_way
async def test_copies_at_once_are_kept_once(api: Api, way: Way) -> None:
    """
    Each is acknowledged.
    """
    answers = await asyncio.gather(*(calls(api, way) for _ in range(20)))

    assert [ACK] * 20 == [said(answer) for answer in answers]
    assert 1 == len(await states(api))


@each_way
async def test_a_bad_signature_is_refused(api: Api, way: Way) -> None:
    """
    None, empty, short, of another body or key, of another algorithm, two at once: 401, no effect.
    """
    good = way.sign(way.body, KEY)
    bad = [
        "",
        "00",
        good[:-2],
        f"{good},{good}",
        f" {good} x",
        way.sign(b"{}", KEY),
        way.sign(way.body, b"another"),
        way.sign(way.body, b""),
        hmac.digest(KEY, way.body, hashlib.sha1).hex(),
        "0" * len(good),
    ]

    answers = [await calls(api, way, signature=signature) for signature in bad]
    unsigned = await api.stranger.post(way.path, content=way.body)

    assert [REFUSED] * len(bad) == [said(answer) for answer in answers]
    assert REFUSED == said(unsigned)
    assert {"rejected"} == set(await states(api))


@each_way
async def test_another_providers_signature_does_not_count(api: Api, way: Way) -> None:
    """
    Each way in has one header and one algorithm.
    """
    other = BTCPAY if way is NOWPAYMENTS else NOWPAYMENTS
    headers = {other.header: other.sign(way.body, KEY)}

    assert REFUSED == said(await api.stranger.post(way.path, content=way.body, headers=headers))


@each_way
async def test_a_forged_copy_does_not_stand_in_the_way_of_the_real_one(api: Api, way: Way) -> None:
    """
    Whoever sends the same body first without the secret has not used it up.
    """
    assert REFUSED == said(await calls(api, way, signature=way.sign(way.body, b"guess")))
    assert ACK == said(await calls(api, way))
    assert {"rejected", "unknown"} == set(await states(api))


@each_way
async def test_the_size_comes_before_the_signature(api: Api, way: Way) -> None:
    """
    413 for what is too long, signed or not; nothing of it is kept.
    """
    body = b"{" + b" " * BODY_BYTES_MAX + b"}"

    answers = [await calls(api, way, body), await calls(api, way, body, signature="")]

    assert [413, 413] == [answer.status_code for answer in answers]
    assert [] == await states(api)


@each_way
async def test_nothing_that_is_sent_comes_back(api: Api, way: Way) -> None:
    """
    Not from the body, not from a header; in the answer there are two words.
    """
    answer = await api.stranger.post(
        way.path, content=SECRET.encode() * 100, headers={way.header: SECRET, "X-Test": SECRET}
    )

    assert REFUSED == said(answer)
    assert SECRET not in str(answer.headers)


@each_way
async def test_what_is_kept_is_sealed(api: Api, way: Way) -> None:
    """
    The bytes are evidence, and nobody reads them from the table.
    """
    body = compact({"invoiceId": SECRET, "payment_id": 12, "note": SECRET})
    await calls(api, way, body)

    (row,) = await api.shop.fetch("SELECT body_sealed FROM webhook_deliveries")
    assert SECRET.encode() not in bytes(row["body_sealed"])


@pytest.mark.parametrize(
    "body",
    [
        b'{"payment_id":4914760150.0,"payment_status":"finished"}',
        b'{"payment_id":4.91476015e9,"payment_status":"finished"}',
        b'{"payment_id":04914760150,"payment_status":"finished"}',
    ],
)
async def test_a_respelled_id_is_not_another_payment(api: Api, body: bytes) -> None:
    """
    The signature covers the number, not its spelling: the genuine one's fits, and it is parked.
    """
    signature = NOWPAYMENTS.sign(NOWPAYMENTS.body, KEY)

    answer = await calls(api, NOWPAYMENTS, body, signature=signature)

    assert (said(answer), await states(api)) in [(ACK, ["parked"]), (REFUSED, ["rejected"])]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"not json",
        b"\xff\xfe",
        b'{"payment_id":1,"payment_id":2}',
        b'{"payment_id":NaN}',
        b"[" * 20_000,
    ],
)
async def test_what_cannot_be_in_a_canonical_form_is_refused(api: Api, body: bytes) -> None:
    """
    The signature of NOWPayments is over what is meant; what means nothing has none.
    """
    assert REFUSED == said(await calls(api, NOWPAYMENTS, body))


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"not json", b"\xff\xfe", b'{"invoiceId":1}', b"[" * 20_000]
)
async def test_what_is_signed_and_cannot_be_read_is_parked(api: Api, body: bytes) -> None:
    """
    BTCPay signs bytes: they are acknowledged, so that they do not come for ever, and looked at.
    """
    assert ACK == said(await calls(api, BTCPAY, body))
    assert ["parked"] == await states(api)


@each_way
async def test_a_provider_that_is_not_configured_has_no_way_in(url: str, way: Way) -> None:
    """
    Nobody can sign for it; there is nothing there.
    """
    async with running_api(url) as api:
        answer = await api.stranger.post(
            way.path, content=way.body, headers={way.header: way.sign(way.body, KEY)}
        )

    assert 404 == answer.status_code
