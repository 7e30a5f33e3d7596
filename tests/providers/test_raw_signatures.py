"""Whether a notification is its provider's, where the signature covers the raw bytes."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from payops.providers.btcpay.notifications import BtcPayNotifications
from payops.providers.lipana.callbacks import LipanaCallbacks
from payops.webhooks.ports import WebhookSource

SECRET = b"current-secret"
PREVIOUS = b"previous-secret"
BODIES = {
    "compact": b'{"a":1,"b":2}',
    "spaced": b'{ "a" : 1,\r\n  "b":2 }\n',
    "another order of names": b'{"b":2,"a":1}',
    "unicode": '{"name": "Njĩ 🙂 \\u0041"}'.encode(),
    "not JSON": b"\x00\xff",
    "empty": b"",
}


@dataclass(frozen=True)
class Scheme:
    """A provider's way to write a signature: in which header, and what stands before it."""

    source_of: Callable[[tuple[bytes, ...]], WebhookSource]
    header: str
    prefix: str = ""

    def accepts(
        self, signature: str, body: bytes = b"{}", secrets: tuple[bytes, ...] = (SECRET, PREVIOUS)
    ) -> bool:
        headers = {self.header: signature, "content-type": "application/json"}
        return self.source_of(secrets).is_authentic(headers, body)


SCHEMES = {
    "lipana": Scheme(LipanaCallbacks, "x-lipana-signature"),
    "lipana, with a prefix": Scheme(LipanaCallbacks, "x-lipana-signature", "sha256="),
    "btcpay": Scheme(BtcPayNotifications, "btcpay-sig", "sha256="),
}
of_each = pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)


def digits(body: bytes, secret: bytes = SECRET, algorithm: str = "sha256") -> str:
    return hmac.new(secret, body, algorithm).hexdigest()


GOOD = digits(b"{}")


@of_each
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_signature_over_the_raw_bytes_is_authentic(scheme: Scheme, body: bytes) -> None:
    """The bytes count as they came, whatever they mean."""
    assert scheme.accepts(scheme.prefix + digits(body), body)


@of_each
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_one_changed_byte_is_not_authentic(scheme: Scheme, body: bytes) -> None:
    """Every byte is covered, the last as well as the first, and so is the length."""
    signature = scheme.prefix + digits(body)
    for position in range(len(body)):
        changed = bytearray(body)
        changed[position] ^= 1
        assert not scheme.accepts(signature, bytes(changed))
    assert not scheme.accepts(signature, body + b" ")


@of_each
def test_the_same_json_in_other_bytes_is_not_authentic(scheme: Scheme) -> None:
    """Nothing is normalised before it is verified."""
    signature = scheme.prefix + digits(BODIES["compact"])

    assert not scheme.accepts(signature, BODIES["spaced"])
    assert not scheme.accepts(signature, BODIES["another order of names"])


@of_each
def test_case_and_previous_secret_are_tolerated(scheme: Scheme) -> None:
    """Hexadecimal in either case, and the secret that is being replaced."""
    assert scheme.accepts(scheme.prefix + GOOD)
    assert scheme.accepts(scheme.prefix + GOOD.upper())
    assert scheme.accepts(scheme.prefix + digits(b"{}", PREVIOUS))


@of_each
@pytest.mark.parametrize(
    "forged",
    [
        pytest.param("", id="empty"),
        pytest.param("sha256=", id="only the prefix"),
        pytest.param("{prefix}" + GOOD[:-1], id="one digit short"),
        pytest.param("{prefix}" + GOOD[:32], id="half"),
        pytest.param("{prefix}" + GOOD + "0", id="one digit long"),
        pytest.param("{prefix}" + GOOD + "\n", id="line break after"),
        pytest.param(" {prefix}" + GOOD, id="space before"),
        pytest.param(f"{{prefix}}{GOOD}, {{prefix}}{GOOD}", id="two headers joined"),
        pytest.param(
            f"{{prefix}}{digits(b'?')},{{prefix}}{GOOD}", id="a wrong and a right one joined"
        ),
        pytest.param("sha512=" + GOOD, id="another prefix"),
        pytest.param("SHA256=" + GOOD, id="prefix in capitals"),
        pytest.param("{prefix}" + "g" * 64, id="not hexadecimal"),
        pytest.param("{prefix}" + "٠" * 64, id="digits of another script"),
        pytest.param("{prefix}" + "0" * 64, id="zeros"),
        pytest.param("{prefix}" + digits(b"{}", algorithm="sha512"), id="sha-512"),
        pytest.param("{prefix}" + digits(b"{}", algorithm="sha512")[:64], id="sha-512 cut to fit"),
        pytest.param("{prefix}" + hashlib.sha256(b"{}").hexdigest(), id="no key"),
        pytest.param("{prefix}" + digits(b"{}", b""), id="empty key"),
        pytest.param("{prefix}" + digits(b"{}", b"another"), id="another key"),
    ],
)
def test_any_other_signature_is_not_authentic(scheme: Scheme, forged: str) -> None:
    """One well-formed HMAC-SHA256 under a secret of ours, or nothing."""
    assert not scheme.accepts(forged.format(prefix=scheme.prefix))


@of_each
def test_a_missing_signature_is_not_authentic(scheme: Scheme) -> None:
    """What is unsigned is nobody's, and another provider's header does not count."""
    others = {one.header: "sha256=" + GOOD for one in SCHEMES.values()}
    del others[scheme.header]

    assert not scheme.source_of((SECRET,)).is_authentic(others, b"{}")


@of_each
@pytest.mark.parametrize("secrets", [(), (b"",), (b"", b"")])
def test_without_a_secret_nothing_is_authentic(scheme: Scheme, secrets: tuple[bytes, ...]) -> None:
    """An empty secret is no secret: everybody could sign with it."""
    assert not scheme.accepts(scheme.prefix + digits(b"{}", b""), secrets=secrets)
