"""What production refuses to start with: placeholders, sandboxes, missing keys."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from payops.infra.settings import Environment, Role, Settings
from payops.infra.settings.database import address_of

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
    yield from _database(settings.database_url)
    yield from _secret("PAYOPS_LIPANA__API_KEY", lipana.api_key)
    yield from _secret("PAYOPS_LIPANA__WEBHOOK_SECRET", lipana.webhook_secret)
    if pii.key_provider == "environment":
        yield from _secret("PAYOPS_PII__KEYS", pii.keys, words=False)
        yield from _secret("PAYOPS_PII__INDEX_KEY", pii.index_key, words=False)
    if pii.key_provider == "vault" and settings.vault.url:
        yield from _url("PAYOPS_VAULT__URL", settings.vault.url)
    if settings.role is not Role.WORKER and auth.jwt_jwks_url is None:
        yield from _secret(
            "PAYOPS_AUTH__JWT_KEY", auth.jwt_key, words=auth.jwt_algorithm == "HS256"
        )
    yield from _url("PAYOPS_LIPANA__BASE_URL", lipana.base_url)
    yield from _url("PAYOPS_PUBLIC_URL", settings.public_url)
    if auth.jwt_jwks_url:
        yield from _url("PAYOPS_AUTH__JWT_JWKS_URL", auth.jwt_jwks_url)
    yield from _deposit_providers(settings)
    yield from _alert_channels(settings)
    yield from _code_channels(settings)


def _database(url: SecretStr | None) -> Iterator[str]:
    """The books, and the password to them, do not cross a network in the clear."""
    yield from _secret("PAYOPS_DATABASE_URL", url, words=False)
    if url is not None and not address_of(url.get_secret_value()).is_encrypted:
        yield "PAYOPS_DATABASE_URL must be encrypted: sslmode=verify-full, and sslrootcert"


def _deposit_providers(settings: Settings) -> Iterator[str]:
    """Each is optional; one that is half set up would take no notification, or believe any."""
    nowpayments, btcpay = settings.nowpayments, settings.btcpay
    if nowpayments.api_key is not None or nowpayments.ipn_secret is not None:
        yield from _secret("PAYOPS_NOWPAYMENTS__API_KEY", nowpayments.api_key)
        yield from _secret("PAYOPS_NOWPAYMENTS__IPN_SECRET", nowpayments.ipn_secret)
        yield from _url("PAYOPS_NOWPAYMENTS__BASE_URL", nowpayments.base_url)
    if btcpay.base_url is not None:
        yield from _secret("PAYOPS_BTCPAY__API_KEY", btcpay.api_key)
        yield from _secret("PAYOPS_BTCPAY__WEBHOOK_SECRET", btcpay.webhook_secret)
        yield from _url("PAYOPS_BTCPAY__BASE_URL", btcpay.base_url)


def _alert_channels(settings: Settings) -> Iterator[str]:
    """Each is optional; one that is set must reach the people it is for."""
    alerts = settings.alerts
    if alerts.slack_webhook_url is not None:
        url = alerts.slack_webhook_url.get_secret_value()
        yield from _url("PAYOPS_ALERTS__SLACK_WEBHOOK_URL", url)
    if alerts.pagerduty_routing_key is not None:
        yield from _secret("PAYOPS_ALERTS__PAGERDUTY_ROUTING_KEY", alerts.pagerduty_routing_key)
        yield from _url("PAYOPS_ALERTS__PAGERDUTY_URL", alerts.pagerduty_url)


def _code_channels(settings: Settings) -> Iterator[str]:
    """Optional, like those of alerts; a code that is sent in the clear is nobody's secret."""
    if settings.events.url is not None:
        yield from _url("PAYOPS_EVENTS__URL", settings.events.url)
        yield from _secret("PAYOPS_EVENTS__SECRET", settings.events.secret, words=False)


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
