"""Public keys read from the issuer."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from payops.access.errors import CredentialsRefused, TokenKeysUnavailable
from payops.access.service import Jwks, TokenVerifier
from payops.access.service.jwks import (
    COOLDOWN_SECONDS,
    KEYS_AGE_SECONDS_MAX,
    STALE_SECONDS,
    TTL_SECONDS,
    keys_in,
)
from payops.infra.settings import Auth

URL = "https://issuer.test/jwks"
FIRST = rsa.generate_private_key(65537, 2048)
SECOND = rsa.generate_private_key(65537, 2048)


def entry(key: rsa.RSAPrivateKey, kid: str | None, **more: str) -> dict[str, Any]:
    made: dict[str, Any] = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return made | ({"kid": kid} if kid else {}) | more


@dataclass
class Issuer:
    """Serves a set of keys, counts who asks, and can be down or slow."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    down: bool = False
    now: int = 1000
    slow: asyncio.Event | None = None

    async def fetch(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        if self.slow:
            await self.slow.wait()
        if self.down:
            raise OSError("down")
        return json.dumps({"keys": self.entries}).encode()

    def keys(self, algorithm: str = "RS256", wait_seconds_max: int = 5) -> Jwks:
        return Jwks(
            URL,
            algorithm,
            self.fetch,
            seconds=lambda: self.now,
            wait_seconds_max=wait_seconds_max,
        )


def token(key: Any, kid: str | None, algorithm: str = "RS256") -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {"sub": "amina", "iat": now, "exp": now + 60, "iss": "betrix", "aud": "payops"}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


def verifier(keys: Jwks) -> TokenVerifier:
    return TokenVerifier(Auth(jwt_algorithm="RS256", jwt_jwks_url=URL), keys)


async def settled(keys: Jwks) -> None:
    if keys._asking is not None:
        await keys._asking


async def test_tokens_are_verified_with_the_key_they_name() -> None:
    """One fetch serves all tokens; a token signed with another key than it names is refused."""
    issuer = Issuer([entry(FIRST, "a"), entry(SECOND, "b")])
    there = verifier(issuer.keys())

    assert "amina" == (await there.verify(token(FIRST, "a"))).user_id
    assert "amina" == (await there.verify(token(SECOND, "b"))).user_id
    with pytest.raises(CredentialsRefused):
        await there.verify(token(FIRST, "b"))
    assert 1 == issuer.asked


async def test_a_new_key_is_found_when_a_token_names_it() -> None:
    """Rotation needs no restart."""
    issuer = Issuer([entry(FIRST, "a")])
    there = verifier(issuer.keys())
    await there.verify(token(FIRST, "a"))
    issuer.entries = [entry(SECOND, "b")]
    issuer.now += COOLDOWN_SECONDS

    assert "amina" == (await there.verify(token(SECOND, "b"))).user_id


async def test_made_up_key_ids_do_not_become_a_load_on_the_issuer() -> None:
    """An unknown id leads to at most one fetch in a cooldown."""
    issuer = Issuer([entry(FIRST, "a")])
    there = verifier(issuer.keys())

    for number in range(20):
        with pytest.raises(CredentialsRefused):
            await there.verify(token(FIRST, f"made up {number}"))

    assert 1 == issuer.asked


async def test_many_tokens_at_once_lead_to_one_fetch() -> None:
    """Whoever comes while the keys are fetched waits for that fetch."""
    issuer = Issuer([entry(FIRST, "a")], slow=asyncio.Event())
    there = verifier(issuer.keys())
    waiting = [asyncio.create_task(there.verify(token(FIRST, "a"))) for _ in range(10)]
    await asyncio.sleep(0)

    assert issuer.slow
    issuer.slow.set()
    principals = await asyncio.gather(*waiting)

    assert (10, 1) == (len(principals), issuer.asked)


async def test_one_that_goes_away_does_not_take_the_fetch_with_it() -> None:
    """A cancelled request leaves the others their answer."""
    issuer = Issuer([entry(FIRST, "a")], slow=asyncio.Event())
    there = verifier(issuer.keys())
    first = asyncio.create_task(there.verify(token(FIRST, "a")))
    second = asyncio.create_task(there.verify(token(FIRST, "a")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    first.cancel()
    assert issuer.slow
    issuer.slow.set()

    assert "amina" == (await second).user_id


async def test_known_keys_outlive_an_issuer_that_is_down() -> None:
    """Users are not locked out; only what is not known cannot be judged."""
    issuer = Issuer([entry(FIRST, "a")])
    keys = issuer.keys()
    there = verifier(keys)
    await there.verify(token(FIRST, "a"))
    issuer.down = True
    issuer.now += TTL_SECONDS

    assert "amina" == (await there.verify(token(FIRST, "a"))).user_id
    await settled(keys)
    assert 2 == issuer.asked
    with pytest.raises(TokenKeysUnavailable):
        await there.verify(token(SECOND, "b"))


async def test_an_old_set_is_renewed_behind_the_requests_back() -> None:
    """A withdrawn key stops working once the renewed set is there."""
    issuer = Issuer([entry(FIRST, "a")])
    keys = issuer.keys()
    there = verifier(keys)
    await there.verify(token(FIRST, "a"))
    issuer.entries = [entry(SECOND, "b")]
    issuer.now += TTL_SECONDS

    assert "amina" == (await there.verify(token(FIRST, "a"))).user_id
    await settled(keys)
    with pytest.raises(CredentialsRefused):
        await there.verify(token(FIRST, "a"))


async def test_a_key_withdrawn_while_nobody_asked_is_not_believed_once_more() -> None:
    """After days without a token, the first one waits for the keys of today."""
    issuer = Issuer([entry(FIRST, "a")])
    there = verifier(issuer.keys())
    await there.verify(token(FIRST, "a"))
    issuer.entries = [entry(SECOND, "b")]
    issuer.now += STALE_SECONDS

    with pytest.raises(CredentialsRefused):
        await there.verify(token(FIRST, "a"))
    assert 2 == issuer.asked


async def test_old_keys_serve_while_the_issuer_is_down_but_not_for_ever() -> None:
    """One try a cooldown; a day after they were read, nobody is believed by them."""
    issuer = Issuer([entry(FIRST, "a")])
    keys = issuer.keys()
    await verifier(keys).verify(token(FIRST, "a"))
    issuer.down = True

    issuer.now += STALE_SECONDS
    for _ in range(5):
        assert "amina" == (await verifier(keys).verify(token(FIRST, "a"))).user_id
    assert 2 == issuer.asked
    issuer.now += COOLDOWN_SECONDS
    assert "amina" == (await verifier(keys).verify(token(FIRST, "a"))).user_id
    assert 3 == issuer.asked
    issuer.now = 1000 + KEYS_AGE_SECONDS_MAX
    with pytest.raises(TokenKeysUnavailable):
        await verifier(keys).verify(token(FIRST, "a"))
    issuer.down = False
    issuer.now += COOLDOWN_SECONDS
    assert "amina" == (await verifier(keys).verify(token(FIRST, "a"))).user_id


async def test_nobody_waits_long_for_an_issuer_that_hangs() -> None:
    """After the bound the old keys serve; of a key that is not known, nobody knows."""
    issuer = Issuer([entry(FIRST, "a")])
    keys = issuer.keys(wait_seconds_max=1)
    await verifier(keys).verify(token(FIRST, "a"))
    issuer.slow = asyncio.Event()
    issuer.now += STALE_SECONDS

    assert "amina" == (await verifier(keys).verify(token(FIRST, "a"))).user_id
    with pytest.raises(TokenKeysUnavailable):
        await verifier(keys).verify(token(SECOND, "b"))

    issuer.slow.set()
    await settled(keys)


async def test_without_any_keys_nobody_knows() -> None:
    """That the issuer is down is our trouble: 503, and not 401."""
    issuer = Issuer(down=True)

    with pytest.raises(TokenKeysUnavailable) as refused:
        await verifier(issuer.keys()).verify(token(FIRST, "a"))

    assert COOLDOWN_SECONDS == refused.value.retry_after_seconds


async def test_a_token_may_leave_the_key_out_when_there_is_only_one() -> None:
    """With two, it would be a guess."""
    one = Issuer([entry(FIRST, None)])
    two = Issuer([entry(FIRST, "a"), entry(SECOND, "b")])

    assert "amina" == (await verifier(one.keys()).verify(token(FIRST, None))).user_id
    with pytest.raises(CredentialsRefused):
        await verifier(two.keys()).verify(token(FIRST, None))


def test_only_keys_for_the_configured_algorithm_are_taken() -> None:
    """Other kinds, secrets, private keys and keys for encryption are passed over."""
    elliptic = ECAlgorithm.to_jwk(
        ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True
    )
    private = RSAAlgorithm.to_jwk(SECOND, as_dict=True)
    entries = [
        entry(FIRST, "good", use="sig", alg="RS256"),
        entry(FIRST, "for encryption", use="enc"),
        entry(FIRST, "other algorithm", alg="RS512"),
        {**elliptic, "kid": "elliptic"},
        {**private, "kid": "private"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
        {"kty": "RSA", "n": "!", "e": "AQAB", "kid": "broken"},
        "no object",
    ]

    assert {"good"} == set(keys_in(json.dumps({"keys": entries}).encode(), "RS256"))
    assert {"elliptic"} == set(keys_in(json.dumps({"keys": entries}).encode(), "ES256"))


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": 5}', b"\xff"])
async def test_an_unusable_set_does_not_replace_the_keys(document: bytes) -> None:
    """An error page in place of the keys is the same as no answer."""
    issuer = Issuer([entry(FIRST, "a")])

    async def fetch(_: str) -> bytes:
        issuer.asked += 1
        return await issuer.fetch(URL) if issuer.asked == 1 else document

    keys = Jwks(URL, "RS256", fetch, seconds=lambda: issuer.now)
    there = verifier(keys)
    await there.verify(token(FIRST, "a"))
    issuer.now += TTL_SECONDS
    await there.verify(token(FIRST, "a"))
    await settled(keys)

    assert "amina" == (await verifier(keys).verify(token(FIRST, "a"))).user_id
