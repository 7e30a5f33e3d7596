"""End-user tokens, and the ways to forge them."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pydantic import SecretStr

from payops.access.domain import END_USER_SCOPES
from payops.access.errors import CredentialsRefused, TokenExpired
from payops.access.service import TokenVerifier, issue_development_token, key_source_of
from payops.access.service.tokens import REMEMBERED_SECONDS_MAX
from payops.infra.settings import Auth, Environment, Settings
from payops.kernel.errors import Unauthenticated

SECRET = "made-up-secret-of-the-test-suite-0123456789"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ED_KEY = ed25519.Ed25519PrivateKey.generate()


def public_pem(key: Any) -> str:
    public = key.public_key()
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def private_pem(key: Any) -> str:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return str(pem.decode())


@dataclass
class Now:
    """A clock for what is remembered; PyJWT itself reads the system's."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


async def no_fetch(url: str) -> bytes:
    raise OSError(url)


def verifier(
    algorithm: str = "HS256", key: str = SECRET, clock: Now | None = None
) -> TokenVerifier:
    auth = Auth.model_validate({"jwt_algorithm": algorithm, "jwt_key": SecretStr(key)})
    return TokenVerifier(auth, key_source_of(auth, no_fetch), clock)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    made = {"sub": "amina", "iat": now, "exp": now + 600, "iss": "betrix", "aud": "payops"}
    return {name: value for name, value in (made | changes).items() if value is not None}


def signed(algorithm: str = "HS256", key: Any = SECRET, **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def encoded(document: Any) -> str:
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hand_made(header: dict[str, Any], payload: Any, secret: bytes) -> str:
    """A token with an HMAC over whatever it is: what libraries refuse to make."""
    body = f"{encoded(header)}.{encoded(payload)}"
    return f"{body}.{encoded(hmac.digest(secret, body.encode(), hashlib.sha256))}"


async def test_a_good_token_is_its_user() -> None:
    """The subject is the user, with the fixed scopes of users."""
    principal = await verifier().verify(signed())

    assert ("user:amina", "amina", END_USER_SCOPES) == (
        principal.caller,
        principal.user_id,
        principal.scopes,
    )


@pytest.mark.parametrize(
    ("algorithm", "private"), [("RS256", RSA_KEY), ("ES256", EC_KEY), ("EdDSA", ED_KEY)]
)
async def test_public_key_algorithms_are_verified_with_their_key(
    algorithm: str, private: Any
) -> None:
    """Each of the configurable algorithms works, and only with its own key."""
    there = verifier(algorithm, public_pem(private))

    assert "amina" == (await there.verify(signed(algorithm, private_pem(private)))).user_id
    for other, key in (("RS256", RSA_KEY), ("ES256", EC_KEY), ("EdDSA", ED_KEY)):
        if other != algorithm:
            with pytest.raises(CredentialsRefused):
                await there.verify(signed(other, private_pem(key)))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_public_key_is_no_secret(algorithm: str) -> None:
    """Signing with the public key as HMAC secret is the classic confusion: refused."""
    key = public_pem({"RS256": RSA_KEY, "ES256": EC_KEY, "EdDSA": ED_KEY}[algorithm])
    forged = [
        hand_made({"alg": alg, "typ": "JWT"}, claims(), key.encode())
        for alg in ("HS256", algorithm)
    ]

    for token in forged:
        with pytest.raises(CredentialsRefused):
            await verifier(algorithm, key).verify(token)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS384", "HS512", "hs256"])
async def test_the_token_does_not_choose_its_algorithm(algorithm: str) -> None:
    """No signature, another hash and other spellings are refused, signed or not."""
    unsigned = f"{encoded({'alg': algorithm})}.{encoded(claims())}."
    with_secret = hand_made({"alg": algorithm}, claims(), SECRET.encode())

    for token in (unsigned, with_secret):
        with pytest.raises(CredentialsRefused):
            await verifier().verify(token)


@pytest.mark.parametrize("claim", ["sub", "iat", "exp", "iss", "aud"])
async def test_each_required_claim_must_be_there(claim: str) -> None:
    """A token without an end, an origin or an addressee is not taken."""
    with pytest.raises(CredentialsRefused):
        await verifier().verify(
            hand_made({"alg": "HS256"}, claims(**{claim: None}), SECRET.encode())
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "elsewhere"},
        {"iss": ["betrix"]},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": 5},
        {"sub": 5},
        {"sub": ""},
        {"sub": "@house"},
        {"sub": "a b"},
        {"sub": "a\n"},
        {"sub": "a" * 65},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"exp": []},
        {"iat": "then"},
        {"nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
    ],
)
async def test_a_wrong_claim_is_refused(changes: dict[str, Any]) -> None:
    """Also with a good signature: another addressee, the future, odd types."""
    token = hand_made({"alg": "HS256"}, claims(**changes), SECRET.encode())

    with pytest.raises(CredentialsRefused):
        await verifier().verify(token)


async def test_an_audience_may_be_one_of_several() -> None:
    """RFC 7519 lets ``aud`` be a list."""
    principal = await verifier().verify(signed(aud=["other", "payops"]))

    assert "amina" == principal.user_id


