"""What production refuses to start with: placeholders, sandboxes, missing keys."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from payops.infra.settings import Environment, Role, Settings

_PLACEHOLDERS = ("change", "example", "placeholder", "secret", "sandbox", "test", "demo", "dummy")
_SECRET_LENGTH_MIN = 16


def refuse_unsafe(settings: Settings) -> None:
    """Raises ``ValueError`` with every variable that production cannot be run with."""
    if settings.env is Environment.PRODUCTION:
        faults = list(unsafe(settings))
        if faults:
            raise ValueError("refusing to start in production:\n  " + "\n  ".join(faults))


def unsafe(settings: Settings) -> Iterator[str]:
    """What production must not be run with, each with its variable's name; never a value."""
    lipana, pii, auth = settings.lipana, settings.pii, settings.auth
    yield from _secret("PAYOPS_DATABASE_URL", settings.database_url, words=False)
    yield from _secret("PAYOPS_LIPANA__API_KEY", lipana.api_key)
    yield from _secret("PAYOPS_LIPANA__WEBHOOK_SECRET", lipana.webhook_secret)
    yield from _secret("PAYOPS_PII__KEYS", pii.keys, words=False)
    yield from _secret("PAYOPS_PII__INDEX_KEY", pii.index_key, words=False)
    if settings.role is not Role.WORKER and auth.jwt_jwks_url is None:
        yield from _secret(
            "PAYOPS_AUTH__JWT_KEY", auth.jwt_key, words=auth.jwt_algorithm == "HS256"
        )
    yield from _url("PAYOPS_LIPANA__BASE_URL", lipana.base_url)
    yield from _url("PAYOPS_PUBLIC_URL", settings.public_url)
    if auth.jwt_jwks_url:
        yield from _url("PAYOPS_AUTH__JWT_JWKS_URL", auth.jwt_jwks_url)


def _secret(name: str, secret: SecretStr | None, *, words: bool = True) -> Iterator[str]:
    if secret is None:
        yield f"{name} is not set"
        return
    value = secret.get_secret_value()
    if words and any(word in value.lower() for word in _PLACEHOLDERS):
        yield f"{name} looks like a placeholder"
    elif len(value) < _SECRET_LENGTH_MIN:
        yield f"{name} is too short"


def _url(name: str, url: str) -> Iterator[str]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in ("localhost", "127.0.0.1", "::1") or "sandbox" in host:
        yield f"{name} is a sandbox or loopback address"
    elif parts.scheme != "https":
        yield f"{name} must be https"
