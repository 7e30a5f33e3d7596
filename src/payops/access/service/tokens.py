"""End-user tokens: JWTs of one issuer, for one audience, under exactly one algorithm.

The algorithm comes from the settings, never from the token, and the key must be of the
kind that belongs to it: a public key can then not be taken for an HMAC secret.
"""

import hashlib
from collections import OrderedDict
from datetime import timedelta
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from payops.access.domain import Principal, end_user, is_user_id
from payops.access.errors import CredentialsRefused, TokenExpired
from payops.access.service.jwks import Fetch, Jwks
from payops.infra.settings import Auth, Environment, Settings
from payops.kernel.clock import Clock, SystemClock

REMEMBERED_MAX: Final = 20_000
# Longer than this no verification is believed, so that a withdrawn key ends its tokens too.
REMEMBERED_SECONDS_MAX: Final = 300
TOKEN_LENGTH_MAX: Final = 8192
HMAC_SECRET_BYTES_MIN: Final = 32
_RSA_BITS_MIN: Final = 2048
_REQUIRED: Final = ["exp", "iat", "sub", "iss", "aud"]
_KEY_NAME: Final = "PAYOPS_AUTH__JWT_KEY"
_URL_NAME: Final = "PAYOPS_AUTH__JWT_JWKS_URL"


class KeySource(Protocol):
    async def key(self, key_id: str | None) -> Any | None:
        """The key for a token that names ``key_id``; ``None`` when there is none."""


class FixedKey:
    """The one key of the settings, whatever key id a token names."""

    def __init__(self, key: Any) -> None:
        self._key = key

    async def key(self, _: str | None) -> Any | None:
        return self._key


def key_source_of(auth: Auth, fetch: Fetch) -> KeySource:
    """Where the settings say that keys come from.

    Raises:
        ValueError: no key, two sources, or a key that does not belong to the algorithm.
            The text names the variable and never its value.
    """
    if auth.jwt_jwks_url is not None:
        if auth.jwt_algorithm == "HS256":
            raise ValueError(f"{_URL_NAME} cannot serve HS256: its key is a secret")
        if auth.jwt_key is not None:
            raise ValueError(f"set {_KEY_NAME} or {_URL_NAME}, not both")
        return Jwks(auth.jwt_jwks_url, auth.jwt_algorithm, fetch)
    if auth.jwt_key is None:
        raise ValueError(f"{_KEY_NAME} is required")
    return FixedKey(_fixed_key(auth.jwt_algorithm, auth.jwt_key.get_secret_value()))


def _fixed_key(algorithm: str, text: str) -> Any:
    if algorithm == "HS256":
        secret = text.encode()
        if len(secret) < HMAC_SECRET_BYTES_MIN:
            raise ValueError(f"{_KEY_NAME} must have at least {HMAC_SECRET_BYTES_MIN} bytes")
        if b"-----BEGIN" in secret:
            raise ValueError(f"{_KEY_NAME} is a PEM key, which HS256 does not take")
        return secret
    try:
        key = load_pem_public_key(text.replace("\\n", "\n").encode())
    except ValueError:
        raise ValueError(f"{_KEY_NAME} is not a public key in PEM") from None
    fits = {
        "RS256": isinstance(key, RSAPublicKey) and key.key_size >= _RSA_BITS_MIN,
        "ES256": isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1),
        "EdDSA": isinstance(key, Ed25519PublicKey),
    }[algorithm]
    if not fits:
        raise ValueError(f"{_KEY_NAME} is not a key for {algorithm}")
    return key


class TokenVerifier:
    """Tells whose a token is, and remembers it for as long as that stays true."""

    def __init__(self, auth: Auth, keys: KeySource, clock: Clock | None = None) -> None:
        self._auth = auth
        self._keys = keys
        self._clock = clock or SystemClock()
        self._remembered: OrderedDict[bytes, tuple[int, Principal]] = OrderedDict()

    def remembered(self, token: str) -> Principal | None:
        """Whose token it is, if it was verified before and has not expired since."""
        known = self._remembered.get(_digest(token))
        if known is None or known[0] <= self._now():
            return None
        return known[1]

    async def verify(self, token: str) -> Principal:
        """Whose token it is.

        Raises:
            TokenExpired: it was good.
            CredentialsRefused: it is not, for whatever reason.
            TokenKeysUnavailable: its key cannot be had, so nobody knows.
        """
        if len(token) > TOKEN_LENGTH_MAX:
            raise CredentialsRefused
        claims = self._claims(token, await self._keys.key(_key_id(token)))
        if not is_user_id(claims["sub"]):
            raise CredentialsRefused
        principal = end_user(claims["sub"], _verified_email(claims))
        self._remember(token, int(claims["exp"]) + self._auth.jwt_leeway_seconds, principal)
        return principal

    def _claims(self, token: str, key: Any | None) -> dict[str, Any]:
        if key is None:
            raise CredentialsRefused
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[self._auth.jwt_algorithm],
                issuer=self._auth.jwt_issuer,
                audience=self._auth.jwt_audience,
                leeway=self._auth.jwt_leeway_seconds,
                options={"require": _REQUIRED, "enforce_minimum_key_length": True},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except jwt.PyJWTError:
            raise CredentialsRefused from None

    def _remember(self, token: str, until: int, principal: Principal) -> None:
        until = min(until, self._now() + REMEMBERED_SECONDS_MAX)
        self._remembered[_digest(token)] = (until, principal)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    def _now(self) -> int:
        return int(self._clock.now().timestamp())


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _key_id(token: str) -> str | None:
    """The key id of the token's unverified header: it chooses among our keys, nothing more."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError:
        raise CredentialsRefused from None
    return key_id if isinstance(key_id, str) else None


def _verified_email(claims: dict[str, Any]) -> str | None:
    email = claims.get("email")
    return email if isinstance(email, str) and claims.get("email_verified") is True else None


def issue_development_token(
    settings: Settings, user_id: str, ttl: timedelta, clock: Clock | None = None
) -> str:
    """A token as the real issuer would make it, signed with the development secret.

    Raises:
        ValueError: in production, with another algorithm than HS256, or for no user id.
    """
    auth = settings.auth
    if settings.env is Environment.PRODUCTION:
        raise ValueError("tokens are issued by the identity provider in production")
    if auth.jwt_algorithm != "HS256" or auth.jwt_key is None:
        raise ValueError(f"development tokens need HS256 and {_KEY_NAME}")
    if not is_user_id(user_id):
        raise ValueError("not a user id")
    now = (clock or SystemClock()).now()
    claims = {
        "sub": user_id,
        "iat": now,
        "exp": now + ttl,
        "iss": auth.jwt_issuer,
        "aud": auth.jwt_audience,
    }
    return jwt.encode(claims, auth.jwt_key.get_secret_value(), algorithm="HS256")
