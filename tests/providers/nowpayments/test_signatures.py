"""Whether a notification is the provider's: vectors made by its own language, and forgeries."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from payops.providers.nowpayments import canonical
from payops.providers.nowpayments.canonical import Form
from payops.providers.nowpayments.notifications import NowPaymentsNotifications
from payops.webhooks.ports import Unreadable

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
SECRET = b"current-secret"
PREVIOUS = b"previous-secret"
BODY = b'{"payment_id":4914760150,"payment_status":"finished","actually_paid":0.5}'
CANONICAL = b'{"actually_paid":0.5,"payment_id":4914760150,"payment_status":"finished"}'


def named(vectors: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=[one["id"] for one in vectors])


def source_of(vector: dict[str, Any]) -> NowPaymentsNotifications:
    return NowPaymentsNotifications((vector["secret"].encode(),))


def headers(signature: str) -> dict[str, str]:
    return {"x-nowpayments-sig": signature, "content-type": "application/json"}


def signed(text: bytes, secret: bytes = SECRET, algorithm: str = "sha512") -> str:
    return hmac.new(secret, text, algorithm).hexdigest()


@pytest.fixture
def source() -> NowPaymentsNotifications:
    return NowPaymentsNotifications((SECRET, PREVIOUS))


@named(VECTORS["authentic"])
def test_what_the_signer_signed_is_authentic(vector: dict[str, Any]) -> None:
    """And it is known in which form, so that it can be watched."""
    source = NowPaymentsNotifications((vector["secret"].encode(),))
    body = vector["body"].encode()

    with capture_logs() as logs:
        assert source.is_authentic(headers(vector["signature"]), body)

    assert [vector["form"]] == [line["form"] for line in logs]
    assert vector["canonical"].encode() == canonical.printed(
        canonical.parse(body), Form(vector["form"])
    )


@named(VECTORS["forged"])
def test_what_was_signed_otherwise_is_not_authentic(vector: dict[str, Any]) -> None:
    """Changed, cut, signed over other bytes, or in a form that leaves something out."""
    source = source_of(vector)

    assert not source.is_authentic(headers(vector["signature"]), vector["body"].encode())


@named(VECTORS["respelled"])
def test_an_id_in_another_spelling_is_signed_but_never_read(vector: dict[str, Any]) -> None:
    """The signature covers values: a replay that spells an id anew must not be a new payment."""
    source, body = source_of(vector), vector["body"].encode()

    assert source.is_authentic(headers(vector["signature"]), body)
    with pytest.raises(Unreadable, match=r"_id$"):
        source.read(None, body)


def test_one_changed_character_is_not_authentic(source: NowPaymentsNotifications) -> None:
    """Every value and every name is covered."""
    signature = headers(signed(CANONICAL))
    assert source.is_authentic(signature, BODY)

    for position in range(len(BODY)):
        changed = bytearray(BODY)
        changed[position] ^= 1
        assert not source.is_authentic(signature, bytes(changed))


def test_the_previous_secret_counts_too(source: NowPaymentsNotifications) -> None:
    """As long as it is being rotated."""
    assert source.is_authentic(headers(signed(CANONICAL, PREVIOUS)), BODY)
    assert not NowPaymentsNotifications((SECRET,)).is_authentic(
        headers(signed(CANONICAL, PREVIOUS)), BODY
    )


GOOD = signed(CANONICAL)


@pytest.mark.parametrize(
    "signature",
    [
        pytest.param("", id="empty"),
        pytest.param(GOOD[:-1], id="one digit short"),
        pytest.param(GOOD[:64], id="half"),
        pytest.param(GOOD + "0", id="one digit long"),
        pytest.param(GOOD + "\n", id="line break after"),
        pytest.param(f" {GOOD}", id="blank before"),
        pytest.param(f"{GOOD[:64]} {GOOD[64:]}", id="blank within"),
        pytest.param(f"{GOOD}, {GOOD}", id="two headers joined"),
        pytest.param(f"sha512={GOOD}", id="with a prefix"),
        pytest.param("g" * 128, id="not hexadecimal"),
        pytest.param("٠" * 128, id="digits of another script"),
        pytest.param("0" * 128, id="zeros"),
        pytest.param(signed(CANONICAL, algorithm="sha256") * 2, id="sha-256 twice"),
        pytest.param(signed(CANONICAL, algorithm="sha3_512"), id="sha3-512"),
        pytest.param(hashlib.sha512(CANONICAL).hexdigest(), id="no key"),
        pytest.param(signed(CANONICAL, b""), id="empty key"),
        pytest.param(signed(CANONICAL, b"another"), id="another key"),
        pytest.param(signed(BODY), id="over the bytes as they came"),
    ],
)
def test_any_other_signature_is_not_authentic(
    source: NowPaymentsNotifications, signature: str
) -> None:
    """One well-formed HMAC-SHA512 under a secret of ours, or nothing."""
    assert not source.is_authentic(headers(signature), BODY)


def test_a_missing_signature_is_not_authentic(source: NowPaymentsNotifications) -> None:
    """Skipping the check where the header is missing would leave the door open."""
    assert not source.is_authentic({}, BODY)


@pytest.mark.parametrize("secrets", [(), (b"",), (b" \n",)])
def test_without_a_secret_nothing_is_authentic(secrets: tuple[bytes, ...]) -> None:
    """An empty secret is no secret: everybody could sign with it."""
    source = NowPaymentsNotifications(secrets)

    assert not source.is_authentic(headers(signed(CANONICAL, b"")), BODY)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{", id="half"),
        pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
        pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
        pytest.param(b'{"a":1,"a":1}', id="a name twice"),
        pytest.param(b'{"a":NaN}', id="not a number"),
        pytest.param(b'{"a":1e999}', id="beyond all numbers"),
        pytest.param(b'{"a":' * 40 + b"1" + b"}" * 40, id="deep"),
    ],
)
def test_what_cannot_be_read_safely_is_not_authentic(
    source: NowPaymentsNotifications, body: bytes
) -> None:
    """Even if its bytes were signed: two readers could believe two things."""
    assert not source.is_authentic(headers(signed(body)), body)


def test_a_huge_body_is_not_even_read(source: NowPaymentsNotifications) -> None:
    """64 KiB are read and one byte more is not."""
    largest = b'{"a":"' + b"x" * (canonical.BODY_BYTES_MAX - 8) + b'"}'
    longer = largest[:-2] + b'x"}'

    assert source.is_authentic(headers(signed(largest)), largest)
    assert not source.is_authentic(headers(signed(longer)), longer)