async def test_an_expired_token_says_so_and_the_leeway_counts() -> None:
    """A client can tell that it needs a new token; clocks may differ by the leeway."""
    now = int(datetime.now(UTC).timestamp())

    principal = await verifier().verify(signed(iat=now - 600, exp=now - 10))
    assert "amina" == principal.user_id
    with pytest.raises(TokenExpired):
        await verifier().verify(signed(iat=now - 600, exp=now - 60))


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a",
        "a.b",
        "a.b.c",
        "....",
        f"{encoded([])}.{encoded({})}.x",
        f"{encoded({'alg': 5})}.{encoded({})}.x",
        f"{encoded({'alg': 'HS256', 'kid': 5})}.{encoded({})}.x",
        f"{encoded(b'[' * 5000)}.{encoded({})}.x",
        hand_made({"alg": "HS256"}, b"[" * 3000, SECRET.encode()),
        hand_made({"alg": "HS256"}, [], SECRET.encode()),
        hand_made({"alg": "HS256", "crit": ["x"]}, claims(), SECRET.encode()),
        hand_made({"alg": "HS256", "b64": False, "crit": ["b64"]}, claims(), SECRET.encode()),
        hand_made({"alg": "HS256"}, claims(), b"another secret"),
        signed() + "A" * 9000,
        signed()[:-4],
    ],
)
async def test_what_is_no_token_is_refused_like_any_other(token: str) -> None:
    """Nothing that is sent as a token leads to another error."""
    with pytest.raises(CredentialsRefused):
        await verifier().verify(token)


async def test_a_verified_token_is_remembered_until_it_expires() -> None:
    """It is not verified again, and not believed beyond its end."""
    clock = Now(datetime.now(UTC))
    there = verifier(clock=clock)
    token = signed(exp=int(clock.moment.timestamp()) + 100)
    assert there.remembered(token) is None

    principal = await there.verify(token)

    assert principal == there.remembered(token)
    assert there.remembered(signed(sub="brian")) is None
    clock.moment += timedelta(seconds=129)
    assert principal == there.remembered(token)
    clock.moment += timedelta(seconds=2)
    assert there.remembered(token) is None


async def test_a_long_lived_token_is_verified_again_now_and_then() -> None:
    """A key that the issuer withdraws ends its tokens within minutes."""
    clock = Now(datetime.now(UTC))
    there = verifier(clock=clock)
    token = signed(exp=int(clock.moment.timestamp()) + 10**6)
    await there.verify(token)

    clock.moment += timedelta(seconds=REMEMBERED_SECONDS_MAX + 1)

    assert there.remembered(token) is None


async def test_a_refused_token_is_not_remembered() -> None:
    """Neither as good nor as anybody's."""
    there = verifier()
    token = signed(iss="elsewhere")
    with pytest.raises(Unauthenticated):
        await there.verify(token)

    assert there.remembered(token) is None


@pytest.mark.parametrize(
    ("verified", "expected"), [(True, "amina@example.org"), (False, None), ("true", None)]
)
async def test_only_a_verified_address_is_taken_over(verified: Any, expected: str | None) -> None:
    """A code sent to an unverified address would go to whoever typed it in."""
    token = signed(email="amina@example.org", email_verified=verified)

    assert expected == (await verifier().verify(token)).verified_email


@pytest.mark.parametrize(
    ("algorithm", "key", "words"),
    [
        ("HS256", None, "PAYOPS_AUTH__JWT_KEY is required"),
        ("HS256", "short", "at least 32 bytes"),
        ("HS256", public_pem(RSA_KEY), "is a PEM key"),
        ("RS256", SECRET, "not a public key"),
        ("RS256", public_pem(EC_KEY), "not a key for RS256"),
        ("ES256", public_pem(RSA_KEY), "not a key for ES256"),
        ("ES256", public_pem(ec.generate_private_key(ec.SECP384R1())), "not a key for ES256"),
        ("EdDSA", public_pem(EC_KEY), "not a key for EdDSA"),
        ("RS256", private_pem(RSA_KEY), "not a public key"),
    ],
)
def test_a_key_that_does_not_belong_to_the_algorithm_stops_the_start(
    algorithm: str, key: str | None, words: str
) -> None:
    """The variable is named, and no part of the key is."""
    auth = Auth.model_validate({"jwt_algorithm": algorithm, "jwt_key": key})

    with pytest.raises(ValueError, match=words) as refused:
        key_source_of(auth, no_fetch)

    assert "PAYOPS_AUTH__JWT_KEY" in str(refused.value)
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [{"jwt_algorithm": "HS256"}, {"jwt_algorithm": "RS256", "jwt_key": public_pem(RSA_KEY)}],
)
def test_keys_from_a_url_are_public_and_the_only_ones(changes: dict[str, str]) -> None:
    """A secret is never fetched, and two sources would leave open which one counts."""
    auth = Auth.model_validate({"jwt_jwks_url": "https://issuer.test/jwks", **changes})

    with pytest.raises(ValueError, match="PAYOPS_AUTH__JWT_JWKS_URL"):
        key_source_of(auth, no_fetch)


async def test_a_development_token_is_good() -> None:
    """What the command line issues is accepted by the service with the same settings."""
    settings = Settings(auth=Auth(jwt_key=SecretStr(SECRET)))

    token = issue_development_token(settings, "amina", timedelta(hours=1))

    assert "amina" == (await verifier().verify(token)).user_id


@pytest.mark.parametrize(
    ("settings", "user_id"),
    [
        (Settings(env=Environment.PRODUCTION, auth=Auth(jwt_key=SecretStr(SECRET))), "amina"),
        (Settings(auth=Auth(jwt_algorithm="RS256", jwt_key=SecretStr(SECRET))), "amina"),
        (Settings(auth=Auth(jwt_key=SecretStr(SECRET))), "@house"),
    ],
)
def test_a_development_token_is_not_issued_in_earnest(settings: Settings, user_id: str) -> None:
    """Not in production, not without the secret, not for what is no user."""
    with pytest.raises(ValueError, match=r"token|user id"):
        issue_development_token(settings, user_id, timedelta(hours=1))
